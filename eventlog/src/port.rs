//! What the log, its subscriptions, the relay, reactions and deadlines ask of a write database and of a message server, a
//! method per statement. Production asks Postgres and NATS, where each statement is written down; the simulation puts
//! stand-ins in their place (docs/simulation.md) and runs everything above them as it is.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use holdfast_domain::kernel::TenantId;
use uuid::Uuid;

use crate::snapshot::Snapshot;
use crate::types::{HeadMove, LoadRequest, Loaded, ReceiptKey, StoredEvent, StreamId};

pub type Answer<'a, T> = BoxFuture<'a, Result<T, sqlx::Error>>;

/// What a session answers in autocommit and in a transaction alike.
pub trait Statements: Send + Sync {
    /// [`statements::APPEND`](crate::statements::APPEND).
    fn append(&self, rows: AppendRows) -> Answer<'_, Vec<(TenantId, HeadMove)>>;
    /// [`statements::TAKEN`](crate::statements::TAKEN): what is taken, the place of it from 1, who holds it.
    fn taken<'a>(&'a self, asked: Asked<'a>) -> Answer<'a, Vec<(&'static str, i64, Option<Uuid>)>>;
    /// [`statements::LOAD`](crate::statements::LOAD).
    fn load<'a>(&'a self, request: &'a LoadRequest) -> Answer<'a, Loaded>;
}

/// A write database; each method is a statement in autocommit.
pub trait Database: Statements + Debug {
    fn begin(&self) -> Answer<'_, Box<dyn Transaction>>;
    /// [`statements::WRITE`](crate::statements::WRITE).
    fn write_snapshots<'a>(&'a self, snapshots: &'a [Snapshot]) -> Answer<'a, ()>;
    /// [`statements::DISCARD`](crate::statements::DISCARD).
    fn discard_snapshots<'a>(&'a self, snapshots: &'a [Snapshot]) -> Answer<'a, ()>;
    /// `clock_timestamp()`.
    fn now(&self) -> Answer<'_, DateTime<Utc>>;
    fn read(&self, tenant_id: TenantId, after: i64, limit: i64) -> Answer<'_, Vec<StoredEvent>>;
    fn touched(&self, tenant_id: TenantId, after: i64, through: i64) -> Answer<'_, Vec<StreamId>>;
    fn recorded_at(&self, tenant_id: TenantId, position: i64) -> Answer<'_, Option<DateTime<Utc>>>;
    fn heads(&self) -> Answer<'_, HashMap<TenantId, (i64, DateTime<Utc>)>>;
    fn positions<'a>(&'a self, tenants: &'a [TenantId]) -> Answer<'a, HashMap<TenantId, i64>>;
    fn checkpoints<'a>(&'a self, subscription: &'a str) -> Answer<'a, HashMap<TenantId, i64>>;
    /// False: it was not at `from`.
    fn move_checkpoint_from<'a>(&'a self, subscription: &'a str, tenant_id: TenantId, from: i64, to: i64) -> Answer<'a, bool>;
    /// `LISTEN holdfast_log`.
    fn listen(&self) -> Answer<'_, Box<dyn Notifications>>;
    /// A session of its own that ends when nothing is said on it for `silence`.
    fn lock_session(&self, silence: Duration) -> Answer<'_, Box<dyn LockSession>>;
    fn claim_due(&self, limit: i64) -> Answer<'_, Vec<DueRow>>;
    /// Reactions and chains with something put aside.
    fn parked_chains(&self, tenant_id: TenantId) -> Answer<'_, Vec<(String, Uuid)>>;
    fn unresolved_letter(&self, tenant_id: TenantId, id: Uuid) -> Answer<'_, Option<DeadLetterRow>>;
    fn next_parked<'a>(&'a self, tenant_id: TenantId, reaction: &'a str, correlation_id: Uuid) -> Answer<'a, Option<i64>>;
}

/// An open transaction; dropped before its end it is rolled back.
pub trait Transaction: Statements + Debug {
    /// `SELECT … FOR UPDATE`; `None`: there is no such row.
    fn lock_head(&self, tenant_id: TenantId) -> Answer<'_, Option<i64>>;
    fn make_head(&self, tenant_id: TenantId) -> Answer<'_, ()>;
    /// Made at 0 where it is missing.
    fn lock_checkpoint<'a>(&'a self, subscription: &'a str, tenant_id: TenantId) -> Answer<'a, i64>;
    fn move_checkpoint<'a>(&'a self, subscription: &'a str, tenant_id: TenantId, to: i64) -> Answer<'a, ()>;
    fn insert_letter(&self, letter: DeadLetterRow) -> Answer<'_, ()>;
    fn resolve_letter(&self, tenant_id: TenantId, id: Uuid) -> Answer<'_, ()>;
    fn park<'a>(&'a self, tenant_id: TenantId, reaction: &'a str, correlation_id: Uuid, position: i64) -> Answer<'a, ()>;
    fn unpark<'a>(&'a self, tenant_id: TenantId, reaction: &'a str, position: i64) -> Answer<'a, ()>;
    fn close_deadlines(&self, tenant_id: TenantId, rows: Vec<DeadlineName>) -> Answer<'_, ()>;
    fn set_deadlines(&self, tenant_id: TenantId, rows: Vec<(DeadlineName, DateTime<Utc>)>) -> Answer<'_, ()>;
    fn commit(self: Box<Self>) -> Answer<'static, ()>;
    fn rollback(self: Box<Self>) -> Answer<'static, ()>;
}

/// A session that holds an advisory lock.
pub trait LockSession: Send + Sync {
    fn try_lock(&mut self, lock: i64) -> Answer<'_, bool>;
    fn check(&mut self) -> Answer<'_, ()>;
    fn close(self: Box<Self>) -> Answer<'static, ()>;
}

pub trait Notifications: Send {
    /// The next payload; `None` when the connection is lost. Safe to drop.
    fn next(&mut self) -> Answer<'_, Option<String>>;
}

/// The arguments of an append, by row.
#[derive(Debug, Clone, Default)]
pub struct AppendRows {
    pub tenants: Vec<TenantRow>,
    pub events: Vec<EventRow>,
    pub receipts: Vec<ReceiptRow>,
    pub claims: Vec<ClaimRow>,
}

#[derive(Debug, Clone)]
pub struct TenantRow {
    pub tenant_id: TenantId,
    pub known: i64,
    pub all_events: i64,
    pub ungated_events: i64,
}

#[derive(Debug, Clone)]
pub struct EventRow {
    pub tenant_id: TenantId,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    pub payload: String,
    pub metadata: String,
    pub gated: bool,
    pub nth_of_all: i64,
    pub nth_of_ungated: i64,
}

#[derive(Debug, Clone)]
pub struct ReceiptRow {
    pub key: ReceiptKey,
    pub request_hash: Vec<u8>,
    pub answer: String,
    pub gated: bool,
    pub nth_of_all: i64,
    pub nth_of_ungated: i64,
}

#[derive(Debug, Clone)]
pub struct ClaimRow {
    pub tenant_id: TenantId,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub kind: String,
    pub value: String,
    pub take: bool,
    pub gated: bool,
}

/// Sequences, keys and claims that an append would take.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub streams: &'a [(StreamId, i64)],
    pub keys: &'a [ReceiptKey],
    /// Tenant, kind, value.
    pub claims: &'a [(Uuid, &'static str, String)],
}

