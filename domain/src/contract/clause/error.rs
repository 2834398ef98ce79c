//! Why a command about a clause is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClauseError {
    #[error("this clause does not exist")]
    NotFound,
}

impl DomainError for ClauseError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "CLAUSE_NOT_FOUND"),
        }
    }
}
