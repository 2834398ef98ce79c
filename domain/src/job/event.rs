//! What happened to a job and the submissions for it. Stored for ever.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::job::{JobContent, JobStatus, SubmissionStatus, SubmissionStep};
use crate::kernel::{JobId, PartyId, Personal, Sealed, StoredEvent, SubmissionId, TenantId, derived_uuid};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobEvent {
    pub job_id: JobId,
    /// The job's own state; submissions carry theirs.
    pub from: JobStatus,
    pub to: JobStatus,
    pub at: DateTime<Utc>,
    pub fact: JobFact,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum JobFact {
    Created {
        content: JobContent,
        created_by: PartyId,
    },
    /// All that it says now.
    Updated {
        content: JobContent,
    },
    Published,
    Closed {
        reason: Option<String>,
    },
    SubmissionAdded {
        submission_id: SubmissionId,
        talent_id: PartyId,
        source: SubmissionSource,
        notes: Option<Personal<String>>,
    },
    /// New notes; `source`: who wrote them.
    SubmissionUpdated {
        submission_id: SubmissionId,
        talent_id: PartyId,
        source: SubmissionSource,
        notes: Personal<String>,
    },
    SubmissionMoved {
        submission_id: SubmissionId,
        talent_id: PartyId,
        from: SubmissionStatus,
        to: SubmissionStatus,
        step: SubmissionStep,
    },
}

/// Who put it there: the talent applied, or staff added it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionSource {
    Talent,
    Staff,
}

/// A talent has one submission per job: its id follows from both.
#[must_use]
pub fn submission_id(tenant_id: TenantId, job_id: JobId, talent_id: PartyId) -> SubmissionId {
    SubmissionId(derived_uuid(tenant_id, job_id.0, &format!("submission:{talent_id}"), 0))
}

impl StoredEvent for JobEvent {
    fn name(&self) -> &'static str {
        match &self.fact {
            JobFact::Created { .. } => "job.created",
            JobFact::Updated { .. } => "job.updated",
            JobFact::Published => "job.published",
            JobFact::Closed { .. } => "job.closed",
            JobFact::SubmissionAdded { .. } => "submission.added",
            JobFact::SubmissionUpdated { .. } => "submission.updated",
            JobFact::SubmissionMoved { step, .. } => match step {
                SubmissionStep::Shortlist => "submission.shortlisted",
                SubmissionStep::ScheduleAudition { .. } => "audition.scheduled",
                SubmissionStep::RecordAudition { .. } => "audition.attended",
                SubmissionStep::Select => "submission.selected",
                SubmissionStep::Reject => "submission.rejected",
                SubmissionStep::Withdraw => "submission.withdrawn",
            },
        }
    }

    fn personal(&self) -> Vec<&Sealed> {
        let notes = match &self.fact {
            JobFact::SubmissionAdded { notes, .. } => notes.as_ref(),
            JobFact::SubmissionUpdated { notes, .. } => Some(notes),
            JobFact::Created { .. }
            | JobFact::Updated { .. }
            | JobFact::Published
            | JobFact::Closed { .. }
            | JobFact::SubmissionMoved { .. } => None,
        };
        notes.map(Personal::sealed).into_iter().collect()
    }
}

crate::domain_event!(JobEvent);
