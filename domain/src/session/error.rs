//! Why a session is not revoked.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("only administrators may end somebody else's session")]
    NotPermitted,
}

impl DomainError for SessionError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotPermitted => (ErrorKind::Forbidden, "POLICY_DENIED"),
        }
    }
}
