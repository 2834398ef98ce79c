//! One batch from queue to answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use holdfast_domain::access::Access;
use holdfast_domain::kernel::{Context, TenantAggregate, TenantId};
use holdfast_domain::tenant::{Tenant, TenantSettings, TenantStatus};
use holdfast_eventlog::{
    AppendError, Batch, EventLog, HeadMove, LoadRequest, NewReceipt, ReceiptKey, StoredReceipt, StreamId, Unit, UnitOutcome, failpoint,
};

use crate::clock::Clock;
use crate::request::{Accepted, Refusal};
use crate::writer::answer::{Answer, replay};
use crate::writer::cache::Cache;
use crate::writer::load::Loaded;
use crate::writer::order::{Decided, Job, Undecided};
use crate::writer::snapshot::Snapshots;
use crate::writer::stream::{AnyStream, Stream};

/// After this many conflicts the tenant's commands are decided behind its locked head.
const OPTIMISTIC_TRIES: usize = 3;

/// One append stays below this; what is beyond waits for the next round.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The state of one writer.
pub(crate) struct Writer {
    pub(crate) log: EventLog,
    pub(crate) clock: Clock,
    pub(crate) cache: Cache,
    pub(crate) snapshots: Snapshots,
}

/// What a round left over.
#[derive(Default)]
pub(crate) struct Leftover {
    /// Lost against somebody else: decide again.
    conflicted: Vec<Job>,
    /// Not tried at all (after a spoilt stream, beyond the size of a batch): decide in the next round.
    deferred: Vec<Job>,
    /// Met a claim of another stream: decide again behind the locked head.
    contested: Vec<Job>,
}

/// A command's answer, waiting for the commit.
pub(crate) struct Pending {
    pub(crate) job: Job,
    pub(crate) outcome: Outcome,
    pub(crate) events_through: i64,
}

pub(crate) enum Outcome {
    Answered(Answer),
    /// Not stored under the key, but given only if the state it was decided on is still current.
    Refused(Refusal),
    /// Stands whatever becomes of the batch.
    Failed,
}

/// A stream's part of the batch, with the state that it leads to.
pub(crate) struct Work {
    pub(crate) unit: Unit,
    pub(crate) stream: Box<dyn AnyStream>,
    pub(crate) pending: Vec<Pending>,
    /// A handler failed half-way: the state may be wrong and later commands of this batch must not see it.
    pub(crate) spoilt: bool,
}

impl Writer {
    pub(crate) async fn run(&mut self, jobs: Vec<Job>) {
        let mut jobs = jobs;
        let mut tries = 0;
        while !jobs.is_empty() && tries < OPTIMISTIC_TRIES {
            let left = self.round(jobs).await;
            tries += usize::from(!left.conflicted.is_empty());
            jobs = left.conflicted;
            jobs.extend(left.deferred);
            for job in left.contested {
                self.run_locked(job).await;
            }
        }
        for job in jobs {
            self.run_locked(job).await;
        }
        self.cache.forget_idle_tenants();
    }

