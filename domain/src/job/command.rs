//! What can be asked of a job.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::job::{JobChanges, JobContent, SubmissionAction};
use crate::kernel::{JobId, PartyId, Personal, SubmissionId};
use crate::named;

#[derive(Debug, Clone, PartialEq)]
pub enum JobCommand {
    /// JOB-11. `job_id`: made at the edge, the stream's own id.
    Create { job_id: JobId, content: JobContent },
    /// JOB-13.
    Update { changes: JobChanges },
    /// JOB-14.
    Publish,
    /// JOB-15.
    Close { reason: Option<String> },
    /// JOB-17: a talent applies, or staff add one.
    AddSubmission { talent_id: PartyId, notes: Option<Personal<String>> },
    /// JOB-18: a step, new notes, or both.
    UpdateSubmission { submission_id: SubmissionId, step: Option<SubmissionStep>, notes: Option<Personal<String>> },
    /// JOB-19: all that can be shortlisted are; the others stay as they are.
    Shortlist { submission_ids: Vec<SubmissionId> },
}

/// A move of one submission, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SubmissionStep {
    Shortlist,
    ScheduleAudition {
        mode: AuditionMode,
        at: Option<DateTime<Utc>>,
    },
    RecordAudition {
        outcome: AuditionOutcome,
    },
    Select,
    Reject,
    /// By the talent itself.
    Withdraw,
}

named! {
    #[derive(schemars::JsonSchema)]
    AuditionMode {
        InPerson = "in_person",
        Remote = "remote",
        /// A recording that the talent sends.
        SelfTape = "self_tape",
    }
}

named! {
    #[derive(schemars::JsonSchema)]
    AuditionOutcome {
        Passed = "passed",
        Failed = "failed",
        Undecided = "undecided",
        NoShow = "no_show",
    }
}

impl SubmissionStep {
    #[must_use]
    pub const fn action(&self) -> SubmissionAction {
        match self {
            Self::Shortlist => SubmissionAction::Shortlist,
            Self::ScheduleAudition { .. } => SubmissionAction::ScheduleAudition,
            Self::RecordAudition { .. } => SubmissionAction::RecordAudition,
            Self::Select => SubmissionAction::Select,
            Self::Reject => SubmissionAction::Reject,
            Self::Withdraw => SubmissionAction::Withdraw,
        }
    }
}
