//! The two machines as data: the job's (JOB-40, JOB-41) and the submission's (JOB-42, JOB-43).

use crate::kernel::find_transition;
use crate::named;

named! {
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    JobStatus {
        /// Before the first event: the honest default.
        #[default]
        Unopened = "unopened",
        Draft = "draft",
        Published = "published",
        Closed = "closed",
    }
}

named! {
    /// What can be asked of the job itself.
    #[derive(schemars::JsonSchema)]
    JobAction {
        Create = "create",
        Update = "update",
        Publish = "publish",
        Close = "close",
        AddSubmission = "add_submission",
    }
}

named! {
    #[derive(schemars::JsonSchema)]
    SubmissionStatus {
        Submitted = "submitted",
        Shortlisted = "shortlisted",
        AuditionScheduled = "audition_scheduled",
        AuditionAttended = "audition_attended",
        Selected = "selected",
        Rejected = "rejected",
        Withdrawn = "withdrawn",
    }
}

named! {
    /// What can be asked for one submission.
    #[derive(schemars::JsonSchema)]
    SubmissionAction {
        Shortlist = "shortlist",
        ScheduleAudition = "schedule_audition",
        RecordAudition = "record_audition",
        Select = "select",
        Reject = "reject",
        Withdraw = "withdraw",
    }
}

/// Every legal move of a job; a pair that is not listed is refused. Source: docs/domain/job.md, "Lifecycle".
#[rustfmt::skip] // keeps the columns
pub const TRANSITIONS: &[(JobStatus, JobAction, JobStatus)] = &[
    (JobStatus::Unopened,  JobAction::Create,        JobStatus::Draft),
    (JobStatus::Draft,     JobAction::Update,        JobStatus::Draft),
    (JobStatus::Draft,     JobAction::Publish,       JobStatus::Published),
    (JobStatus::Draft,     JobAction::Close,         JobStatus::Closed),
    (JobStatus::Published, JobAction::Update,        JobStatus::Published),
    (JobStatus::Published, JobAction::AddSubmission, JobStatus::Published),
    (JobStatus::Published, JobAction::Close,         JobStatus::Closed),
];

use SubmissionAction::{RecordAudition, Reject, ScheduleAudition, Select, Shortlist, Withdraw};
use SubmissionStatus::{AuditionAttended, AuditionScheduled, Rejected, Selected, Shortlisted, Submitted, Withdrawn};

/// Every legal move of a submission (JOB-42, JOB-43).
#[rustfmt::skip]
pub const SUBMISSION_TRANSITIONS: &[(SubmissionStatus, SubmissionAction, SubmissionStatus)] = &[
    (Submitted,         Shortlist,        Shortlisted),
    (Submitted,         Reject,           Rejected),
    (Submitted,         Withdraw,         Withdrawn),
    (Shortlisted,       ScheduleAudition, AuditionScheduled),
    (Shortlisted,       Select,           Selected),
    (Shortlisted,       Reject,           Rejected),
    (Shortlisted,       Withdraw,         Withdrawn),
    (AuditionScheduled, ScheduleAudition, AuditionScheduled), // another time
    (AuditionScheduled, RecordAudition,   AuditionAttended),
    (AuditionScheduled, Reject,           Rejected),
    (AuditionScheduled, Withdraw,         Withdrawn),
    (AuditionAttended,  ScheduleAudition, AuditionScheduled), // a call-back
    (AuditionAttended,  Select,           Selected),
    (AuditionAttended,  Reject,           Rejected),
    (AuditionAttended,  Withdraw,         Withdrawn),
];

impl JobStatus {
    /// Where `action` leads; none where it is not allowed.
    #[must_use]
    pub fn after(self, action: JobAction) -> Option<Self> {
        find_transition(TRANSITIONS, self, action).next()
    }
}

impl SubmissionStatus {
    /// Where `action` leads; none where it is not allowed.
    #[must_use]
    pub fn after(self, action: SubmissionAction) -> Option<Self> {
        find_transition(SUBMISSION_TRANSITIONS, self, action).next()
    }
}