    /// Load, decide, append, answer.
    async fn round(&mut self, jobs: Vec<Job>) -> Leftover {
        let mut left = Leftover::default();
        let loaded = match self.load(&jobs).await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "loading a batch failed");
                jobs.into_iter().for_each(|job| job.answer(Err(Refusal::Busy { retry_after_s: 1 })));
                return left;
            }
        };
        let (works, tenants) = self.decide_all(jobs, loaded, &mut left).await;
        if !works.is_empty() {
            self.append(works, tenants, &mut left).await;
        }
        left
    }

    async fn decide_all(
        &mut self,
        jobs: Vec<Job>,
        mut loaded: Loaded,
        left: &mut Leftover,
    ) -> (Vec<Work>, BTreeMap<TenantId, Box<dyn AnyStream>>) {
        let mut works: Vec<Work> = Vec::new();
        let mut index = HashMap::<StreamId, usize>::new();
        let mut keys = HashSet::<ReceiptKey>::new();
        let mut bytes = 0;
        for job in jobs {
            // Nothing was looked up when every stream was cached.
            if !loaded.receipts.is_empty()
                && let Some(receipt) = receipt_key(&job).and_then(|key| loaded.receipts.get(&key))
            {
                let answer = replay_for(&job, receipt);
                job.answer(answer);
                continue;
            }
            if loaded.unreadable.contains(&job.stream) || loaded.unreadable.contains(&tenant_stream(job.stream.tenant_id)) {
                job.answer(Err(Refusal::Internal));
                continue;
            }
            let spoilt = index.get(&job.stream).is_some_and(|&at| works[at].spoilt);
            if spoilt || bytes > MAX_BATCH_BYTES || receipt_key(&job).is_some_and(|key| !keys.insert(key)) {
                left.deferred.push(job);
                continue;
            }
            // A tenant that does not exist is never cached: this was read just now.
            let tenant = TenantFacts::of(tenant_of(&job, &works, &index, &loaded));
            if tenant.status.is_none() && job.stream != tenant_stream(job.stream.tenant_id) {
                job.answer(Err(Refusal::TenantUnknown));
                continue;
            }
            let at = *index.entry(job.stream).or_insert_with(|| {
                let stream = loaded.streams.remove(&job.stream).unwrap_or_else(|| job.order.empty());
                works.push(Work::new(job.stream, stream));
                works.len() - 1
            });
            bytes += works[at].decide(job, tenant, &self.clock).await;
        }
        // Streams that no command of this batch works on (tenants, mostly) are committed state still.
        let tenants = loaded
            .streams
            .drain()
            .filter_map(|(id, stream)| {
                let is_tenant = id.aggregate_type == <Tenant as cqrs_es::Aggregate>::TYPE && stream.version() > 0;
                if is_tenant { Some((id.tenant_id, stream)) } else { None }
            })
            .collect();
        (works, tenants)
    }

    async fn append(&mut self, mut works: Vec<Work>, mut tenants: BTreeMap<TenantId, Box<dyn AnyStream>>, left: &mut Leftover) {
        let known: HashMap<_, _> =
            works.iter().map(|work| work.unit.stream.tenant_id).map(|id| (id, self.cache.known(id).unwrap_or_default())).collect();
        let batch = Batch { units: works.iter_mut().map(Work::take_unit).collect(), known: known.clone() };
        failpoint::reached("writer.before_append");
        let appended = match self.log.append(&batch).await {
            Ok(appended) => appended,
            Err(AppendError::Unknown(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the outcome of an append is unknown");
                works.into_iter().flat_map(|work| work.pending).for_each(|pending| pending.job.answer(Err(Refusal::OutcomeUnknown)));
                return;
            }
            // No command is at fault.
            Err(error) if error.is_passing() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the log takes nothing now");
                works
                    .into_iter()
                    .flat_map(|work| work.pending)
                    .for_each(|pending| pending.job.answer(Err(Refusal::Busy { retry_after_s: 1 })));
                return;
            }
            Err(AppendError::Failed(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, units = works.len(), "an append failed");
                self.retry_in_halves(works).await;
                return;
            }
        };
        failpoint::reached("writer.after_append");
        let behind = |(tenant_id, head): &(&TenantId, &HeadMove)| known.get(tenant_id).is_some_and(|known| *known > head.before);
        if let Some((tenant_id, _)) = appended.heads.iter().find(behind) {
            self.went_back(*tenant_id);
            tenants.clear();
        }
        for (tenant_id, head) in &appended.heads {
            let known = known.get(tenant_id).copied().unwrap_or_default();
            if head.before > known {
                match self.log.touched(*tenant_id, known, head.before).await {
                    Ok(streams) => streams.iter().for_each(|id| self.cache.forget(id)),
                    // `known` stays behind: the next batch finds out.
                    Err(_) => continue,
                }
            }
            self.cache.set_known(*tenant_id, head.after);
        }
        for (tenant_id, stream) in tenants {
            // Foreign events may have touched it: then `known` was behind and it is loaded again.
            if appended.heads.get(&tenant_id).is_none_or(|head| head.before <= known.get(&tenant_id).copied().unwrap_or_default()) {
                self.cache.put(tenant_stream(tenant_id), stream);
            }
        }
        for ((mut work, unit), outcome) in works.into_iter().zip(batch.units).zip(appended.units) {
            work.unit = unit;
            let recorded_at = appended.heads.get(&work.unit.stream.tenant_id).map(|head| head.recorded_at);
            self.finish(work, outcome, recorded_at, left).await;
        }
    }

    /// The log lacks what was cached: a backup was restored or a standby promoted that did not have everything. What is
    /// remembered of any tenant is worth nothing then.
    pub(crate) fn went_back(&mut self, tenant_id: TenantId) {
        metrics::counter!("holdfast_log_went_back_total").increment(1);
        tracing::error!(%tenant_id, "the log has gone back: acknowledged commands are lost; everything is read again");
        self.cache.clear();
    }

    async fn finish(&mut self, mut work: Work, outcome: UnitOutcome, recorded_at: Option<DateTime<Utc>>, left: &mut Leftover) {
        match outcome {
            UnitOutcome::Stored { first_position } => {
                let id = work.unit.stream;
                let empty = work.unit.events.is_empty();
                if !work.spoilt && !empty {
                    self.snapshots.offer(id, work.stream.as_mut(), || work.unit.events_at(first_position, recorded_at?).last());
                }
                if !work.spoilt && work.stream.version() > 0 {
                    self.cache.put(id, work.stream);
                }
                let mut kept = self.kept_answers(&work.pending).await;
                for pending in work.pending {
                    if !kept.is_empty()
                        && let Some(answer) = receipt_key(&pending.job).and_then(|key| kept.remove(&key))
                    {
                        pending.job.answer(answer);
                        continue;
                    }
                    let position = if empty { first_position } else { first_position + pending.events_through - 1 };
                    pending.answer(position);
                    failpoint::reached("writer.after_answer");
                }
            }
            UnitOutcome::Stale | UnitOutcome::SequenceTaken => left.conflicted.extend(work.pending.into_iter().filter_map(Pending::again)),
            UnitOutcome::ClaimTaken { .. } => left.contested.extend(work.pending.into_iter().filter_map(Pending::again)),
            UnitOutcome::KeysTaken(keys) => self.answer_duplicates(work, keys, left).await,
        }
    }

    /// What is refused before the domain was asked (`If-Match`, suspension) is not stored, so no key has told yet whether it
    /// was answered before: that answer stands (protocols 3.3).
    async fn kept_answers(&self, pending: &[Pending]) -> HashMap<ReceiptKey, Result<Accepted, Refusal>> {
        let refused = || pending.iter().filter(|pending| matches!(pending.outcome, Outcome::Refused(_)));
        let keys: Vec<ReceiptKey> = refused().filter_map(|pending| receipt_key(&pending.job)).collect();
        if keys.is_empty() {
            return HashMap::new();
        }
        let request = LoadRequest { receipts: keys.clone(), ..LoadRequest::default() };
        match self.log.load(&request).await {
            Ok(loaded) => {
                let kept = refused().filter_map(|pending| {
                    let key = receipt_key(&pending.job)?;
                    let answer = replay_for(&pending.job, loaded.receipts.get(&key)?);
                    Some((key, answer))
                });
                kept.collect()
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "stored answers could not be read");
                keys.into_iter().map(|key| (key, Err(Refusal::Busy { retry_after_s: 1 }))).collect()
            }
        }
    }

    /// The others of the unit are decided again on the reloaded stream.
    async fn answer_duplicates(&mut self, work: Work, keys: Vec<ReceiptKey>, left: &mut Leftover) {
        let request = LoadRequest { receipts: keys, ..LoadRequest::default() };
        let receipts = match self.log.load(&request).await {
            Ok(loaded) => loaded.receipts,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "stored answers could not be read");
                HashMap::new()
            }
        };
        for job in work.pending.into_iter().filter_map(Pending::again) {
            match receipt_key(&job).and_then(|key| receipts.get(&key)) {
                Some(receipt) => {
                    let answer = replay_for(&job, receipt);
                    job.answer(answer);
                }
                None => left.conflicted.push(job),
            }
        }
    }

    /// Nothing was stored. One command may be at fault: it must fail alone.
    async fn retry_in_halves(&mut self, works: Vec<Work>) {
        let mut jobs: Vec<Job> = works.into_iter().flat_map(|work| work.pending).filter_map(Pending::again).collect();
        if jobs.len() <= 1 {
            jobs.into_iter().for_each(|job| job.answer(Err(Refusal::Internal)));
            return;
        }
        let second = jobs.split_off(jobs.len() / 2);
        Box::pin(self.run(jobs)).await;
        Box::pin(self.run(second)).await;
    }
}

