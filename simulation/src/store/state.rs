//! The tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::event::{aggregate_type, fingerprint};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::port::{AppendRows, Asked, DeadLetterRow};
use holdfast_eventlog::{HeadMove, LoadRequest, Loaded, ReceiptKey, Snapshot, StoredEvent, StoredReceipt, StreamId};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use uuid::Uuid;

use super::{IDLE_IN_TRANSACTION, errors};
use crate::process::Process;

#[derive(Debug, Default)]
pub struct State {
    pub tenants: BTreeMap<TenantId, TenantLog>,
    /// By stream and fingerprint.
    pub snapshots: BTreeMap<(StreamId, String), Snapshot>,
    pub checkpoints: BTreeMap<(String, TenantId), i64>,
    pub deadlines: BTreeMap<(TenantId, String, Uuid, String), Deadline>,
    pub letters: BTreeMap<Uuid, Letter>,
    /// Tenant, reaction, position; the chain.
    pub parked: BTreeMap<(TenantId, String, i64), Uuid>,
    /// What the recording subscriber has written, with its checkpoint.
    pub recorded: BTreeMap<TenantId, Vec<(i64, Uuid)>>,
    pub locks: BTreeMap<LockName, Arc<Owner>>,
    pub advisory: BTreeMap<i64, Arc<Owner>>,
    pub listeners: Vec<UnboundedSender<String>>,
    /// What must never happen, as seen when it did.
    pub broken: Vec<String>,
}

/// The rows behind one head: nobody writes them without its lock.
#[derive(Debug, Default, Clone)]
pub struct TenantLog {
    pub head: Option<Head>,
    pub events: Vec<Arc<StoredEvent>>,
    pub streams: BTreeMap<(String, Uuid), Vec<usize>>,
    pub receipts: BTreeMap<(String, String), Receipt>,
    pub claims: BTreeMap<(String, String), (String, Uuid)>,
}

#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub position: i64,
    pub recorded_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct Receipt {
    pub request_hash: Vec<u8>,
    pub answer: String,
    pub position: i64,
}

#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    pub due_at: DateTime<Utc>,
    pub claimed_until: Option<DateTime<Utc>>,
    pub attempts: i32,
}

#[derive(Debug, Clone)]
pub struct Letter {
    pub row: DeadLetterRow,
    pub resolved: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockName {
    Head(TenantId),
    Checkpoint(String, TenantId),
}

/// Who holds locks: a statement, a transaction or a session.
#[derive(Debug)]
pub struct Owner {
    process: Process,
    begun: Instant,
    /// Milliseconds after `begun` until which the server waits for a word; `MAX`: for ever.
    until_ms: AtomicU64,
    ended: std::sync::atomic::AtomicBool,
}

impl Owner {
    pub(super) fn statement(process: &Process) -> Arc<Self> {
        Arc::new(Self { process: process.clone(), begun: Instant::now(), until_ms: AtomicU64::new(u64::MAX), ended: false.into() })
    }

    pub(super) fn transaction(process: &Process) -> Arc<Self> {
        let owner = Self::statement(process);
        owner.heard(IDLE_IN_TRANSACTION);
        owner
    }

