//! Gap-free delivery, with messages that are lost, repeated, out of order or absent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::nats::{self, Nats, NatsSettings};
use holdfast_eventlog::subscription::{self, ConsumeError, Consumer, FeedEvent, SubscriptionSettings};
use holdfast_eventlog::{EventLog, Fresh, StoredEvent};
use support::{Database, batch, nats_url, unit, wallet, with};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Keeps what it was given; refuses what does not follow.
#[derive(Default)]
struct Memory {
    name: &'static str,
    seen: Mutex<HashMap<TenantId, Vec<i64>>>,
    fails_for: Option<TenantId>,
    failing: AtomicBool,
    failures: AtomicU32,
    pace: Duration,
    /// When each batch began.
    begun: Mutex<Vec<Instant>>,
}

impl Memory {
    fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn position(&self, tenant_id: TenantId) -> i64 {
        self.seen.lock().unwrap().get(&tenant_id).and_then(|seen| seen.last().copied()).unwrap_or(0)
    }

    async fn reaches(&self, tenant_id: TenantId, position: i64) {
        let since = Instant::now();
        while self.position(tenant_id) < position {
            assert!(since.elapsed() < Duration::from_secs(20), "{} stands at {}", self.name, self.position(tenant_id));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(self.seen.lock().unwrap()[&tenant_id].iter().copied().eq(1..=position));
    }
}

impl Consumer for Memory {
    fn name(&self) -> &str {
        self.name
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        let seen = self.seen.lock().unwrap();
        Box::pin(std::future::ready(Ok(seen.iter().map(|(tenant_id, seen)| (*tenant_id, *seen.last().unwrap())).collect())))
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move {
            self.begun.lock().unwrap().push(Instant::now());
            tokio::task::yield_now().await;
            if self.fails_for == Some(tenant_id) && self.failing.load(Ordering::SeqCst) {
                self.failures.fetch_add(1, Ordering::SeqCst);
                return Err(ConsumeError::Failed("not today".into()));
            }
            let mut seen = self.seen.lock().unwrap();
            let seen = seen.entry(tenant_id).or_default();
            if seen.last().copied().unwrap_or(0) != after {
                return Err(ConsumeError::Moved);
            }
            seen.extend(events.iter().map(|event| event.position));
            Ok(())
        })
    }

    fn pace(&self) -> Duration {
        self.pace
    }
}

fn tenant() -> TenantId {
    TenantId(Uuid::new_v4())
}

/// Appends `events` events one after the other.
async fn append(log: &EventLog, tenant_id: TenantId, first: i64, events: usize) {
    for n in 0..i64::try_from(events).unwrap() {
        log.append(&batch(&[], vec![unit(wallet(tenant_id, 1), first + n, 1)])).await.unwrap();
    }
}

struct Running {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(database: &Database, feed: Option<nats::Feed>, consumers: Vec<Arc<dyn Consumer>>, sweep_every: Duration) -> Self {
        let settings = SubscriptionSettings { sweep_every, batch: 7, tenants_at_once: 2, ..SubscriptionSettings::default() };
        Self::start_with(database, feed, consumers, settings).await
    }