pub(crate) fn tenant_stream(tenant_id: TenantId) -> StreamId {
    StreamId { tenant_id, aggregate_type: <Tenant as cqrs_es::Aggregate>::TYPE, aggregate_id: tenant_id.uuid() }
}

pub(crate) fn receipt_key(job: &Job) -> Option<ReceiptKey> {
    job.key.as_ref().map(|key| ReceiptKey {
        tenant_id: job.stream.tenant_id,
        key_owner: key.owner.stored(),
        idempotency_key: key.key.clone(),
    })
}

pub(crate) fn replay_for(job: &Job, receipt: &StoredReceipt) -> Result<Accepted, Refusal> {
    let sent = job.key.as_ref().map(|key| key.request_hash.as_slice()).unwrap_or_default();
    replay(receipt, sent, job.is_system())
}

/// The tenant's own state as the batch sees it at this point.
fn tenant_of<'a>(job: &Job, works: &'a [Work], index: &HashMap<StreamId, usize>, loaded: &'a Loaded) -> Option<&'a Tenant> {
    let id = tenant_stream(job.stream.tenant_id);
    let stream = match index.get(&id) {
        Some(&at) => &works[at].stream,
        None => loaded.streams.get(&id)?,
    };
    stream.as_any().downcast_ref::<Stream<Tenant>>().map(|stream| &stream.state)
}

