//! Why a command about a credits is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CreditsError {
    #[error("this credits does not exist")]
    NotFound,
}

impl DomainError for CreditsError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "CREDITS_NOT_FOUND"),
        }
    }
}
