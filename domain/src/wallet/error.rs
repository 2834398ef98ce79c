//! Why a command is refused, in order of precedence.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    #[error("this wallet does not exist")]
    NotFound,
}

impl DomainError for WalletError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "WALLET_NOT_FOUND"),
        }
    }
}
