//! Writers against a real Postgres: what must hold when several of them work on one tenant (docs/ARCHITECTURE.md,
//! "A writer's batch"). Each `World` is a database of its own; each `process()` has its own cache.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod common;

use common::*;
use futures::future::join_all;
use holdfast_commands::{Clock, IdempotencyKey, KeyOwner, Refusal, Request};
use holdfast_domain::kernel::*;
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand, WalletError, WalletEvent, WalletOwner};
use uuid::Uuid;

fn transfer(amount: Money, from: &WalletOwner, tenant_id: TenantId) -> WalletCommand {
    let to = WalletOwner { owner_type: OwnerType::User, owner_id: PartyId(Uuid::from_u128(0xbeef)), ..*from };
    WalletCommand::Transfer { amount, to_wallet_id: to.wallet_id(tenant_id), to, reason: "test".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_is_accepted_at_once_after_another_process_has_credited() {
    // Protocol test 1: B has cached the empty wallet, A credits it, B accepts.
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.send::<Wallet>(&b, wallet, WalletCommand::Open(payer), staff(), None).await.unwrap();
    let refused = world.send::<Wallet>(&b, wallet, transfer(eur("10.00"), &payer, world.tenant_id), staff(), None).await;
    assert!(matches!(refused, Err(Refusal::Rejected { ref rejection, .. }) if rejection.code == "INSUFFICIENT_FUNDS"), "{refused:?}");
    world.fill(&a, payer.owner_id, eur("10.00")).await;
    world.send::<Wallet>(&b, wallet, transfer(eur("10.00"), &payer, world.tenant_id), staff(), None).await.unwrap();
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_is_refused_after_another_process_has_spent() {
    // Protocol test 1, the reverse: B has cached the full wallet, A empties it, B refuses.
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&b, payer.owner_id, eur("10.00")).await;
    world.send::<Wallet>(&a, wallet, transfer(eur("8.00"), &payer, world.tenant_id), staff(), None).await.unwrap();
    let refused = world.send::<Wallet>(&b, wallet, transfer(eur("8.00"), &payer, world.tenant_id), staff(), None).await;
    assert!(matches!(refused, Err(Refusal::Rejected { ref rejection, .. }) if rejection.code == "INSUFFICIENT_FUNDS"), "{refused:?}");
    world.send::<Wallet>(&b, wallet, transfer(eur("2.00"), &payer, world.tenant_id), staff(), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_spenders_over_three_processes_never_overspend() {
    // Invariant 1, LED-68.
    let world = World::new().await;
    let processes = [world.process().await, world.process().await, world.process().await];
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&processes[0], payer.owner_id, eur("100.00")).await;
    let spends = (0..64_usize).map(|n| {
        let writers = &processes[n % 3];
        let command = transfer(eur("7.00"), &payer, world.tenant_id);
        world.send::<Wallet>(writers, wallet, command, staff(), key(&staff(), &format!("spend-{n}")))
    });
    let accepted = join_all(spends).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(accepted, 14);
    assert_eq!(world.count("wallet.debited").await, 14);
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_is_answered_from_its_receipt() {
    // NFR-15; protocols 3.
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&a, payer.owner_id, eur("10.00")).await;
    let spend = |writers: &holdfast_commands::Writers, amount: &str, hash: &[u8]| {
        let key = IdempotencyKey { owner: KeyOwner::Actor(staff().id), key: "k".to_owned(), request_hash: hash.to_vec() };
        let request = world.request::<Wallet>(wallet, transfer(eur(amount), &payer, world.tenant_id), staff(), Some(key));
        let writers = writers.clone();
        async move { writers.execute(request).await }
    };
    let first = spend(&a, "4.00", b"one").await.unwrap();
    assert!(!first.replayed);
    for writers in [&a, &b] {
        let again = spend(writers, "4.00", b"one").await.unwrap();
        assert!(again.replayed);
        assert_eq!((again.position, again.version, &again.events), (first.position, first.version, &first.events));
        assert!(matches!(spend(writers, "5.00", b"two").await, Err(Refusal::KeyReused { .. })));
    }
    assert_eq!(world.count("wallet.debited").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_final_for_its_key() {
    let world = World::new().await;
    let writers = world.process().await;
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&writers, payer.owner_id, eur("1.00")).await;
    let spend = || world.send::<Wallet>(&writers, wallet, transfer(eur("5.00"), &payer, world.tenant_id), staff(), key(&staff(), "late"));
    assert!(matches!(spend().await, Err(Refusal::Rejected { replayed: false, .. })));
    world.fill(&writers, payer.owner_id, eur("100.00")).await;
    assert!(matches!(spend().await, Err(Refusal::Rejected { replayed: true, .. })));
    assert_eq!(world.count("wallet.debited").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_at_two_processes_at_once_takes_effect_once() {
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&a, payer.owner_id, eur("1000.00")).await;
    for round in 0..50 {
        let key = key(&staff(), &format!("round-{round}"));
        let send = |writers| world.send::<Wallet>(writers, wallet, transfer(eur("1.00"), &payer, world.tenant_id), staff(), key.clone());
        let (one, two) = tokio::join!(send(&a), send(&b));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.position, two.position);
        assert_ne!(one.replayed, two.replayed);
    }
    assert_eq!(world.count("wallet.debited").await, 50);
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_is_compared_with_the_stored_version() {
    // NFR-08: 412.
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&a, payer.owner_id, eur("10.00")).await;
    let seen = world.send::<Wallet>(&b, wallet, transfer(eur("1.00"), &payer, world.tenant_id), staff(), None).await.unwrap().version;
    let at = |writers: &holdfast_commands::Writers, version| {
        let request = Request {
            if_match: Some(version),
            ..world.request::<Wallet>(wallet, transfer(eur("1.00"), &payer, world.tenant_id), staff(), None)
        };
        let writers = writers.clone();
        async move { writers.execute(request).await }
    };
    at(&a, seen).await.unwrap();
    // B has cached the version that it saw; the head tells it that it is stale.
    assert_eq!(at(&b, seen).await, Err(Refusal::VersionMismatch { expected: seen, actual: seen + 1 }));
    at(&b, seen + 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_is_answered_as_before_although_its_if_match_is_past() {
    // NFR-15; protocols 3.3. Found by the simulation: the stream was cached, so that nothing asked for the stored answer.
    let world = World::new().await;
    let writers = world.process().await;
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&writers, payer.owner_id, eur("10.00")).await;
    let version = world.stream_events("wallet", wallet).await.len().try_into().unwrap();
    let spend = || {
        let command = transfer(eur("4.00"), &payer, world.tenant_id);
        let request = world.request::<Wallet>(wallet, command, staff(), key(&staff(), "matched"));
        writers.execute(Request { if_match: Some(version), ..request })
    };
    let first = spend().await.unwrap();
    let again = spend().await.unwrap();
    assert_eq!((again.version, again.position, again.replayed), (first.version, first.position, true));
    assert_eq!(world.count("wallet.debited").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_tenant_leaves_no_trace() {
    let world = World::new().await;
    let writers = world.process().await;
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let tenant_id = TenantId(Uuid::new_v4());
    let request = Request { tenant_id, ..world.request::<Wallet>(Uuid::new_v4(), WalletCommand::Open(payer), staff(), None) };
    assert_eq!(writers.execute(request).await, Err(Refusal::TenantUnknown));
    assert!(!world.log().await.heads().await.unwrap().contains_key(&tenant_id));
}

/// Writes an event, then fails: what a careless handler would do.
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
struct Careless {
    applied: u32,
}

impl cqrs_es::Aggregate for Careless {
    const TYPE: &'static str = "wallet";
    type Command = bool;
    type Event = WalletEvent;
    type Error = WalletError;
    type Services = Context;

    async fn handle(&mut self, fail: bool, context: &Context, sink: &cqrs_es::event_sink::EventSink<Self>) -> Result<(), WalletError> {
        let owner = owner(OwnerType::User, context.actor.id);
        let name = if self.applied == 0 { "first" } else { "later" };
        let fact = holdfast_domain::wallet::WalletFact::Unfrozen {
            amount: Money::zero(owner.currency),
            reason: format!("{name}-{}", self.applied),
        };
        sink.write(WalletEvent { owner, at: context.now, fact }, self).await;
        if fail { Err(WalletError::NotFound) } else { Ok(()) }
    }

    fn apply(&mut self, _: WalletEvent) {
        self.applied += 1;
    }
}

impl TenantAggregate for Careless {
    const FOLD_VERSION: u32 = 1;
    fn exists(&self) -> bool {
        true
    }
    fn status(&self) -> &'static str {
        "careless"
    }
    fn claim_taken(_: &Claim, _: Uuid) -> WalletError {
        WalletError::NotFound
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_writes_and_then_fails_leaves_clean_state() {
    // Protocol test 9.
    let world = World::new().await;
    let writers = world.process().await;
    let id = Uuid::new_v4();
    let send = |fail| world.send::<Careless>(&writers, id, fail, staff(), None);
    send(false).await.unwrap();
    assert!(send(true).await.is_err());
    send(false).await.unwrap();
    // Also when they share a batch.
    let together = join_all([send(true), send(false), send(true), send(false)]).await;
    assert_eq!(together.iter().filter(|answer| answer.is_ok()).count(), 2);
    let names: Vec<String> = world.stream_events("wallet", id).await.iter().map(|event| event.payload.clone()).collect();
    assert_eq!(names.len(), 4);
    for (n, payload) in names.iter().enumerate() {
        let expected = if n == 0 { "first-0".to_owned() } else { format!("later-{n}") };
        assert!(payload.contains(&expected), "event {n} was decided on another state: {payload}");
    }
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_clock_is_far_off_takes_no_command() {
    let world = World::new().await;
    let clock = Clock::default();
    let writers = world.process_with(clock.clone()).await;
    let now = chrono::Utc::now();
    clock.observe(now, now + chrono::TimeDelta::milliseconds(800), now);
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let answer = world.send::<Wallet>(&writers, Uuid::new_v4(), WalletCommand::Open(payer), staff(), None).await;
    assert!(matches!(answer, Err(Refusal::Busy { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_the_commit_runs_no_command_twice() {
    // Protocol test 10: long form with HOLDFAST_KILLS=1000.
    let kills: i64 = std::env::var("HOLDFAST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let world = World::new().await;
    let proxy = world.proxy().await;
    let writers = world.process_behind(&proxy).await;
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let wallet = payer.wallet_id(world.tenant_id).uuid();
    world.fill(&writers, payer.owner_id, eur("100000.00")).await;
    let (mut accepted, mut unknown) = ([0, 0], [0, 0]);
    for n in 0..kills {
        let keyed = n % 2 == 0;
        let (which, amount, key) = if keyed { (0, "1.00", key(&staff(), &format!("kill-{n}"))) } else { (1, "2.00", None) };
        // Every other time the wallet is in the writer's memory and its statement prepared: the first answer is the append's.
        if n / 12 % 2 == 0 {
            proxy.lose_answer(0);
            world.send::<Wallet>(&writers, wallet, transfer(eur("3.00"), &payer, world.tenant_id), staff(), None).await.unwrap();
        }
        // Which of the server's next answers is lost: of loading, preparing, appending.
        proxy.lose_answer(1 + n / 2 % 6);
        loop {
            match world.send::<Wallet>(&writers, wallet, transfer(eur(amount), &payer, world.tenant_id), staff(), key.clone()).await {
                Ok(_) => break accepted[which] += 1,
                // With a key one repeats; without one nobody can know, so it is left at that.
                Err(Refusal::OutcomeUnknown) => {
                    unknown[which] += 1;
                    if !keyed {
                        break;
                    }
                }
                Err(Refusal::Busy { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    proxy.lose_answer(0);
    let debits = |amount: &str| {
        let amount = format!("\"amount\":\"{amount}\"");
        let world = &world;
        async move {
            world
                .stream_events("wallet", wallet)
                .await
                .iter()
                .filter(|event| event.event_type == "wallet.debited" && event.payload.contains(&amount))
                .count()
        }
    };
    let (with_key, without) = (debits("1.00").await, debits("2.00").await);
    println!("accepted {accepted:?}, unknown {unknown:?}; debits with key {with_key}, without {without}");
    assert!(unknown[0] > 0 && unknown[1] > 0, "no answer was lost: nothing was tried");
    assert_eq!(
        (with_key, accepted[0]),
        (usize::try_from(kills / 2 + kills % 2).unwrap(), with_key),
        "a keyed command is stored exactly once"
    );
    assert!((accepted[1]..=accepted[1] + unknown[1]).contains(&without), "a command without a key is stored at most once");
    world.assert_gapless().await;
}
