//! Snapshots of long streams (docs/decisions/0017-snapshots.md): used where they fit, needed nowhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::*;
use futures::future::join_all;
use holdfast_commands::{Clock, Refusal, WriterSettings, Writers};
use holdfast_domain::event::AnyAggregate;
use holdfast_domain::kernel::*;
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand, WalletOwner};
use holdfast_eventlog::{LoadRequest, Loaded, Snapshot, StreamId};
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

/// A wallet with money in it.
struct Payer {
    owner: WalletOwner,
    stream: StreamId,
}

impl World {
    /// A process of its own, with an empty cache.
    async fn process_every(&self, snapshot_every: u32) -> Writers {
        let settings = WriterSettings { writers: 2, snapshot_every, ..WriterSettings::default() };
        Writers::start(&self.log().await, Clock::default(), &settings)
    }

    async fn payer(&self, amount: &str) -> Payer {
        let owner = owner(OwnerType::User, PartyId(Uuid::new_v4()));
        self.fill(&self.process_every(0).await, owner.owner_id, eur(amount)).await;
        let aggregate_id = owner.wallet_id(self.tenant_id).uuid();
        Payer { owner, stream: StreamId { tenant_id: self.tenant_id, aggregate_type: "wallet", aggregate_id } }
    }

    /// How many of `times` transfers of this amount were accepted.
    async fn spend(&self, writers: &Writers, payer: &Payer, amount: &str, times: usize) -> usize {
        let mut accepted = 0;
        for left in (0..times).step_by(250) {
            let spends = (left..times.min(left + 250)).map(|_| {
                let to = WalletOwner { owner_id: PartyId(Uuid::from_u128(0xbeef)), ..payer.owner };
                let to_wallet_id = to.wallet_id(self.tenant_id);
                let command = WalletCommand::Transfer { amount: eur(amount), to_wallet_id, to, reason: "test".to_owned() };
                self.send::<Wallet>(writers, payer.stream.aggregate_id, command, staff(), None)
            });
            for answer in join_all(spends).await {
                match answer {
                    Ok(_) => accepted += 1,
                    Err(Refusal::Rejected { rejection, .. }) if rejection.code == "INSUFFICIENT_FUNDS" => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
        accepted
    }

    async fn as_superuser(&self, sql: &str) {
        let pool = PgPoolOptions::new().max_connections(1).connect_with(self.admin.clone()).await.unwrap();
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    async fn load(&self, payer: &Payer) -> Loaded {
        let request = LoadRequest { streams: vec![payer.stream], from_snapshots: true, ..LoadRequest::default() };
        self.log().await.load(&request).await.unwrap()
    }

    /// The snapshot that a writer would begin with, once it is at least at `sequence`: it is written when nobody waits for it.
    async fn snapshot(&self, payer: &Payer, sequence: i64) -> Snapshot {
        for _ in 0..500 {
            if let Some(snapshot) = self.load(payer).await.snapshots.remove(&payer.stream).filter(|found| found.sequence >= sequence) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("there is no snapshot at {sequence} or later: {:?}", self.load(payer).await.snapshots);
    }

    async fn assert_folds_to(&self, snapshot: &Snapshot) {
        assert_eq!(AnyAggregate::read("wallet", &snapshot.state).unwrap(), self.folded(snapshot).await);
    }

    /// What its events come to.
    async fn folded(&self, snapshot: &Snapshot) -> AnyAggregate {
        let mut folded = AnyAggregate::new("wallet").unwrap();
        for event in self.log().await.read_stream(snapshot.stream, 0, snapshot.sequence).await.unwrap() {
            folded.apply(&event.decode().unwrap().event);
        }
        folded
    }

    /// The one that takes the place of one that was changed, which may be as new.
    async fn true_snapshot(&self, payer: &Payer, sequence: i64) -> Snapshot {
        for _ in 0..500 {
            let snapshot = self.snapshot(payer, sequence).await;
            if AnyAggregate::read("wallet", &snapshot.state).ok() == Some(self.folded(&snapshot).await) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the changed snapshot stays");
    }

    async fn version(&self, payer: &Payer) -> i64 {
        self.stream_events("wallet", payer.stream.aggregate_id).await.last().unwrap().sequence
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_thousands_of_events_is_loaded_by_a_few() {
    // NFR-17.
    let world = World::new().await;
    let payer = world.payer("30.00").await;
    let writers = world.process_every(200).await;
    assert_eq!(world.spend(&writers, &payer, "0.01", 2_999).await, 2_999);
    let version = world.version(&payer).await;
    assert!(version > 2_999);
    // A batch has 256 commands at most: after it the next snapshot is due.
    let snapshot = world.snapshot(&payer, version - 456).await;
    world.assert_folds_to(&snapshot).await;
    let loaded = world.load(&payer).await;
    assert!(loaded.streams[&payer.stream].len() < 500, "{} events were read", loaded.streams[&payer.stream].len());
    // One cent is left, whoever asks.
    let fresh = world.process_every(200).await;
    assert_eq!(world.spend(&fresh, &payer, "0.01", 2).await, 1);
    world.as_superuser("DELETE FROM snapshots").await;
    let fresh = world.process_every(200).await;
    assert_eq!(world.spend(&fresh, &payer, "0.01", 2).await, 0);
    // Who had to fold it whole leaves a snapshot for the next one.
    assert_eq!(world.snapshot(&payer, version + 1).await.sequence, version + 1);
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_does_not_belong_here_is_not_used_and_makes_room_for_one_that_does() {
    // NFR-17, protocols 2.5. What a snapshot claims here is a fortune.
    let rich = "UPDATE snapshots SET state = jsonb_set(state::jsonb, '{available}', '99999999')::json";
    let cases = [
        ("another history", format!("{rich}, anchor = decode(repeat('00', 32), 'hex')"), true),
        ("beyond the end", format!("{rich}, sequence = sequence + 1000"), true),
        ("another folding", format!("{rich}, fingerprint = '1-older'"), true),
        ("no state", "UPDATE snapshots SET state = '{\"available\": \"much\"}'".to_owned(), true),
        ("not even an object", "UPDATE snapshots SET state = '[]'".to_owned(), true),
        // The other side of it: what fits is believed. This is what `verify` looks for.
        ("a wrong state", rich.to_owned(), false),
    ];
    for (what, change, is_noticed) in cases {
        let world = World::new().await;
        let payer = world.payer("1.00").await;
        assert_eq!(world.spend(&world.process_every(5).await, &payer, "0.01", 20).await, 20);
        world.snapshot(&payer, 5).await;
        // What the first process had under way is written: nothing comes between the change and its being noticed.
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.as_superuser(&change).await;
        let version = world.version(&payer).await;
        let fresh = world.process_every(5).await;
        assert_eq!(world.spend(&fresh, &payer, "500.00", 1).await, usize::from(!is_noticed), "{what}");
        if is_noticed {
            assert_eq!(world.true_snapshot(&payer, version).await.sequence, version, "{what}");
            assert_eq!(world.spend(&fresh, &payer, "0.80", 1).await, 1, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_them_at_any_time_changes_nothing() {
    let world = World::new().await;
    let payer = world.payer("4.00").await;
    let deleting = {
        let options = world.admin.clone();
        tokio::spawn(async move {
            let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
            loop {
                sqlx::raw_sql("DELETE FROM snapshots").execute(&pool).await.unwrap();
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        })
    };
    let mut accepted = 0;
    for _ in 0..10 {
        accepted += world.spend(&world.process_every(2).await, &payer, "0.01", 50).await;
    }
    deleting.abort();
    assert_eq!(accepted, 400);
    assert_eq!(world.count("wallet.debited").await, 400);
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_write_snapshots_of_one_stream_never_overspend() {
    // Invariant 1, LED-68: each loads what the other has left behind.
    let world = World::new().await;
    let payer = world.payer("3.00").await;
    let mut accepted = 0;
    for _ in 0..8 {
        // Fresh ones again and again: nothing is cached.
        let (a, b) = (world.process_every(1).await, world.process_every(3).await);
        let (one, other) = tokio::join!(world.spend(&a, &payer, "0.01", 25), world.spend(&b, &payer, "0.01", 25));
        accepted += one + other;
    }
    assert_eq!(accepted, 300);
    assert_eq!(world.count("wallet.debited").await, 300);
    let snapshot = world.snapshot(&payer, world.version(&payer).await - 60).await;
    world.assert_folds_to(&snapshot).await;
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_write_them_commands_go_on() {
    let world = World::new().await;
    let payer = world.payer("1.00").await;
    world.as_superuser("REVOKE INSERT, DELETE ON snapshots FROM holdfast_writer").await;
    assert_eq!(world.spend(&world.process_every(1).await, &payer, "0.01", 50).await, 50);
    assert_eq!(world.spend(&world.process_every(1).await, &payer, "0.01", 60).await, 50);
    assert!(world.load(&payer).await.snapshots.is_empty());
}