/// Aggregate type, its id, the deadline's key.
pub type DeadlineName = (&'static str, Uuid, String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRow {
    pub tenant_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub key: String,
    pub due_at: DateTime<Utc>,
    pub attempts: i32,
    pub database_now: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetterRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub reaction: String,
    pub step: String,
    pub event_position: i64,
    pub event_id: Uuid,
    pub correlation_id: Uuid,
    pub attempt: i32,
    pub reason: serde_json::Value,
}

pub type MessageError = Box<dyn std::error::Error + Send + Sync>;

/// A message server with the stream of events.
pub trait MessageServer: Debug + Send + Sync {
    fn is_connected(&self) -> bool;
    /// How often this client has connected.
    fn connects(&self) -> u64;
    /// Sends; the inner future is the wait for the ack.
    fn publish(&self, subject: String, message_id: String, payload: Vec<u8>) -> BoxFuture<'_, Result<Ack, MessageError>>;
    fn stream(&self) -> BoxFuture<'_, Result<Option<StreamState>, MessageError>>;
    fn set_stream(&self, filled: bool) -> BoxFuture<'_, Result<(), MessageError>>;
    /// Message id and payload of the tenant's last message.
    fn last_message(&self, tenant_id: TenantId) -> BoxFuture<'_, Result<LastMessage, MessageError>>;
    /// A plain subscription to all events; ends with the connection.
    fn subscribe(&self) -> BoxFuture<'_, Result<BoxStream<'static, Vec<u8>>, MessageError>>;
}

/// None when there is none.
pub type LastMessage = Option<(String, Vec<u8>)>;

pub type Ack = BoxFuture<'static, Result<Acknowledged, MessageError>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    pub sequence: u64,
    pub duplicate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    pub created: String,
    pub last_sequence: u64,
    pub filled: bool,
}
