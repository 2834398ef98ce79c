//! Job: a brief, who applied for it, who made the shortlist (JOB-10..19, JOB-40..43).

mod aggregate;
mod command;
mod content;
mod decide;
mod error;
mod event;
mod status;

pub use aggregate::{About, Job, Submission};
pub use command::{AuditionMode, AuditionOutcome, JobCommand, SubmissionStep};
pub use content::{JobChanges, JobContent};
pub use decide::MOST_SUBMISSIONS;
pub use error::JobError;
pub use event::{JobEvent, JobFact, SubmissionSource, submission_id};
pub use status::{JobAction, JobStatus, SUBMISSION_TRANSITIONS, SubmissionAction, SubmissionStatus, TRANSITIONS};

#[cfg(test)]
mod tests;
