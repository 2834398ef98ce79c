//! Jobs and the submissions for them.

mod queries;
mod view;

pub use queries::{JobFilter, JobPosting, JobSort, Reader, SubmissionEntry, SubmissionFilter, UnknownSort, detail, list, submissions};
pub(crate) use queries::{OPEN, PARTIES};
pub use view::{JobRow, PROJECTION, SubmissionRow, projection};
