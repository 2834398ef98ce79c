//! Snapshots of long streams, written beside the hot path: a writer hands over a copy and goes on. When nobody can take it, it is left
//! out; the next batch of that stream offers another one.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::event::fingerprint;
use holdfast_eventlog::seal::leaf_hash;
use holdfast_eventlog::{EventLog, Snapshot, StoredEvent, StreamId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::writer::stream::AnyStream;

/// Waiting to be written, over all writers of the process: so many, and so many bytes.
const MAX_WAITING: usize = 256;
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Written by one statement.
const MAX_AT_ONCE: usize = 32;

/// The way to the task that writes them.
#[derive(Clone)]
pub(crate) struct Snapshots {
    /// Events after which a stream is worth a new one; 0: never.
    every: i64,
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
}

enum Order {
    /// The permit is its place in memory.
    Write(Snapshot, OwnedSemaphorePermit),
    /// Found to be of another history, or unreadable.
    Discard(Snapshot),
}

impl Snapshots {
    /// Starts the task on the current runtime; it ends when the last handle is dropped, after what was handed over.
    pub(crate) fn start(log: EventLog, every: u32) -> Self {
        let (orders, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(work(log, waiting));
        Self { every: i64::from(every), orders, room: Arc::new(Semaphore::new(MAX_WAITING_BYTES)) }
    }

    /// Hands over a copy of committed state when one is due. `last` is the last event in it; asked for only then.
    pub(crate) fn offer(&self, id: StreamId, stream: &mut dyn AnyStream, last: impl FnOnce() -> Option<StoredEvent>) {
        if self.every == 0 || stream.version() - stream.snapshot_at() < self.every {
            return;
        }
        // Room first: what cannot be taken is not written out either.
        let bytes = u32::try_from(stream.bytes()).unwrap_or(u32::MAX);
        let (Ok(place), Ok(room)) = (self.orders.try_reserve(), Arc::clone(&self.room).try_acquire_many_owned(bytes)) else {
            metrics::counter!("holdfast_snapshots_skipped_total").increment(1);
            return;
        };
        let snapshot = last().filter(|last| last.sequence == stream.version()).and_then(|last| taken(id, stream, &last));
        if let Some(snapshot) = snapshot {
            stream.set_snapshot_at(snapshot.sequence);
            place.send(Order::Write(snapshot, room));
        }
    }

    /// Nobody else need stumble over it.
    pub(crate) fn discard(&self, snapshot: Snapshot) {
        metrics::counter!("holdfast_snapshots_discarded_total").increment(1);
        let StreamId { tenant_id, aggregate_type, aggregate_id } = snapshot.stream;
        tracing::warn!(tenant = %tenant_id, aggregate = aggregate_type, id = %aggregate_id, sequence = snapshot.sequence, "a snapshot is of no use");
        let _ = self.orders.try_send(Order::Discard(snapshot));
    }
}

fn taken(id: StreamId, stream: &dyn AnyStream, last: &StoredEvent) -> Option<Snapshot> {
    let state = stream.state_text().inspect_err(|error| tracing::error!(%error, "a state cannot be written as JSON")).ok()?;
    let fingerprint = fingerprint(id.aggregate_type)?.to_owned();
    Some(Snapshot { stream: id, fingerprint, sequence: last.sequence, anchor: leaf_hash(last), state })
}

async fn work(log: EventLog, mut waiting: mpsc::Receiver<Order>) {
    let mut orders = Vec::new();
    while waiting.recv_many(&mut orders, MAX_AT_ONCE).await > 0 {
        let (mut due, mut useless, mut room) = (BTreeMap::new(), Vec::new(), Vec::new());
        for order in orders.drain(..) {
            match order {
                Order::Write(snapshot, permit) => {
                    room.push(permit);
                    // A later one of the same stream takes its place.
                    due.insert(snapshot.stream, snapshot);
                }
                Order::Discard(snapshot) => useless.push(snapshot),
            }
        }
        // First: a discarded one may be in the way of its successor.
        if !useless.is_empty()
            && let Err(error) = log.discard_snapshots(&useless).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "snapshots could not be discarded");
        }
        let due: Vec<Snapshot> = due.into_values().collect();
        if due.is_empty() {
            continue;
        }
        match log.write_snapshots(&due).await {
            Ok(()) => metrics::counter!("holdfast_snapshots_written_total").increment(due.len() as u64),
            Err(error) => {
                metrics::counter!("holdfast_snapshots_failed_total").increment(due.len() as u64);
                tracing::warn!(error = &error as &dyn std::error::Error, "snapshots could not be written");
            }
        }
        drop(room);
    }
}