    async fn start_with(
        database: &Database,
        feed: Option<nats::Feed>,
        consumers: Vec<Arc<dyn Consumer>>,
        settings: SubscriptionSettings,
    ) -> Self {
        let log = EventLog::new(database.pool_as("holdfast_projector", PoolSettings::default()).await);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(subscription::run(log, feed, consumers, settings, shutdown.clone()));
        Self { shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap();
    }
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn what_was_there_before_the_start_is_delivered_in_order_and_what_follows_at_once() {
    with(|database| async move {
        let log = database.log().await;
        let (a, b, c) = (tenant(), tenant(), tenant());
        for tenant_id in [a, b, c] {
            append(&log, tenant_id, 1, 20).await;
        }
        let (one, two) = (Arc::new(Memory::named("one")), Arc::new(Memory::named("two")));
        two.seen.lock().unwrap().insert(a, (1..=15).collect());
        // The sweep at the start finds the past; then notifications alone.
        let running = Running::start(&database, None, vec![one.clone(), two.clone()], NEVER).await;
        for memory in [&one, &two] {
            for tenant_id in [a, b, c] {
                memory.reaches(tenant_id, 20).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let since = Instant::now();
        append(&log, b, 21, 1).await;
        one.reaches(b, 21).await;
        two.reaches(b, 21).await;
        assert!(since.elapsed() < Duration::from_millis(500), "the notification wakes, not the sweep");
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_with_a_pace_rests_between_batches_that_are_not_full_and_misses_nothing() {
    with(|database| async move {
        let pace = Duration::from_secs(1);
        let (log, tenant_id) = (database.log().await, tenant());
        append(&log, tenant_id, 1, 20).await;
        let memory = Arc::new(Memory { pace, ..Memory::named("paced") });
        // The sweep is for what is appended before it listens.
        let running = Running::start(&database, None, vec![memory.clone()], Duration::from_millis(300)).await;
        memory.reaches(tenant_id, 20).await; // 7, 7, 6: the full ones do not rest
        for first in [21, 24] {
            append(&log, tenant_id, first, 3).await;
            memory.reaches(tenant_id, first + 2).await;
        }
        let begun = memory.begun.lock().unwrap().clone();
        assert!(begun.len() >= 5 && begun[2] - begun[0] < pace, "{begun:?}");
        // Until the next tick at least; and between two ticks lies one pace.
        assert!(begun[2..].windows(3).all(|three| three[2] - three[0] >= pace), "{begun:?}");
        running.stop().await;
    })
    .await;
}

/// Keeps what it is given.
#[derive(Default)]
struct Whole(Mutex<Vec<StoredEvent>>);

impl Whole {
    async fn has(&self, events: usize) {
        let since = Instant::now();
        while self.0.lock().unwrap().len() < events {
            assert!(since.elapsed() < Duration::from_secs(5), "{} events", self.0.lock().unwrap().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Consumer for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        Box::pin(std::future::ready(Ok(HashMap::new())))
    }

    fn consume<'a>(&'a self, _: TenantId, _: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        self.0.lock().unwrap().extend(events.iter().map(|event| (***event).clone()));
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn what_the_process_itself_appends_is_heard_of_with_the_commit_as_the_log_has_it() {
    // Decision 0021.
    with(|database| async move {
        let fresh = Fresh::new();
        let log = database.log().await.with_fresh(fresh.clone());
        let reading = EventLog::new(database.pool_as("holdfast_projector", PoolSettings::default()).await).with_fresh(fresh);
        let (consumer, shutdown, tenant_id) = (Arc::new(Whole::default()), CancellationToken::new(), tenant());
        let settings = SubscriptionSettings { sweep_every: NEVER, ..SubscriptionSettings::default() };
        let consumers: Vec<Arc<dyn Consumer>> = vec![consumer.clone()];
        let task = tokio::spawn(subscription::run(reading, None, consumers, settings, shutdown.clone()));
        append(&log, tenant_id, 1, 1).await;
        consumer.has(1).await;
        // From here on nobody but the process itself can tell.
        sqlx::query("REVOKE SELECT ON events FROM holdfast_projector").execute(&database.admin).await.unwrap();
        let taken = unit(wallet(tenant_id, 1), 1, 1);
        let units = vec![unit(wallet(tenant_id, 2), 1, 2), taken, unit(wallet(tenant_id, 3), 1, 1)];
        log.append(&batch(&[], units)).await.unwrap();
        consumer.has(4).await;
        shutdown.cancel();
        task.await.unwrap();
        let stored = log.read(tenant_id, 0, 9).await.unwrap();
        assert_eq!(*consumer.0.lock().unwrap(), stored, "byte for byte, in order, without what was refused");
    })
    .await;
}

#[tokio::test]
async fn the_sweep_alone_finds_everything() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant();
        let memory = Arc::new(Memory::named("swept"));
        let running = Running::start(&database, None, vec![memory.clone()], Duration::from_millis(200)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Written without a notification.
        append(&log, a, 1, 1).await;
        memory.reaches(a, 1).await;
        let silent = "INSERT INTO events (tenant_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, recorded_at)
                      SELECT tenant_id, aggregate_type, aggregate_id, 2, event_type, event_version, payload, metadata, 2, now() FROM events";
        sqlx::query(silent).execute(&database.admin).await.unwrap();
        sqlx::query("UPDATE tenant_heads SET position = 2").execute(&database.admin).await.unwrap();
        memory.reaches(a, 2).await;
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_tenant_that_fails_stops_nobody_else_and_goes_on_later() {
    with(|database| async move {
        let log = database.log().await;
        let (a, b) = (tenant(), tenant());
        let failing = Arc::new(Memory { fails_for: Some(a), failing: AtomicBool::new(true), ..Memory::named("failing") });
        let healthy = Arc::new(Memory::named("healthy"));
        append(&log, a, 1, 10).await;
        append(&log, b, 1, 10).await;
        let running = Running::start(&database, None, vec![failing.clone(), healthy.clone()], NEVER).await;
        healthy.reaches(a, 10).await;
        healthy.reaches(b, 10).await;
        failing.reaches(b, 10).await;
        assert_eq!(failing.position(a), 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let failures = failing.failures.load(Ordering::SeqCst);
        assert!((2..10).contains(&failures), "with growing pauses: {failures}");
        failing.failing.store(false, Ordering::SeqCst);
        failing.reaches(a, 10).await;
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_that_somebody_else_moved_is_read_again() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant();
        append(&log, a, 1, 10).await;
        let memory = Arc::new(Memory::named("shared"));
        let running = Running::start(&database, None, vec![memory.clone()], Duration::from_millis(100)).await;
        memory.reaches(a, 10).await;
        memory.seen.lock().unwrap().get_mut(&a).unwrap().extend([11, 12]);
        append(&log, a, 11, 4).await;
        memory.reaches(a, 14).await;
        // Moved back, for a rebuild.
        memory.seen.lock().unwrap().clear();
        memory.reaches(a, 14).await;
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn messages_are_the_fast_path_and_whatever_they_lack_comes_from_the_log() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant();
        let settings = NatsSettings { prefix: format!("t{}", Uuid::new_v4().simple()), ..NatsSettings::new(nats_url()) };
        let prefix = settings.prefix.clone();
        let nats = Nats::connect(settings).await.unwrap();
        append(&log, a, 1, 30).await;
        let events = log.read(a, 0, 100).await.unwrap();
        let memory = Arc::new(Memory::named("fast"));
        memory.seen.lock().unwrap().insert(a, vec![1, 2, 3]);
        let running = Running::start(&database, Some(nats.feed()), vec![memory.clone()], NEVER).await;
        memory.reaches(a, 30).await;
        // Later ones only by message: repeated, old, out of order, with a gap, and garbage between.
        append(&log, a, 31, 10).await;
        let events = [events, log.read(a, 30, 100).await.unwrap()].concat();
        let client = nats.client();
        client.publish(format!("{prefix}.garbage"), "hello".into()).await.unwrap();
        for position in [31, 31, 5, 33, 32, 40, 38] {
            let event = &events[position - 1];
            client.publish(nats::subject(&prefix, event), nats::encode(event).unwrap().into()).await.unwrap();
        }
        memory.reaches(a, 40).await;
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_message_about_a_tenant_that_the_log_does_not_have_is_not_believed() {
    // Another environment on the same NATS, or a forger: what is not in the log did not happen.
    with(|database| async move {
        let log = database.log().await;
        let (ours, theirs) = (tenant(), tenant());
        let settings = NatsSettings { prefix: format!("t{}", Uuid::new_v4().simple()), ..NatsSettings::new(nats_url()) };
        let prefix = settings.prefix.clone();
        let nats = Nats::connect(settings).await.unwrap();
        append(&log, ours, 1, 3).await;
        let memory = Arc::new(Memory::named("careful"));
        let running = Running::start(&database, Some(nats.feed()), vec![memory.clone()], Duration::from_millis(50)).await;
        memory.reaches(ours, 3).await;
        let mut forged = log.read(ours, 0, 1).await.unwrap().remove(0);
        forged.tenant_id = theirs;
        nats.client().publish(nats::subject(&prefix, &forged), nats::encode(&forged).unwrap().into()).await.unwrap();
        append(&log, ours, 4, 1).await;
        memory.reaches(ours, 4).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(memory.position(theirs), 0);
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_missing_without_nats() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant();
        let nats = Nats::connect(NatsSettings::new("nats://127.0.0.1:1")).await.unwrap();
        assert!(!nats.is_connected());
        let memory = Arc::new(Memory::named("alone"));
        let running = Running::start(&database, Some(nats.feed()), vec![memory.clone()], NEVER).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        append(&log, a, 1, 25).await;
        memory.reaches(a, 25).await;
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn it_listens_again_when_its_connection_was_lost() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant();
        let memory = Arc::new(Memory::named("again"));
        let running = Running::start(&database, None, vec![memory.clone()], NEVER).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        append(&log, a, 1, 1).await;
        memory.reaches(a, 1).await;
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'holdfast_projector'";
        database.count(kill).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        append(&log, a, 2, 1).await;
        memory.reaches(a, 2).await;
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn processes_share_the_tenants_and_take_over_what_another_leaves() {
    // Protocols 6.3.
    with(|database| async move {
        let log = database.log().await;
        let tenants: Vec<TenantId> = (0..64).map(|_| tenant()).collect();
        for tenant_id in &tenants {
            append(&log, *tenant_id, 1, 1).await;
        }
        let settings = || SubscriptionSettings {
            sweep_every: Duration::from_millis(100),
            batch: 7,
            tenants_at_once: 4,
            share_tenants: true,
            ..SubscriptionSettings::default()
        };
        let (first, second) = (Arc::new(Memory::named("shared")), Arc::new(Memory::named("shared")));
        let one = Running::start_with(&database, None, vec![first.clone()], settings()).await;
        for tenant_id in &tenants {
            first.reaches(*tenant_id, 1).await;
        }
        let two = Running::start_with(&database, None, vec![second.clone()], settings()).await;
        let worked_by_second = || tenants.iter().filter(|tenant_id| second.position(**tenant_id) > 0).count();
        let since = Instant::now();
        while worked_by_second() == 0 {
            assert!(since.elapsed() < Duration::from_secs(10), "the second process gets no share");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(worked_by_second() < tenants.len(), "a share is not everything");
        one.stop().await;
        for tenant_id in &tenants {
            second.reaches(*tenant_id, 1).await;
        }
        two.stop().await;
    })
    .await;
}

#[tokio::test]
async fn checkpoints_are_moved_together_and_one_that_is_held_holds_nobody_up() {
    with(|database| async move {
        let log = EventLog::new(database.pool_as("holdfast_relay", PoolSettings::default()).await);
        let tenants: Vec<TenantId> = (0..20).map(|_| tenant()).collect();
        let moves = async |from: i64, to: i64| {
            futures::future::join_all(tenants.iter().map(|tenant_id| log.move_checkpoint("moved", *tenant_id, from, to))).await
        };
        assert!(moves(0, 3).await.into_iter().all(|moved| moved.unwrap()));
        assert!(moves(2, 4).await.into_iter().all(|moved| !moved.unwrap()), "they were not there");
        let mut other = database.admin.begin().await.unwrap();
        let held = "SELECT FROM subscription_checkpoints WHERE subscription = 'moved' AND tenant_id = $1 FOR UPDATE";
        sqlx::query(held).bind(tenants[7].uuid()).execute(&mut *other).await.unwrap();
        let moved = moves(3, 5).await;
        assert_eq!(moved.iter().filter(|moved| moved.as_ref().is_ok_and(|moved| *moved)).count(), 19);
        assert!(moved[7].is_err(), "after the lock timeout");
        other.rollback().await.unwrap();
        let checkpoints = log.checkpoints("moved").await.unwrap();
        assert!(tenants.iter().enumerate().all(|(nth, tenant_id)| checkpoints[tenant_id] == if nth == 7 { 3 } else { 5 }));
    })
    .await;
}
