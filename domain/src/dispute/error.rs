//! Why a command about a dispute is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DisputeError {
    #[error("this dispute does not exist")]
    NotFound,
}

impl DomainError for DisputeError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "DISPUTE_NOT_FOUND"),
        }
    }
}
