//! The relay against real servers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use async_nats::jetstream;
use futures::StreamExt as _;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::nats::{self, Nats, NatsSettings};
use holdfast_eventlog::{StoredEvent, relay};
use support::relay::{Running, checkpoints_reach};
use support::{append_events, nats_url, with};
use uuid::Uuid;

/// A stream and subjects of its own on the shared server.
fn settings() -> NatsSettings {
    let own = Uuid::new_v4().simple().to_string();
    NatsSettings { prefix: format!("t{own}"), stream: format!("T{own}"), max_bytes: 16 << 20, ..NatsSettings::new(nats_url()) }
}

async fn connected(settings: &NatsSettings) -> Nats {
    let nats = Nats::connect(settings.clone()).await.unwrap();
    while !nats.is_connected() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    nats
}

/// All messages that the stream holds, as an outside consumer reads them.
async fn stream_messages(nats: &Nats, settings: &NatsSettings) -> Vec<(StoredEvent, String, String)> {
    let jetstream = jetstream::new(nats.client().clone());
    let mut stream = jetstream.get_stream(&settings.stream).await.unwrap();
    let held = stream.info().await.unwrap().state.messages;
    let config = jetstream::consumer::pull::OrderedConfig::default();
    let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let messages: Vec<_> = messages.take(usize::try_from(held).unwrap()).collect().await;
    let read = |message: Result<jetstream::Message, _>| {
        let message = message.unwrap();
        let id = message.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().to_string();
        (nats::decode(&message.payload).unwrap(), message.subject.to_string(), id)
    };
    messages.into_iter().map(read).collect()
}

async fn wipe(nats: &Nats, settings: &NatsSettings) {
    jetstream::new(nats.client().clone()).delete_stream(&settings.stream).await.unwrap();
}

#[tokio::test]
async fn every_event_is_published_in_order_as_a_cloud_event_and_the_checkpoint_follows() {
    with(|database| async move {
        let (settings, log) = (settings(), database.log().await);
        let nats = connected(&settings).await;
        let (a, b) = (TenantId(Uuid::new_v4()), TenantId(Uuid::new_v4()));
        append_events(&log, a, 1, 1200).await;
        append_events(&log, b, 1, 3).await;
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 1203).await;
        append_events(&log, b, 4, 2).await;
        checkpoints_reach(&database, 1205).await;
        running.stop().await;
        let messages = stream_messages(&nats, &settings).await;
        for tenant_id in [a, b] {
            let published: Vec<_> =
                messages.iter().filter(|(event, ..)| event.tenant_id == tenant_id).map(|(event, ..)| event.clone()).collect();
            assert_eq!(published, log.read(tenant_id, 0, 10_000).await.unwrap());
        }
        let (event, subject, id) = &messages[0];
        assert_eq!(*subject, format!("{}.{}.wallet.credited", settings.prefix, event.tenant_id));
        assert_eq!(*id, format!("{}:1", event.tenant_id));
        let config = jetstream::new(nats.client().clone()).get_stream(&settings.stream).await.unwrap().cached_info().config.clone();
        assert!(config.deny_delete && config.deny_purge && !config.allow_rollup);
        assert_eq!(config.duplicate_window, Duration::from_secs(600));
        // Published again on demand: new ids, or the stream would take them for duplicates.
        assert_eq!(relay::republish(&log, &nats, b, 1, 3, 1, |_| {}).await.unwrap(), 2);
        let again = stream_messages(&nats, &settings).await;
        assert_eq!(again.len(), 1207);
        assert_eq!(again[1205].2, format!("{b}:2:r1"));
        wipe(&nats, &settings).await;
    })
    .await;
}

#[tokio::test]
async fn a_crash_between_ack_and_checkpoint_repeats_and_the_stream_drops_the_repetition() {
    with(|database| async move {
        let (settings, log) = (settings(), database.log().await);
        let nats = connected(&settings).await;
        append_events(&log, TenantId(Uuid::new_v4()), 1, 50).await;
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 50).await;
        running.stop().await;
        sqlx::query("UPDATE subscription_checkpoints SET position = 20").execute(&database.admin).await.unwrap();
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 50).await;
        running.stop().await;
        assert_eq!(stream_messages(&nats, &settings).await.len(), 50);
        wipe(&nats, &settings).await;
    })
    .await;
}

#[tokio::test]
async fn a_wiped_stream_is_made_again_and_publishing_goes_on() {
    with(|database| async move {
        let (settings, log) = (settings(), database.log().await);
        let nats = connected(&settings).await;
        let a = TenantId(Uuid::new_v4());
        append_events(&log, a, 1, 5).await;
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 5).await;
        wipe(&nats, &settings).await;
        append_events(&log, a, 6, 5).await;
        checkpoints_reach(&database, 10).await;
        let positions: Vec<_> = stream_messages(&nats, &settings).await.iter().map(|(event, ..)| event.position).collect();
        assert_eq!(positions, (1..=10).collect::<Vec<_>>(), "what was lost first, then what is new");
        running.stop().await;
        wipe(&nats, &settings).await;
    })
    .await;
}

#[tokio::test]
async fn one_relay_is_active_and_the_standby_takes_over() {
    with(|database| async move {
        let (settings, log) = (settings(), database.log().await);
        let nats = connected(&settings).await;
        let a = TenantId(Uuid::new_v4());
        let holders = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let leader = Running::start(&database, &nats).await;
        // Whoever comes first leads: it has to be this one.
        let since = std::time::Instant::now();
        while database.count(holders).await == 0 {
            assert!(since.elapsed() < Duration::from_secs(10), "nobody leads");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let standby = Running::start(&database, &nats).await;
        append_events(&log, a, 1, 5).await;
        checkpoints_reach(&database, 5).await;
        assert_eq!(database.count(holders).await, 1);
        // The leader's session dies: it notices, and somebody goes on.
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        database.count(kill).await;
        append_events(&log, a, 6, 5).await;
        checkpoints_reach(&database, 10).await;
        leader.stop().await;
        append_events(&log, a, 11, 5).await;
        checkpoints_reach(&database, 15).await;
        assert_eq!(database.count(holders).await, 1);
        standby.stop().await;
        assert_eq!(stream_messages(&nats, &settings).await.len(), 15);
        wipe(&nats, &settings).await;
    })
    .await;
}

#[tokio::test]
async fn the_relay_waits_for_a_nats_that_is_not_there() {
    with(|database| async move {
        let log = database.log().await;
        let nats = Nats::connect(NatsSettings::new("nats://127.0.0.1:1")).await.unwrap();
        let running = Running::start(&database, &nats).await;
        append_events(&log, TenantId(Uuid::new_v4()), 1, 5).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(database.count("SELECT count(*) FROM subscription_checkpoints").await, 0);
        running.stop().await;
    })
    .await;
}
