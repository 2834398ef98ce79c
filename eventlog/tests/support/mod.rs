//! A database of its own for each test, made on a running server and dropped afterwards.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod nats_server;
pub(crate) mod relay;
pub(crate) mod tree;
pub(crate) mod vault;

use std::future::Future;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Pool, PoolSettings, migrate_write};
use holdfast_eventlog::{Batch, EventLog, NewClaim, NewEvent, NewReceipt, ReceiptKey, Snapshot, StreamId, Unit};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use uuid::Uuid;

pub(crate) struct Database {
    pub(crate) name: String,
    admin_url: String,
    /// As the superuser who migrated it.
    pub(crate) admin: PgPool,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let server = server_url();
        let name = format!("eventlog_{}", Uuid::new_v4().simple());
        let maintenance = PgPool::connect(&server).await.unwrap();
        maintenance.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        maintenance.close().await;
        let admin_url = with_database(&server, &name);
        let admin = PgPoolOptions::new().max_connections(3).connect(&admin_url).await.unwrap();
        migrate_write(&admin).await.unwrap();
        Self { name, admin_url, admin }
    }

    pub(crate) fn url_as(&self, role: &str) -> String {
        let options: PgConnectOptions = self.admin_url.parse().unwrap();
        format!("postgres://{role}@{}:{}/{}", options.get_host(), options.get_port(), self.name)
    }

    pub(crate) async fn pool_as(&self, role: &str, settings: PoolSettings) -> Pool {
        Pool::connect(&self.url_as(role), settings).await.unwrap()
    }

    /// The log as writers see it; each call has connections of its own, like a process.
    pub(crate) async fn log(&self) -> EventLog {
        EventLog::new(self.pool_as("holdfast_writer", PoolSettings::for_log(4)).await)
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.admin).await.unwrap()
    }
}

pub(crate) fn server_url() -> String {
    std::env::var("HOLDFAST_TEST_DATABASE_URL").unwrap_or_else(|_| "postgres://app@127.0.0.1:55432/postgres".to_owned())
}

pub(crate) fn nats_url() -> String {
    std::env::var("HOLDFAST_TEST_NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:54222".to_owned())
}

fn with_database(server: &str, name: &str) -> String {
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// Runs the test and drops its database, also when it fails.
pub(crate) async fn with<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(std::sync::Arc<Database>) -> F) {
    let database = std::sync::Arc::new(Database::create().await);
    let outcome = tokio::spawn(test(database.clone())).await;
    database.admin.close().await;
    let maintenance = PgPool::connect(&server_url()).await.unwrap();
    maintenance.execute(format!("DROP DATABASE {} WITH (FORCE)", database.name).as_str()).await.unwrap();
    maintenance.close().await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

pub(crate) fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(n))
}

pub(crate) fn wallet(tenant_id: TenantId, n: u128) -> StreamId {
    StreamId { tenant_id, aggregate_type: "wallet", aggregate_id: Uuid::from_u128(n) }
}

pub(crate) fn event(text: &str) -> NewEvent {
    NewEvent {
        event_type: "wallet.credited".to_owned(),
        event_version: "1".to_owned(),
        payload: format!(r#"{{"text": "{text}"}}"#),
        metadata: r#"{"by":"test"}"#.to_owned(),
    }
}

/// `events` new events, not gated.
pub(crate) fn unit(stream: StreamId, first_sequence: i64, events: usize) -> Unit {
    Unit {
        stream,
        first_sequence,
        events: (0..events).map(|n| event(&n.to_string())).collect(),
        receipts: Vec::new(),
        claims: Vec::new(),
        gated: false,
    }
}

/// Of this program's folding, but of no event.
pub(crate) fn snapshot(stream: StreamId, sequence: i64) -> Snapshot {
    let fingerprint = holdfast_domain::event::fingerprint(stream.aggregate_type).unwrap().to_owned();
    Snapshot { stream, fingerprint, sequence, anchor: [7; 32], state: format!(r#"{{"at": {sequence}}}"#) }
}

/// A rejection: a receipt without events.
pub(crate) fn rejection(stream: StreamId, key: &str) -> Unit {
    Unit { gated: true, ..unit(stream, 1, 0) }.with_receipt(key, 0)
}

pub(crate) trait UnitExt {
    fn with_receipt(self, key: &str, events_through: i64) -> Unit;
    fn with_claim(self, value: &str, take: bool) -> Unit;
    fn gated(self) -> Unit;
}

impl UnitExt for Unit {
    fn with_receipt(mut self, key: &str, events_through: i64) -> Unit {
        self.receipts.push(NewReceipt {
            key_owner: "actor".to_owned(),
            idempotency_key: key.to_owned(),
            request_hash: vec![1, 2, 3],
            answer: format!(r#"{{"key": "{key}"}}"#),
            events_through,
        });
        self
    }

    fn with_claim(mut self, value: &str, take: bool) -> Unit {
        self.claims.push(NewClaim { kind: "reference", value: value.to_owned(), take });
        self
    }

    fn gated(mut self) -> Unit {
        self.gated = true;
        self
    }
}

pub(crate) fn batch(known: &[(TenantId, i64)], units: Vec<Unit>) -> Batch {
    Batch { units, known: known.iter().copied().collect() }
}

pub(crate) fn key(tenant_id: TenantId, key: &str) -> ReceiptKey {
    ReceiptKey { tenant_id, key_owner: "actor".to_owned(), idempotency_key: key.to_owned() }
}

/// In one batch.
pub(crate) async fn append_events(log: &EventLog, tenant_id: TenantId, first: i64, events: usize) {
    log.append(&batch(&[], vec![unit(wallet(tenant_id, 1), first, events)])).await.unwrap();
}
