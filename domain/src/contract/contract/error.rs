//! Why a command about a contract is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ContractError {
    #[error("this contract does not exist")]
    NotFound,
}

impl DomainError for ContractError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "CONTRACT_NOT_FOUND"),
        }
    }
}