    /// Something was said: the server waits for `patience` again.
    pub(super) fn heard(&self, patience: std::time::Duration) {
        let until = self.begun.elapsed() + patience;
        self.until_ms.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn expires(&self) -> Instant {
        match self.until_ms.load(Ordering::Relaxed) {
            u64::MAX => self.begun + std::time::Duration::from_secs(86_400),
            ms => self.begun + std::time::Duration::from_millis(ms),
        }
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// The server has ended it. A statement that runs is finished, whatever becomes of who sent it.
    pub(super) fn is_gone(&self) -> bool {
        let talks = self.until_ms.load(Ordering::Relaxed) != u64::MAX;
        self.ended.load(Ordering::Relaxed) || talks && (self.process.is_dead() || Instant::now() >= self.expires())
    }
}

impl TenantLog {
    pub fn position(&self) -> i64 {
        self.head.map_or(0, |head| head.position)
    }

    pub fn stream(&self, aggregate_type: &str, id: Uuid) -> impl Iterator<Item = &Arc<StoredEvent>> {
        let places = self.streams.get(&(aggregate_type.to_owned(), id)).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|at| &self.events[*at])
    }

    /// The part of an append statement that concerns this tenant; on a copy, so that it is undone by not keeping it.
    pub(super) fn append(&mut self, tenant_id: TenantId, rows: &AppendRows, now: DateTime<Utc>) -> Result<Option<HeadMove>, sqlx::Error> {
        let Some(row) = rows.tenants.iter().find(|row| row.tenant_id == tenant_id) else { return Ok(None) };
        let (previous, recorded_at) = match self.head {
            Some(head) => (head.position, now.max(head.recorded_at + TimeDelta::microseconds(1))),
            None => (0, now),
        };
        let known = row.known;
        let moved_by = match previous.cmp(&known) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => row.all_events,
            std::cmp::Ordering::Greater => row.ungated_events,
        };
        let after = previous + moved_by;
        self.head = Some(Head { position: after, recorded_at });
        let moved = HeadMove { before: previous, after, recorded_at };
        if previous < known {
            return Ok(Some(moved));
        }
        let current = previous == known;
        for event in rows.events.iter().filter(|event| event.tenant_id == tenant_id && (current || !event.gated)) {
            let stream = self.streams.entry((event.aggregate_type.clone(), event.aggregate_id)).or_default();
            if stream.iter().any(|at| self.events[*at].sequence == event.sequence) {
                return Err(errors::key_taken("events_pkey"));
            }
            stream.push(self.events.len());
            self.events.push(Arc::new(StoredEvent {
                tenant_id,
                position: previous + if current { event.nth_of_all } else { event.nth_of_ungated },
                aggregate_type: event.aggregate_type.clone(),
                aggregate_id: event.aggregate_id,
                sequence: event.sequence,
                event_type: event.event_type.clone(),
                event_version: event.event_version.clone(),
                payload: event.payload.clone(),
                metadata: event.metadata.clone(),
                recorded_at,
            }));
        }
        self.events.sort_by_key(|event| event.position);
        for receipt in rows.receipts.iter().filter(|receipt| receipt.key.tenant_id == tenant_id && (current || !receipt.gated)) {
            let position = previous + if current { receipt.nth_of_all } else { receipt.nth_of_ungated };
            let kept = Receipt { request_hash: receipt.request_hash.clone(), answer: receipt.answer.clone(), position };
            let key = (receipt.key.key_owner.clone(), receipt.key.idempotency_key.clone());
            if self.receipts.insert(key, kept).is_some() {
                return Err(errors::key_taken("receipts_pkey"));
            }
        }
        let changes = || rows.claims.iter().filter(|claim| claim.tenant_id == tenant_id && (current || !claim.gated));
        for claim in changes().filter(|claim| !claim.take) {
            let name = (claim.kind.clone(), claim.value.clone());
            if self.claims.get(&name) == Some(&(claim.aggregate_type.clone(), claim.aggregate_id)) {
                self.claims.remove(&name);
            }
        }
        for claim in changes().filter(|claim| claim.take) {
            let holder = (claim.aggregate_type.clone(), claim.aggregate_id);
            if self.claims.insert((claim.kind.clone(), claim.value.clone()), holder).is_some() {
                return Err(errors::key_taken("claims_pkey"));
            }
        }
        Ok(Some(moved))
    }
}

/// Reads of several tenants, from the tables or from a transaction's view of them.
pub(super) fn load<'a>(
    log: impl Fn(TenantId) -> Option<&'a TenantLog>,
    snapshots: &BTreeMap<(StreamId, String), Snapshot>,
    request: &LoadRequest,
) -> Result<Loaded, sqlx::Error> {
    let mut loaded = Loaded::default();
    for stream in &request.streams {
        let folding = fingerprint(stream.aggregate_type).filter(|_| request.from_snapshots);
        let snapshot = folding.and_then(|folding| snapshots.get(&(*stream, folding.to_owned())));
        let first = snapshot.map_or(1, |snapshot| snapshot.sequence);
        loaded.snapshots.extend(snapshot.map(|snapshot| (*stream, snapshot.clone())));
        let events = log(stream.tenant_id).map(|log| log.stream(stream.aggregate_type, stream.aggregate_id));
        let events = events.into_iter().flatten().filter(|event| event.sequence >= first);
        let events: Vec<StoredEvent> = events.map(|event| (**event).clone()).collect();
        if !events.is_empty() {
            loaded.streams.insert(*stream, events);
        }
    }
    for key in &request.receipts {
        let kept = log(key.tenant_id).and_then(|log| log.receipts.get(&(key.key_owner.clone(), key.idempotency_key.clone())));
        if let Some(Receipt { request_hash, answer, position }) = kept {
            let receipt = StoredReceipt { request_hash: request_hash.clone(), answer: answer.clone(), position: *position };
            loaded.receipts.insert(key.clone(), receipt);
        }
    }
    for tenant_id in &request.tenants {
        if let Some(head) = log(*tenant_id).and_then(|log| log.head) {
            loaded.heads.insert(*tenant_id, head.position);
        }
    }
    Ok(loaded)
}