/// What every command is told of its tenant.
#[derive(Default)]
pub(crate) struct TenantFacts {
    /// None: there is no such tenant.
    status: Option<TenantStatus>,
    settings: Arc<TenantSettings>,
}

impl TenantFacts {
    pub(crate) fn of(tenant: Option<&Tenant>) -> Self {
        let facts = |tenant: &Tenant| Self { status: tenant.exists().then(|| tenant.tenant_status()), settings: tenant.settings() };
        tenant.map(facts).unwrap_or_default()
    }
}

impl Work {
    pub(crate) fn new(id: StreamId, stream: Box<dyn AnyStream>) -> Self {
        let unit = Unit {
            stream: id,
            first_sequence: stream.version() + 1,
            events: Vec::new(),
            receipts: Vec::new(),
            claims: Vec::new(),
            gated: false,
        };
        Self { unit, stream, pending: Vec::new(), spoilt: false }
    }

    /// Decides one command and notes what must be stored for it. Gives the bytes that it adds to the append.
    pub(crate) async fn decide(&mut self, job: Job, tenant: TenantFacts, clock: &Clock) -> usize {
        if let Some(refusal) = self.refusal(&job, tenant.status) {
            // Decided on what was seen: given only if that is still current.
            self.unit.gated = true;
            self.pending.push(Pending { job, outcome: Outcome::Refused(refusal), events_through: self.events_through() });
            return 0;
        }
        let now = clock.now().max(self.stream.last_at()).max(job.not_before.unwrap_or_default());
        let context = Context { tenant_id: self.unit.stream.tenant_id, actor: job.caller.actor.clone(), now, settings: tenant.settings };
        match job.order.decide(self.unit.stream, self.stream.as_mut(), &context, &job.caller).await {
            Ok(decided) => self.note(job, decided),
            Err(Undecided::Dirty(rejection)) => {
                self.spoilt = true;
                self.note(job, Decided { events: Vec::new(), claims: Vec::new(), answer: Answer::Rejected(rejection) })
            }
            Err(Undecided::Broken) => {
                self.spoilt = true;
                self.pending.push(Pending { job, outcome: Outcome::Failed, events_through: self.events_through() });
                0
            }
        }
    }

