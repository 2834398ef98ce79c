//! What the write side does when its surroundings are not what they were: another log, a database that takes nothing, a clock that jumps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::*;
use holdfast_commands::{Clock, DeadlineWorker, Refusal, Writers};
use holdfast_domain::kernel::PartyId;
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand};
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

impl World {
    async fn as_superuser(&self, sql: &str) {
        let pool = PgPoolOptions::new().max_connections(1).connect_with(self.admin.clone()).await.unwrap();
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// As a backup does that is of an earlier time.
    async fn log_goes_back_to(&self, position: i64) {
        self.as_superuser(&format!(
            "ALTER TABLE events DISABLE TRIGGER USER;
             DELETE FROM events WHERE position > {position}; DELETE FROM receipts WHERE position > {position};
             UPDATE tenant_heads SET position = {position}, previous = {position};
             ALTER TABLE events ENABLE ALWAYS TRIGGER append_only"
        ))
        .await;
    }

    async fn wallet(&self, writers: &Writers) -> Uuid {
        let owner = owner(OwnerType::User, PartyId(Uuid::new_v4()));
        self.fill(writers, owner.owner_id, eur("100.00")).await;
        owner.wallet_id(self.tenant_id).uuid()
    }
}

fn freeze() -> WalletCommand {
    WalletCommand::Freeze { reason: "looked at".to_owned() }
}

fn unfreeze() -> WalletCommand {
    WalletCommand::Unfreeze { reason: "looked at".to_owned() }
}

/// A wallet that was frozen and unfrozen three times, and how many events there were before that.
async fn wallet_with_a_past(world: &World, writers: &Writers) -> (Uuid, usize) {
    let wallet = world.wallet(writers).await;
    let before = world.events().await.len();
    for _ in 0..3 {
        world.send::<Wallet>(writers, wallet, freeze(), staff(), None).await.unwrap();
        world.send::<Wallet>(writers, wallet, unfreeze(), staff(), None).await.unwrap();
    }
    (wallet, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_back_is_read_again_before_anything_is_decided() {
    // NFR-17, protocols 2.2: the cache of a process must not outlive the log that it was read from.
    let world = World::new().await;
    let writers = world.process().await;
    let (wallet, before) = wallet_with_a_past(&world, &writers).await;
    let send = |command| world.send::<Wallet>(&writers, wallet, command, staff(), None);
    send(freeze()).await.unwrap();
    world.log_goes_back_to(i64::try_from(before).unwrap()).await;
    // The cache says frozen; the log does not know that.
    send(freeze()).await.unwrap();
    send(unfreeze()).await.unwrap();
    assert_eq!(world.events().await.len(), before + 2);
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_back_gets_nothing_that_was_decided_on_what_it_lacks() {
    // NFR-17, protocols 2.2: the cache would accept this one, at a sequence that the log has not come to.
    let world = World::new().await;
    let writers = world.process().await;
    let (wallet, before) = wallet_with_a_past(&world, &writers).await;
    let send = |command| world.send::<Wallet>(&writers, wallet, command, staff(), None);
    world.log_goes_back_to(i64::try_from(before).unwrap()).await;
    send(freeze()).await.unwrap();
    assert_eq!(world.events().await.len(), before + 1);
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_has_lost_the_tenant_gets_nothing_of_it() {
    let world = World::new().await;
    let writers = world.process().await;
    let wallet = world.wallet(&writers).await;
    world.log_goes_back_to(0).await;
    world.as_superuser("DELETE FROM tenant_heads").await;
    let answer = world.send::<Wallet>(&writers, wallet, freeze(), staff(), None).await;
    assert!(matches!(answer, Err(Refusal::TenantUnknown)), "{answer:?}");
    assert!(world.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_busy_and_no_command_is_at_fault() {
    // NFR-08: a standby, a full disk: 503, to be repeated, and nothing is stored.
    let world = World::new().await;
    let wallet = world.wallet(&world.process().await).await;
    world.as_superuser(&format!("ALTER ROLE holdfast_writer IN DATABASE {} SET default_transaction_read_only = on", world.name)).await;
    let writers = world.process().await;
    let key = key(&staff(), "once");
    let answer = world.send::<Wallet>(&writers, wallet, freeze(), staff(), key.clone()).await;
    assert!(matches!(answer, Err(Refusal::Busy { .. })), "{answer:?}");
    world.as_superuser(&format!("ALTER ROLE holdfast_writer IN DATABASE {} RESET default_transaction_read_only", world.name)).await;
    world.send::<Wallet>(&world.process().await, wallet, freeze(), staff(), key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_deadline_fires_while_process_and_database_disagree_about_the_time() {
    // ESC-60, protocols 2.6.
    let world = World::new().await;
    world
        .as_superuser(&format!(
            "INSERT INTO deadlines (tenant_id, aggregate_type, aggregate_id, key, due_at, position)
             VALUES ('{}', 'wallet', '{}', 'test', now() - interval '1 second', 1)",
            world.tenant_id.uuid(),
            Uuid::new_v4()
        ))
        .await;
    let writers = world.process_with(Clock::skewed(-60_000)).await;
    let shutdown = CancellationToken::new();
    let worker = DeadlineWorker::new(world.pool("holdfast_reactor").await, writers.clone(), Duration::from_millis(10));
    let before = world.events().await.len();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    for _ in 0..200 {
        if writers.clock().is_off() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shutdown.cancel();
    running.await.unwrap();
    assert!(writers.clock().is_off(), "the worker compares the clocks before it fires");
    assert_eq!(world.events().await.len(), before);
    let payer = owner(OwnerType::User, PartyId(Uuid::new_v4()));
    let answer = world.send::<Wallet>(&writers, Uuid::new_v4(), WalletCommand::Open(payer), staff(), None).await;
    assert!(matches!(answer, Err(Refusal::Busy { .. })), "nor is a command taken");
}
