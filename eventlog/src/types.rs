//! What goes into an append and what comes back; what is stored.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use holdfast_domain::event::{AnyEvent, DecodeError, aggregate_type};
use holdfast_domain::kernel::{Metadata, Origin, Recorded, TenantId};
use uuid::Uuid;

use crate::snapshot::Snapshot;

/// Names one stream. The tenant is part of every key: another tenant's stream cannot be named by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub tenant_id: TenantId,
    pub aggregate_type: &'static str,
    pub aggregate_id: Uuid,
}

/// All that one append writes, for one or more tenants. One statement, one commit.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub units: Vec<Unit>,
    /// Per tenant of the batch: the position up to which its decisions are known to be current.
    pub known: HashMap<TenantId, i64>,
}

/// All that one batch does to one stream: stored as a whole or not at all. A stream occurs in one unit only.
#[derive(Debug, Clone)]
pub struct Unit {
    pub stream: StreamId,
    /// The sequence of the first event; the stream's current version + 1.
    pub first_sequence: i64,
    pub events: Vec<NewEvent>,
    pub receipts: Vec<NewReceipt>,
    pub claims: Vec<NewClaim>,
    /// Stored only if the tenant's head stood at `known` before this batch: rejections, and decisions that read
    /// other streams. Units without events must be gated.
    pub gated: bool,
}

impl Unit {
    /// Its events as the log has them once they are stored, in order.
    pub fn events_at(&self, first_position: i64, recorded_at: DateTime<Utc>) -> impl Iterator<Item = StoredEvent> {
        self.events.iter().zip(0..).map(move |(event, nth)| StoredEvent {
            tenant_id: self.stream.tenant_id,
            position: first_position + nth,
            aggregate_type: self.stream.aggregate_type.to_owned(),
            aggregate_id: self.stream.aggregate_id,
            sequence: self.first_sequence + nth,
            event_type: event.event_type.clone(),
            event_version: event.event_version.clone(),
            payload: event.payload.clone(),
            metadata: event.metadata.clone(),
            recorded_at,
        })
    }
}

/// The event's sequence is `first_sequence` plus its index.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub event_type: String,
    pub event_version: String,
    /// JSON text, stored byte for byte.
    pub payload: String,
    pub metadata: String,
}

/// The answer of one command, under its idempotency key.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    pub key_owner: String,
    pub idempotency_key: String,
    /// HMAC of the request; empty for system keys, which are never compared.
    pub request_hash: Vec<u8>,
    /// JSON text of the answer, without its position.
    pub answer: String,
    /// How many of the unit's events come before or with this command's last one: gives the answer's position.
    pub events_through: i64,
}

/// A value taken (or given back) across streams of the tenant.
#[derive(Debug, Clone)]
pub struct NewClaim {
    pub kind: &'static str,
    pub value: String,
    /// False: given back.
    pub take: bool,
}

/// What became of a batch. Tenants whose every unit was left out may be missing from `heads`.
#[derive(Debug, Clone)]
pub struct Appended {
    pub heads: BTreeMap<TenantId, HeadMove>,
    /// In the order of the batch's units.
    pub units: Vec<UnitOutcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadMove {
    /// The head's position before the batch, from the locked row.
    pub before: i64,
    pub after: i64,
    pub recorded_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitOutcome {
    /// Its events stand at `first_position`, `first_position + 1`, …; without events: the position it was decided at.
    Stored { first_position: i64 },
    /// Gated, and somebody else had written: decide again.
    Stale,
    /// Somebody else has written this stream: reload and decide again.
    SequenceTaken,
    /// These keys have answers already: answer them from their receipts, decide the others again.
    KeysTaken(Vec<ReceiptKey>),
    /// A value belongs to another stream.
    ClaimTaken { kind: String, value: String, holder: Uuid },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceiptKey {
    pub tenant_id: TenantId,
    pub key_owner: String,
    pub idempotency_key: String,
}

#[derive(Debug, Clone)]
pub struct StoredReceipt {
    pub request_hash: Vec<u8>,
    pub answer: String,
    pub position: i64,
}

/// Everything one round trip can fetch for a batch of commands.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    pub streams: Vec<StreamId>,
    pub receipts: Vec<ReceiptKey>,
    /// Heads of these tenants are returned as well, as they stood at the same instant.
    pub tenants: Vec<TenantId>,
    /// Streams may begin with a snapshot, where there is one of this program's folding; else with their first event.
    pub from_snapshots: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Events in sequence order; streams that do not exist are missing.
    pub streams: HashMap<StreamId, Vec<StoredEvent>>,
    /// Of streams that were asked for from snapshots: their events begin with the snapshot's last one, which it has already.
    pub snapshots: HashMap<StreamId, Snapshot>,
    /// Found, and of another history than the log: their streams are loaded as if they were not there.
    pub misfits: Vec<Snapshot>,
    pub receipts: HashMap<ReceiptKey, StoredReceipt>,
    /// Tenants without a head are missing: their log is empty.
    pub heads: HashMap<TenantId, i64>,
}

/// A row of the log; payload and metadata are the stored bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub tenant_id: TenantId,
    pub position: i64,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    pub payload: String,
    pub metadata: String,
    pub recorded_at: DateTime<Utc>,
}

/// The stored text cannot be read by this version of the program.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableEvent {
    #[error(transparent)]
    Payload(#[from] DecodeError),
    #[error("unreadable metadata")]
    Metadata(#[from] serde_json::Error),
}

impl StoredEvent {
    /// # Errors
    /// When payload or metadata do not have the shape that this version of the program knows.
    pub fn decode(&self) -> Result<Recorded<AnyEvent>, UnreadableEvent> {
        let event = AnyEvent::decode(&self.aggregate_type, &self.event_type, &self.event_version, &self.payload)?;
        let metadata: Metadata = serde_json::from_str(&self.metadata)?;
        let origin = Origin {
            tenant_id: self.tenant_id,
            aggregate_type: aggregate_type(&self.aggregate_type)?,
            aggregate_id: self.aggregate_id,
            sequence: self.sequence,
        };
        Ok(Recorded { origin, position: self.position, recorded_at: self.recorded_at, metadata, event })
    }
}
