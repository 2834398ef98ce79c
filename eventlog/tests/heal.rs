//! A lost stream is filled again from the log, also when nothing new follows (protocols 5, NFR-30).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures::StreamExt as _;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::nats::{self, Nats};
use holdfast_eventlog::{StoredEvent, relay};
use support::nats_server::NatsServer;
use support::relay::{Running, checkpoints_reach};
use support::{Database, append_events, tenant, with};

/// None while there is no stream.
async fn held(nats: &Nats) -> Option<u64> {
    let mut stream = jetstream::new(nats.client().clone()).get_stream("EVENTS").await.ok()?;
    Some(stream.info().await.ok()?.state.messages)
}

async fn holds(nats: &Nats, messages: u64) {
    let since = Instant::now();
    while held(nats).await != Some(messages) {
        assert!(since.elapsed() < Duration::from_secs(30), "{:?} messages instead of {messages}", held(nats).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The messages that are held, read by number: the relay may not make consumers.
async fn messages(nats: &Nats) -> Vec<(StoredEvent, String)> {
    let mut stream = jetstream::new(nats.client().clone()).get_stream("EVENTS").await.unwrap();
    let state = stream.info().await.unwrap().state.clone();
    futures::stream::iter(state.first_sequence..=state.last_sequence)
        .then(|sequence| {
            let stream = stream.clone();
            async move {
                let message = stream.get_raw_message(sequence).await.unwrap();
                (nats::decode(&message.payload).unwrap(), message.headers.get("Nats-Msg-Id").unwrap().to_string())
            }
        })
        .collect()
        .await
}

async fn is_the_log(database: &Database, nats: &Nats, tenant_ids: &[TenantId]) {
    let messages = messages(nats).await;
    for tenant_id in tenant_ids {
        let held: Vec<_> = messages.iter().filter(|(event, _)| event.tenant_id == *tenant_id).map(|(event, _)| event.clone()).collect();
        assert_eq!(held, database.log().await.read(*tenant_id, 0, 10_000).await.unwrap(), "all of it, once, in order");
    }
    assert!(messages.iter().all(|(event, id)| *id == format!("{}:{}", event.tenant_id, event.position)), "the ids that they had");
}

// Protocols 5: a wipe is healed though nothing new is appended; a restart without loss publishes nothing.
#[tokio::test]
async fn a_wiped_store_is_filled_again_though_no_command_follows() {
    with(|database| async move {
        let mut server = NatsServer::start().await;
        let relay_connection = server.nats(&server.relay).await;
        let looking = server.nats(&server.relay).await;
        let (log, tenants) = (database.log().await, [tenant(1), tenant(2)]);
        append_events(&log, tenants[0], 1, 1200).await;
        append_events(&log, tenants[1], 1, 7).await;
        let running = Running::start(&database, &relay_connection).await;
        checkpoints_reach(&database, 1207).await;
        holds(&looking, 1207).await;
        server.kill();
        server.wipe();
        server.run().await;
        holds(&looking, 1207).await;
        is_the_log(&database, &looking, &tenants).await;
        // While nobody leads: seen at the start.
        running.stop().await;
        server.kill();
        server.wipe();
        server.run().await;
        let running = Running::start(&database, &relay_connection).await;
        holds(&looking, 1207).await;
        is_the_log(&database, &looking, &tenants).await;
        // Nothing is lost: the server restarts, the relay restarts, and nothing is published twice.
        let sequence = || async {
            let mut stream = jetstream::new(looking.client().clone()).get_stream("EVENTS").await.unwrap();
            stream.info().await.unwrap().state.last_sequence
        };
        server.kill();
        server.run().await;
        running.stop().await;
        let running = Running::start(&database, &relay_connection).await;
        append_events(&log, tenants[1], 8, 1).await;
        checkpoints_reach(&database, 1208).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(sequence().await, 1208);
        is_the_log(&database, &looking, &tenants).await;
        running.stop().await;
    })
    .await;
}

// Events appended while NATS is down and wiped come after those that were lost.
#[tokio::test]
async fn what_was_lost_comes_before_what_is_new() {
    with(|database| async move {
        let mut server = NatsServer::start().await;
        let nats = server.nats(&server.relay).await;
        let log = database.log().await;
        append_events(&log, tenant(1), 1, 600).await;
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 600).await;
        server.kill();
        server.wipe();
        append_events(&log, tenant(1), 601, 50).await;
        server.run().await;
        checkpoints_reach(&database, 650).await;
        holds(&nats, 650).await;
        is_the_log(&database, &nats, &[tenant(1)]).await;
        running.stop().await;
    })
    .await;
}

// A store put back to an older state lacks the last messages only; a republished range is not taken for that.
#[tokio::test]
async fn an_older_store_gets_its_last_messages_and_a_republished_range_is_no_loss() {
    with(|database| async move {
        let mut server = NatsServer::start().await;
        let nats = server.nats(&server.relay).await;
        let log = database.log().await;
        append_events(&log, tenant(1), 1, 10).await;
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 10).await;
        running.stop().await;
        server.kill();
        server.save();
        server.run().await;
        append_events(&log, tenant(1), 11, 5).await;
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 15).await;
        server.kill();
        server.put_back();
        server.run().await;
        holds(&nats, 15).await;
        is_the_log(&database, &nats, &[tenant(1)]).await;
        let mut heard = Vec::new();
        assert_eq!(relay::republish(&log, &nats, tenant(1), 2, 5, 9, |position| heard.push(position)).await.unwrap(), 3);
        assert_eq!(heard, [5]);
        running.stop().await;
        let running = Running::start(&database, &nats).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        holds(&nats, 18).await;
        running.stop().await;
    })
    .await;
}

// What retention would no longer hold is not published again.
#[tokio::test]
async fn only_what_the_stream_would_still_hold_comes_back() {
    with(|database| async move {
        let mut server = NatsServer::start().await;
        let nats = server.nats(&server.relay).await;
        let log = database.log().await;
        append_events(&log, tenant(1), 1, 10).await;
        let running = Running::start(&database, &nats).await;
        checkpoints_reach(&database, 10).await;
        running.stop().await;
        let mut tx = database.admin.begin().await.unwrap();
        for statement in [
            "ALTER TABLE events DISABLE TRIGGER USER",
            "UPDATE events SET recorded_at = recorded_at - interval '8 days' WHERE position <= 4",
            "ALTER TABLE events ENABLE ALWAYS TRIGGER append_only",
        ] {
            sqlx::query(statement).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        server.kill();
        server.wipe();
        server.run().await;
        let running = Running::start(&database, &nats).await;
        holds(&nats, 6).await;
        let positions: Vec<_> = messages(&nats).await.iter().map(|(event, _)| event.position).collect();
        assert_eq!(positions, [5, 6, 7, 8, 9, 10]);
        running.stop().await;
    })
    .await;
}
