//! Why a command about a asset is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AssetError {
    #[error("this asset does not exist")]
    NotFound,
}

impl DomainError for AssetError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "ASSET_NOT_FOUND"),
        }
    }
}