pub(super) fn taken<'a>(log: impl Fn(TenantId) -> Option<&'a TenantLog>, asked: &Asked<'_>) -> Vec<(&'static str, i64, Option<Uuid>)> {
    let mut taken = Vec::new();
    for (nth, (stream, sequence)) in (1..).zip(asked.streams) {
        let mut events = log(stream.tenant_id).into_iter().flat_map(|log| log.stream(stream.aggregate_type, stream.aggregate_id));
        if events.any(|event| event.sequence == *sequence) {
            taken.push(("stream", nth, None));
        }
    }
    for (nth, ReceiptKey { tenant_id, key_owner, idempotency_key }) in (1..).zip(asked.keys) {
        if log(*tenant_id).is_some_and(|log| log.receipts.contains_key(&(key_owner.clone(), idempotency_key.clone()))) {
            taken.push(("key", nth, None));
        }
    }
    for (nth, (tenant_id, kind, value)) in (1..).zip(asked.claims) {
        if let Some((_, holder)) = log(TenantId(*tenant_id)).and_then(|log| log.claims.get(&((*kind).to_owned(), value.clone()))) {
            taken.push(("claim", nth, Some(*holder)));
        }
    }
    taken
}

impl State {
    pub(super) fn read(&self, tenant_id: TenantId, after: i64, limit: i64) -> Vec<StoredEvent> {
        let events = self.tenants.get(&tenant_id).map(|log| log.events.as_slice()).unwrap_or_default();
        let later = events.iter().filter(|event| event.position > after);
        later.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(|event| (**event).clone()).collect()
    }

    pub(super) fn touched(&self, tenant_id: TenantId, after: i64, through: i64) -> Vec<StreamId> {
        let events = self.tenants.get(&tenant_id).map(|log| log.events.as_slice()).unwrap_or_default();
        let among = events.iter().filter(|event| event.position > after && event.position <= through);
        let streams: BTreeSet<StreamId> = among
            .filter_map(|event| {
                let aggregate_type = aggregate_type(&event.aggregate_type).ok()?;
                Some(StreamId { tenant_id, aggregate_type, aggregate_id: event.aggregate_id })
            })
            .collect();
        streams.into_iter().collect()
    }

    pub(super) fn write_snapshots(&mut self, snapshots: &[Snapshot]) {
        for snapshot in snapshots {
            let key = (snapshot.stream, snapshot.fingerprint.clone());
            if self.snapshots.get(&key).is_none_or(|there| there.sequence < snapshot.sequence) {
                self.snapshots.insert(key, snapshot.clone());
            }
        }
    }

    pub(super) fn discard_snapshots(&mut self, snapshots: &[Snapshot]) {
        let is = |there: &Snapshot, one: &Snapshot| (there.sequence, there.anchor) == (one.sequence, one.anchor);
        for snapshot in snapshots {
            let key = (snapshot.stream, snapshot.fingerprint.clone());
            if self.snapshots.get(&key).is_some_and(|there| is(there, snapshot)) {
                self.snapshots.remove(&key);
            }
        }
    }

    pub(super) fn checkpoints_of(&self, subscription: &str) -> HashMap<TenantId, i64> {
        let of = self.checkpoints.iter().filter(|((name, _), _)| name == subscription);
        of.map(|((_, tenant_id), position)| (*tenant_id, *position)).collect()
    }

    pub fn checkpoint(&self, subscription: &str, tenant_id: TenantId) -> i64 {
        self.checkpoints.get(&(subscription.to_owned(), tenant_id)).copied().unwrap_or(0)
    }

    /// A checkpoint never goes back, and never beyond the log.
    pub(super) fn move_checkpoint(&mut self, subscription: &str, tenant_id: TenantId, to: i64, by: &Process) {
        let from = self.checkpoint(subscription, tenant_id);
        let head = self.tenants.get(&tenant_id).map_or(0, TenantLog::position);
        if to < from || to > head {
            self.broken.push(format!("{}: checkpoint {subscription} of {tenant_id} from {from} to {to}, head {head}", by.name));
        }
        self.checkpoints.insert((subscription.to_owned(), tenant_id), to);
    }
}
