//! Read models against a fresh rebuild from a real log (invariant 5).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use holdfast_domain::event::aggregate_type;
use holdfast_eventlog::subscription::{Consumer, FeedEvent};
use holdfast_eventlog::{Batch, EventLog, NewEvent, StreamId, Unit};
use holdfast_projections::all_projections;
use holdfast_projections::runtime::{TableCheck, clear_failure, failures, verify};
use support::{History, Log, tenant, with};

/// One append per event, so that the log has the history's order.
async fn write(log: &EventLog, history: &History) {
    for event in &history.events {
        let stream = StreamId {
            tenant_id: history.tenant,
            aggregate_type: aggregate_type(&event.aggregate_type).unwrap(),
            aggregate_id: event.aggregate_id,
        };
        let new = NewEvent {
            event_type: event.event_type.clone(),
            event_version: event.event_version.clone(),
            payload: event.payload.clone(),
            metadata: event.metadata.clone(),
        };
        let unit =
            Unit { stream, first_sequence: event.sequence, events: vec![new], receipts: Vec::new(), claims: Vec::new(), gated: false };
        log.append(&Batch { units: vec![unit], known: [(history.tenant, event.position - 1)].into() }).await.unwrap();
    }
}

#[tokio::test]
async fn verify_finds_nothing_in_a_healthy_read_model_and_every_row_that_was_tampered_with() {
    with(|database| async move {
        let history = History::of_everything(tenant(0x5));
        let log = Log::create(&database).await;
        write(&log.events("holdfast_writer").await, &history).await;
        let reading = log.events("holdfast_projector").await;
        let feed: Vec<_> = reading.read(history.tenant, 0, 1000).await.unwrap().into_iter().map(|event| Arc::new(FeedEvent::new(event))).collect();
        assert_eq!(i64::try_from(feed.len()).unwrap(), history.head());
        let pool = database.pool_as("holdfast_projector").await;
        let check = async || {
            let mut checks = Vec::<TableCheck>::new();
            for projection in all_projections() {
                checks.extend(verify(&projection, &pool, &reading, &history.keys, history.tenant).await.unwrap());
            }
            checks
        };
        // Nothing projected yet: nothing expected.
        assert!(check().await.iter().all(|check| check.rows == 0 && check.different == 0));
        for projection in all_projections() {
            let projector = database.projector(projection.name(), &history.keys).await;
            // One of them is behind: it is compared at its own position.
            let through = if projection.name() == "audit" { 10 } else { feed.len() };
            for (n, batch) in feed[..through].chunks(7).enumerate() {
                projector.consume(history.tenant, i64::try_from(n * 7).unwrap(), batch).await.unwrap();
            }
        }
        let healthy = check().await;
        assert!(healthy.iter().all(|check| check.rows > 0 && check.different == 0), "{healthy:?}");
        assert_eq!(healthy.iter().find(|check| check.table == "audit_log").unwrap().rows, 10);

        sqlx::query("UPDATE wallets SET available = available + 0.01 WHERE owner_type = 'user'").execute(&database.admin).await.unwrap();
        sqlx::query("DELETE FROM escrow_events WHERE event_type = 'escrow.locked'").execute(&database.admin).await.unwrap();
        sqlx::query("INSERT INTO accounts SELECT tenant_id, gen_random_uuid(), code, name, kind, normal_side, owner_id, detail, currency, never_negative, 0, 0, 0, 0, 0 FROM accounts LIMIT 1").execute(&database.admin).await.unwrap();
        let tampered: Vec<_> = check().await.into_iter().filter(|check| check.different > 0).map(|check| (check.table, check.different, check.keys.len())).collect();
        assert_eq!(tampered, [("escrow_events", 2, 2), ("wallets", 1, 1), ("accounts", 1, 1)]);
        log.drop(&database).await;
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_listed_until_it_is_cleared() {
    with(|database| async move {
        let history = History::typical(tenant(0x5));
        sqlx::query("ALTER TABLE audit_log ADD CONSTRAINT none CHECK (position < 3)").execute(&database.admin).await.unwrap();
        let audit = database.projector("audit", &history.keys).await;
        assert!(support::feed(&audit, &history, 100).await.is_err());
        let pool = database.pool_as("holdfast_projector").await;
        let listed = failures(&pool).await.unwrap();
        assert_eq!((listed.len(), listed[0].position, listed[0].tenant_id), (1, 3, history.tenant));
        sqlx::query("ALTER TABLE audit_log DROP CONSTRAINT none").execute(&database.admin).await.unwrap();
        assert!(clear_failure(&pool, history.tenant, "audit").await.unwrap());
        assert!(!clear_failure(&pool, history.tenant, "audit").await.unwrap());
        support::feed(&audit, &history, 100).await.unwrap();
        assert_eq!(database.count("SELECT count(*) FROM audit_log").await, history.head());
    })
    .await;
}