    fn refusal(&self, job: &Job, tenant: Option<TenantStatus>) -> Option<Refusal> {
        let about_tenant = job.stream.aggregate_type == <Tenant as cqrs_es::Aggregate>::TYPE;
        if !about_tenant {
            match tenant {
                None | Some(TenantStatus::Unknown) => return Some(Refusal::TenantUnknown),
                // The system finishes what is under way: money in flight must land (MNY-01).
                // Suspension stops commands, not looking: what was looked at is written down all the same (ANA-38).
                Some(TenantStatus::Suspended) if job.stream.aggregate_type == <Access as cqrs_es::Aggregate>::TYPE => {}
                Some(TenantStatus::Suspended) if !job.is_system() && !job.caller.actor.is_platform() => {
                    return Some(Refusal::TenantSuspended);
                }
                Some(TenantStatus::Active | TenantStatus::Suspended) => {}
            }
        }
        let actual = self.stream.version();
        job.if_match.filter(|expected| *expected != actual).map(|expected| Refusal::VersionMismatch { expected, actual })
    }

    fn note(&mut self, job: Job, decided: Decided) -> usize {
        let mut bytes: usize = decided.events.iter().map(|event| event.payload.len() + event.metadata.len()).sum();
        self.unit.gated |= job.order.depends_on_settings();
        self.unit.events.extend(decided.events);
        self.unit.claims.extend(decided.claims);
        if let Some(key) = &job.key {
            let answer = serde_json::to_string(&decided.answer).unwrap_or_default();
            bytes += answer.len();
            self.unit.receipts.push(NewReceipt {
                key_owner: key.owner.stored(),
                idempotency_key: key.key.clone(),
                request_hash: key.request_hash.clone(),
                answer,
                events_through: self.events_through(),
            });
        }
        self.pending.push(Pending { job, outcome: Outcome::Answered(decided.answer), events_through: self.events_through() });
        bytes
    }

    fn events_through(&self) -> i64 {
        i64::try_from(self.unit.events.len()).unwrap_or(i64::MAX)
    }

    /// The unit for the append; one without events always passes the gate of the head. What is left here is empty.
    pub(crate) fn take_unit(&mut self) -> Unit {
        self.unit.gated |= self.unit.events.is_empty();
        let rest = Unit { events: Vec::new(), receipts: Vec::new(), claims: Vec::new(), ..self.unit };
        std::mem::replace(&mut self.unit, rest)
    }
}

impl Pending {
    pub(crate) fn answer(self, position: i64) {
        let answer = match self.outcome {
            Outcome::Answered(answer) => answer.at(position, false),
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::Failed => Err(Refusal::Internal),
        };
        self.job.answer(answer);
    }

    /// The job, to be decided again; a failed one is answered.
    pub(crate) fn again(self) -> Option<Job> {
        match self.outcome {
            Outcome::Answered(_) | Outcome::Refused(_) => Some(self.job),
            Outcome::Failed => {
                self.job.answer(Err(Refusal::Internal));
                None
            }
        }
    }
}
