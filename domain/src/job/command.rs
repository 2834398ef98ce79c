//! What can be asked of a job.

#[derive(Debug, Clone, PartialEq)]
pub enum JobCommand {}
