//! The last resort of a command that keeps losing: decided behind the tenant's locked head, where it cannot.

use holdfast_domain::kernel::Claim;
use holdfast_domain::tenant::Tenant;
use holdfast_eventlog::{AppendError, Batch, LoadRequest, Loaded, LockedTenant, LogError, StreamId, UnitOutcome};

use crate::request::Refusal;
use crate::writer::answer::Answer;
use crate::writer::batch::{Outcome, Pending, TenantFacts, Work, Writer, receipt_key, replay_for, tenant_stream};
use crate::writer::order::Job;
use crate::writer::stream::{AnyStream, Stream, Unfolded};

impl Writer {
    /// Decides one command alone. What it touches leaves the cache: the transaction's outcome is not tracked there.
    pub(crate) async fn run_locked(&mut self, job: Job) {
        let stream = job.stream;
        self.cache.forget(&stream);
        match self.log.lock(stream.tenant_id).await {
            Ok(locked) => self.decide_locked(locked, job).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, tenant = %stream.tenant_id, "a tenant's head could not be locked");
                job.answer(Err(Refusal::Busy { retry_after_s: 1 }));
            }
        }
    }

    async fn decide_locked(&self, mut locked: LockedTenant, job: Job) {
        let work = match self.work_locked(&mut locked, job).await {
            Ok(Some(work)) => work,
            Ok(None) => return,
            Err((error, job)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "loading behind a locked head failed");
                job.answer(Err(Refusal::Busy { retry_after_s: 1 }));
                return;
            }
        };
        let Some((pending, position)) = store(&mut locked, work).await else { return };
        // An error of `commit` leaves the outcome open.
        if let Err(error) = locked.commit().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the outcome of a commit is unknown");
            pending.job.answer(Err(Refusal::OutcomeUnknown));
            return;
        }
        pending.answer(position);
    }

    /// Loads and decides; `None` when the command was answered from its receipt.
    async fn work_locked(&self, locked: &mut LockedTenant, job: Job) -> Result<Option<Work>, (LogError, Job)> {
        let tenant_id = tenant_stream(job.stream.tenant_id);
        let mut request = LoadRequest {
            streams: vec![tenant_id, job.stream],
            receipts: receipt_key(&job).into_iter().collect(),
            from_snapshots: true,
            ..LoadRequest::default()
        };
        let (tenant, stream) = loop {
            let mut loaded = match locked.load(&request).await {
                Ok(loaded) => loaded,
                Err(error) => return Err((error, job)),
            };
            loaded.misfits.drain(..).for_each(|snapshot| self.snapshots.discard(snapshot));
            if let Some(receipt) = receipt_key(&job).and_then(|key| loaded.receipts.get(&key)) {
                let answer = replay_for(&job, receipt);
                job.answer(answer);
                return Ok(None);
            }
            match self.fold_locked(&job, &loaded) {
                Ok(folded) => break folded,
                Err(Unfolded::Snapshot) if request.from_snapshots => {
                    loaded.snapshots.into_values().for_each(|snapshot| self.snapshots.discard(snapshot));
                    request.from_snapshots = false;
                }
                Err(unfolded) => {
                    job.answer(Err(unfolded.into()));
                    return Ok(None);
                }
            }
        };
        let mut work = Work::new(job.stream, stream);
        work.decide(job, TenantFacts::of(Some(&tenant.state)), &self.clock).await;
        Ok(Some(work))
    }

    /// The tenant and the job's stream. Both are committed state: what is due is handed over before anything is decided on it.
    fn fold_locked(&self, job: &Job, loaded: &Loaded) -> Result<(Stream<Tenant>, Box<dyn AnyStream>), Unfolded> {
        let of = |id: StreamId| (loaded.snapshots.get(&id), loaded.streams.get(&id).map(Vec::as_slice).unwrap_or_default());
        let (snapshot, events) = of(tenant_stream(job.stream.tenant_id));
        let tenant = Stream::folded(snapshot, events)?;
        let (snapshot, events) = of(job.stream);
        let mut stream = job.order.fold(snapshot, events)?;
        self.snapshots.offer(job.stream, stream.as_mut(), || events.last().cloned());
        Ok((tenant, stream))
    }
}

/// Appends inside the transaction. A claim of another stream is final here: its refusal is stored instead.
async fn store(locked: &mut LockedTenant, mut work: Work) -> Option<(Pending, i64)> {
    let unit = work.take_unit();
    let known = [(unit.stream.tenant_id, locked.position())].into();
    let batch = Batch { units: vec![unit], known };
    let appended = match locked.append(&batch).await {
        Ok(appended) => appended,
        Err(error) => {
            let refusal = not_stored(&error);
            work.pending.into_iter().for_each(|pending| pending.job.answer(Err(refusal.clone())));
            return None;
        }
    };
    work.unit = batch.units.into_iter().next()?;
    let pending = work.pending.pop()?;
    match appended.units.into_iter().next() {
        Some(UnitOutcome::Stored { first_position }) => {
            let position = if work.unit.events.is_empty() { first_position } else { first_position + pending.events_through - 1 };
            Some((pending, position))
        }
        Some(UnitOutcome::ClaimTaken { kind, value, holder }) => {
            let kind = work.unit.claims.iter().map(|claim| claim.kind).find(|known| **known == kind)?;
            let rejection = pending.job.order.claim_taken(&Claim { kind, value }, holder);
            let outcome = Outcome::Answered(Answer::Rejected(rejection));
            store_refusal(locked, &work, Pending { outcome, events_through: 0, ..pending }).await
        }
        other => {
            tracing::error!(?other, "a command behind a locked head met a conflict");
            pending.job.answer(Err(Refusal::Internal));
            None
        }
    }
}

async fn store_refusal(locked: &mut LockedTenant, work: &Work, pending: Pending) -> Option<(Pending, i64)> {
    let mut unit = work.unit.clone();
    unit.events.clear();
    unit.claims.clear();
    unit.gated = true;
    if let (Some(receipt), Outcome::Answered(answer)) = (unit.receipts.first_mut(), &pending.outcome) {
        receipt.answer = serde_json::to_string(answer).unwrap_or_default();
        receipt.events_through = 0;
    }
    let known = [(unit.stream.tenant_id, locked.position())].into();
    match locked.append(&Batch { units: vec![unit], known }).await {
        Ok(_) => Some((pending, locked.position())),
        Err(error) => {
            pending.job.answer(Err(not_stored(&error)));
            None
        }
    }
}

/// The transaction wrote nothing: whether it is worth trying again.
fn not_stored(error: &AppendError) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "nothing was stored behind a locked head");
    // Of a lost connection too: what was not committed is undone.
    if error.is_passing() || matches!(error, AppendError::Unknown(_)) { Refusal::Busy { retry_after_s: 1 } } else { Refusal::Internal }
}
