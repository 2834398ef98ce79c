//! The door of the write side: a command goes to the writer of its tenant and comes back with its answer.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use cqrs_es::Aggregate;
use holdfast_domain::kernel::{TenantAggregate, TenantId};
use holdfast_eventlog::subscription::Pressure;
use holdfast_eventlog::{EventLog, ReceiptKey, StreamId};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::request::{Accepted, KeyOwner, Refusal, Request};
use crate::writer::batch::Writer;
use crate::writer::cache::Cache;
use crate::writer::in_flight::InFlightKeys;
use crate::writer::order::{CallerFacts, Job, TypedOrder};
use crate::writer::queue::{self, Sender};
use crate::writer::snapshot::Snapshots;

/// Longest chain of reactions that one request may set in motion.
const MAX_HOPS: u8 = 16;

#[derive(Debug, Clone)]
pub struct WriterSettings {
    /// Writers of this process; each has one batch in flight. More than cores only costs.
    pub writers: usize,
    /// Commands waiting per writer before callers get 503.
    pub queue_capacity: usize,
    /// Memory for cached streams, over all writers.
    pub cache_bytes: usize,
    /// A stream gets a new snapshot after so many events; 0: never.
    pub snapshot_every: u32,
}

impl Default for WriterSettings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { writers: cores, queue_capacity: 4_096, cache_bytes: 256 * 1024 * 1024, snapshot_every: 200 }
    }
}

/// Executes commands. Cheap to clone; the writers stop when the last clone is dropped.
#[derive(Clone)]
pub struct Writers {
    senders: Arc<[Sender]>,
    in_flight: InFlightKeys,
    pressure: Pressure,
    clock: Clock,
}

impl Writers {
    /// Starts the writers on the current runtime.
    #[must_use]
    pub fn start(log: &EventLog, clock: Clock, settings: &WriterSettings) -> Self {
        let count = settings.writers.max(1);
        let snapshots = Snapshots::start(log.clone(), settings.snapshot_every);
        let pressure = Pressure::of_writers(count);
        let senders = (0..count)
            .map(|number| {
                let (sender, mut jobs) = queue::queue(number, settings.queue_capacity);
                let cache = Cache::new(settings.cache_bytes / count);
                let mut writer = Writer { log: log.clone(), clock: clock.clone(), cache, snapshots: snapshots.clone() };
                let pressure = pressure.clone();
                let cached = metrics::gauge!("holdfast_writer_cached_bytes", "writer" => number.to_string());
                tokio::spawn(async move {
                    loop {
                        let batch = jobs.next_batch().await;
                        if batch.is_empty() {
                            return;
                        }
                        pressure.note();
                        metrics::histogram!("holdfast_writer_batch_commands")
                            .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
                        writer.run(batch).await;
                        cached.set(f64::from(u32::try_from(writer.cache.bytes()).unwrap_or(u32::MAX)));
                    }
                });
                sender
            })
            .collect();
        Self { senders, in_flight: InFlightKeys::default(), pressure, clock }
    }

    /// Whether many clients wait: for the consumers of the same process.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        self.pressure.clone()
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Executes one command: exactly once per key, answered only after commit. Dropping the future does not stop it.
    ///
    /// # Errors
    /// See [`Refusal`]; `Busy` and `OutcomeUnknown` may be repeated with the same key.
    pub async fn execute<A: TenantAggregate>(&self, request: Request<A>) -> Result<Accepted, Refusal> {
        if request.hops > MAX_HOPS {
            return Err(Refusal::TooManyHops);
        }
        if self.clock.is_off() {
            return Err(Refusal::Busy { retry_after_s: 5 });
        }
        let stream = StreamId { tenant_id: request.tenant_id, aggregate_type: <A as Aggregate>::TYPE, aggregate_id: request.aggregate_id };
        let in_flight = match request.key.as_ref() {
            Some(key) if matches!(key.owner, KeyOwner::Actor(_)) => {
                let key = ReceiptKey { tenant_id: request.tenant_id, key_owner: key.owner.stored(), idempotency_key: key.key.clone() };
                Some(self.in_flight.mark(key).ok_or(Refusal::KeyInFlight)?)
            }
            _ => None,
        };
        let (reply, answer) = oneshot::channel();
        let job = Job {
            stream,
            order: Box::new(TypedOrder::<A> { command: request.command }),
            caller: CallerFacts {
                actor: request.actor,
                request_id: request.request_id,
                correlation_id: request.correlation_id,
                causation_id: request.causation_id,
                hops: request.hops,
            },
            key: request.key,
            if_match: request.if_match,
            not_before: request.not_before,
            in_flight,
            reply,
        };
        let _waits = (!job.is_system()).then(|| self.pressure.client());
        if !self.sender(request.tenant_id).send(job).await {
            return Err(Refusal::Busy { retry_after_s: 1 });
        }
        answer.await.unwrap_or(Err(Refusal::OutcomeUnknown))
    }

    fn sender(&self, tenant_id: TenantId) -> &Sender {
        let mut hasher = std::hash::BuildHasherDefault::<std::collections::hash_map::DefaultHasher>::default().build_hasher();
        hasher.write(tenant_id.uuid().as_bytes());
        let count = u64::try_from(self.senders.len()).unwrap_or(1);
        &self.senders[usize::try_from(hasher.finish() % count).unwrap_or_default()]
    }
}
