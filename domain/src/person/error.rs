//! Why a command about a person is refused, in order of precedence.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    #[error("only the tenant's or the platform's administrators may erase a person")]
    NotPermitted,
    /// The machinery reports what nobody asked for.
    #[error("this person was not erased")]
    NotErased,
}

impl DomainError for PersonError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotPermitted => (ErrorKind::Forbidden, "POLICY_DENIED"),
            Self::NotErased => (ErrorKind::Conflict, "PERSON_NOT_ERASED"),
        }
    }
}
