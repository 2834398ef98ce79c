//! Why a command is refused, in order of precedence.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EscrowError {
    #[error("this escrow does not exist")]
    NotFound,
}

impl DomainError for EscrowError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "ESCROW_NOT_FOUND"),
        }
    }
}
