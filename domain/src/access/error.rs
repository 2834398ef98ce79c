//! Why an access is not written down: then nothing is read.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("an access is written down once")]
    AlreadyRecorded,
    #[error("the names that are filtered by have lower case letters, digits, dots and underscores")]
    NotAName,
}

impl DomainError for AccessError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::AlreadyRecorded => (ErrorKind::Conflict, "ACCESS_EXISTS"),
            Self::NotAName => (ErrorKind::Invalid, "ACCESS_FILTER_INVALID"),
        }
    }
}
