//! The rules. Pure: the same state, command and context always give the same events or the same refusal.

use crate::job::{
    About, Job, JobAction, JobChanges, JobCommand, JobContent, JobError, JobEvent, JobFact, JobStatus, Submission, SubmissionAction,
    SubmissionSource, SubmissionStatus, SubmissionStep, submission_id,
};
use crate::kernel::{Actor, Context, JobId, PartyId, Personal, Role, SubmissionId};

/// A job's submissions live in its stream: beyond this a second job is the answer.
pub const MOST_SUBMISSIONS: usize = 5_000;

impl Job {
    pub(super) fn decide(&self, command: JobCommand, context: &Context) -> Result<Vec<JobEvent>, JobError> {
        if let JobCommand::Create { job_id, content } = command {
            return self.create(job_id, content, context);
        }
        let about = self.about.as_ref().ok_or(JobError::NotFound)?;
        let rules = Rules { job: self, about, context };
        let facts = match command {
            JobCommand::Create { .. } => Vec::new(),
            JobCommand::Update { changes } => rules.update(changes)?,
            JobCommand::Publish => rules.publish()?,
            JobCommand::Close { reason } => rules.close(reason)?,
            JobCommand::AddSubmission { talent_id, notes } => rules.add_submission(talent_id, notes)?,
            JobCommand::UpdateSubmission { submission_id, step, notes } => rules.update_submission(submission_id, step, notes)?,
            JobCommand::Shortlist { submission_ids } => rules.shortlist(submission_ids)?,
        };
        let mut status = self.status;
        let events = facts.into_iter().map(|(to, fact)| {
            let from = std::mem::replace(&mut status, to);
            JobEvent { job_id: about.job_id, from, to, at: context.now, fact }
        });
        Ok(events.collect())
    }

    fn create(&self, job_id: JobId, content: JobContent, context: &Context) -> Result<Vec<JobEvent>, JobError> {
        only(is_staff(&context.actor), JobError::Denied)?;
        let to = after(self.status, JobAction::Create)?;
        let fact = JobFact::Created { content: content.checked()?, created_by: context.actor.id };
        Ok(vec![JobEvent { job_id, from: self.status, to, at: context.now, fact }])
    }
}

/// What happened, and where the job stands then.
type Facts = Result<Vec<(JobStatus, JobFact)>, JobError>;

struct Rules<'a> {
    job: &'a Job,
    about: &'a About,
    context: &'a Context,
}

