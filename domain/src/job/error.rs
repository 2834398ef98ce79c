//! Why a command about a job is refused.

use serde_json::json;

use crate::job::{JobAction, JobStatus, SubmissionAction, SubmissionStatus};
use crate::kernel::{DomainError, ErrorKind, PartyId, SubmissionId};

/// In order of precedence: the first that applies is the one reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    #[error("this job does not exist")]
    NotFound,
    /// Also somebody else's, to a talent.
    #[error("this submission does not exist")]
    SubmissionNotFound,
    #[error("you may not do this to a job")]
    Denied,
    /// JOB-13.
    #[error("a closed job does not change any more")]
    Closed,
    /// JOB-17.
    #[error("only a published job takes submissions")]
    NotPublished,
    #[error("a job that is {status} cannot {action}")]
    NotAllowed { status: JobStatus, action: JobAction },
    #[error("a submission that is {status} cannot {action}")]
    SubmissionNotAllowed { status: SubmissionStatus, action: SubmissionAction },
    /// JOB-17.
    #[error("{talent_id} has a submission for this job already")]
    AlreadySubmitted { talent_id: PartyId, submission_id: SubmissionId },
    /// A job's submissions live in its stream, so there is an end to them.
    #[error("a job takes {limit} submissions")]
    TooManySubmissions { limit: usize },
    #[error("{field} {problem}")]
    Invalid { field: &'static str, problem: String },
    /// JOB-40.
    #[error("a published job needs {}", missing.join(", "))]
    Incomplete { missing: Vec<&'static str> },
}

impl DomainError for JobError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        use ErrorKind::{Conflict, Forbidden, Invalid, NotFound};
        match self {
            Self::NotFound => (NotFound, "JOB_NOT_FOUND"),
            Self::SubmissionNotFound => (NotFound, "SUBMISSION_NOT_FOUND"),
            Self::Denied => (Forbidden, "POLICY_DENIED"),
            Self::Closed => (Conflict, "JOB_CLOSED"),
            Self::NotPublished => (Conflict, "JOB_NOT_PUBLISHED"),
            Self::NotAllowed { .. } => (Conflict, "INVALID_JOB_TRANSITION"),
            Self::SubmissionNotAllowed { .. } => (Conflict, "INVALID_SUBMISSION_TRANSITION"),
            Self::AlreadySubmitted { .. } => (Conflict, "ALREADY_SUBMITTED"),
            Self::TooManySubmissions { .. } => (Conflict, "TOO_MANY_SUBMISSIONS"),
            Self::Invalid { .. } => (Invalid, "JOB_INVALID"),
            Self::Incomplete { .. } => (Invalid, "JOB_INCOMPLETE"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::NotAllowed { status, action } => json!({ "status": status, "action": action }),
            Self::SubmissionNotAllowed { status, action } => json!({ "status": status, "action": action }),
            Self::AlreadySubmitted { talent_id, submission_id } => json!({ "talentId": talent_id, "submissionId": submission_id }),
            Self::TooManySubmissions { limit } => json!({ "limit": limit }),
            Self::Invalid { field, problem } => json!({ "field": field, "problem": problem }),
            Self::Incomplete { missing } => json!({ "missing": missing }),
            Self::NotFound | Self::SubmissionNotFound | Self::Denied | Self::Closed | Self::NotPublished => json!({}),
        }
    }
}
