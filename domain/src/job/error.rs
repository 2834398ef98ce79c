//! Why a command about a job is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JobError {
    #[error("this job does not exist")]
    NotFound,
}

impl DomainError for JobError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "JOB_NOT_FOUND"),
        }
    }
}