impl Rules<'_> {
    /// JOB-13. A published job keeps what it needed to be published.
    fn update(&self, changes: JobChanges) -> Facts {
        self.by_staff()?;
        only(self.job.status != JobStatus::Closed, JobError::Closed)?;
        let to = after(self.job.status, JobAction::Update)?;
        let content = self.about.content.with(changes).checked()?;
        if content == self.about.content {
            return Ok(Vec::new());
        }
        if to == JobStatus::Published {
            complete(&content)?;
        }
        Ok(vec![(to, JobFact::Updated { content })])
    }

    /// JOB-40.
    fn publish(&self) -> Facts {
        self.by_staff()?;
        let to = after(self.job.status, JobAction::Publish)?;
        complete(&self.about.content)?;
        Ok(vec![(to, JobFact::Published)])
    }

    /// JOB-41.
    fn close(&self, reason: Option<String>) -> Facts {
        self.by_staff()?;
        let to = after(self.job.status, JobAction::Close)?;
        Ok(vec![(to, JobFact::Closed { reason })])
    }

    /// JOB-17: talents apply for themselves, staff add anybody.
    fn add_submission(&self, talent_id: PartyId, notes: Option<Personal<String>>) -> Facts {
        let source = self.source(talent_id);
        only(source == SubmissionSource::Talent || is_staff(&self.context.actor), JobError::Denied)?;
        let to = self.job.status.after(JobAction::AddSubmission).ok_or(JobError::NotPublished)?;
        let submission_id = submission_id(self.context.tenant_id, self.about.job_id, talent_id);
        only(!self.job.submissions.contains_key(&submission_id), JobError::AlreadySubmitted { talent_id, submission_id })?;
        let limit = MOST_SUBMISSIONS;
        only(self.job.submissions.len() < limit, JobError::TooManySubmissions { limit })?;
        Ok(vec![(to, JobFact::SubmissionAdded { submission_id, talent_id, source, notes })])
    }

    /// JOB-18: all of it or nothing.
    fn update_submission(&self, submission_id: SubmissionId, step: Option<SubmissionStep>, notes: Option<Personal<String>>) -> Facts {
        let submission = self.submission(submission_id)?;
        let source = self.source(submission.talent_id);
        let by_talent = source == SubmissionSource::Talent;
        only(by_talent || is_staff(&self.context.actor), JobError::SubmissionNotFound)?;
        let withdraws = step == Some(SubmissionStep::Withdraw);
        only(withdraws == by_talent || step.is_none(), JobError::Denied)?;
        // Nobody is kept in a casting against their will.
        only(self.job.status != JobStatus::Closed || (withdraws && notes.is_none()), JobError::Closed)?;
        let mut facts = Vec::new();
        if let Some(notes) = notes {
            let talent_id = submission.talent_id;
            facts.push((self.job.status, JobFact::SubmissionUpdated { submission_id, talent_id, source, notes }));
        }
        if let Some(step) = step {
            facts.push((self.job.status, moved(submission_id, submission, step)?));
        }
        Ok(facts)
    }

    /// JOB-19. An unknown id refuses all; what cannot be shortlisted (any more) is left as it is.
    fn shortlist(&self, mut submission_ids: Vec<SubmissionId>) -> Facts {
        self.by_staff()?;
        only(self.job.status != JobStatus::Closed, JobError::Closed)?;
        submission_ids.sort_unstable();
        submission_ids.dedup();
        let mut facts = Vec::new();
        for id in submission_ids {
            let submission = self.submission(id)?;
            if submission.status.after(SubmissionAction::Shortlist).is_some() {
                facts.push((self.job.status, moved(id, submission, SubmissionStep::Shortlist)?));
            }
        }
        Ok(facts)
    }

    fn submission(&self, id: SubmissionId) -> Result<Submission, JobError> {
        self.job.submissions.get(&id).copied().ok_or(JobError::SubmissionNotFound)
    }

    fn source(&self, talent_id: PartyId) -> SubmissionSource {
        if self.context.actor.id == talent_id { SubmissionSource::Talent } else { SubmissionSource::Staff }
    }

    fn by_staff(&self) -> Result<(), JobError> {
        only(is_staff(&self.context.actor), JobError::Denied)
    }
}

fn moved(submission_id: SubmissionId, submission: Submission, step: SubmissionStep) -> Result<JobFact, JobError> {
    let Submission { talent_id, status: from } = submission;
    let action = step.action();
    let to: SubmissionStatus = from.after(action).ok_or(JobError::SubmissionNotAllowed { status: from, action })?;
    Ok(JobFact::SubmissionMoved { submission_id, talent_id, from, to, step })
}

fn after(status: JobStatus, action: JobAction) -> Result<JobStatus, JobError> {
    status.after(action).ok_or(JobError::NotAllowed { status, action })
}

fn complete(content: &JobContent) -> Result<(), JobError> {
    let missing = content.missing();
    only(missing.is_empty(), JobError::Incomplete { missing })
}

/// Whoever runs castings for the tenant: people with that job, the operator, programs.
fn is_staff(actor: &Actor) -> bool {
    actor.is_tenant_staff() || actor.is_platform() || actor.is_system() || actor.roles.contains(&Role::Service)
}

fn only(holds: bool, otherwise: JobError) -> Result<(), JobError> {
    if holds { Ok(()) } else { Err(otherwise) }
}
