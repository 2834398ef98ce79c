//! Why a command about an asset is refused, in order of precedence.

use serde_json::{Value, json};

use crate::asset::{AssetAction, AssetStatus};
use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    #[error("this asset does not exist")]
    NotFound,
    #[error("this actor may not do this to this asset")]
    NotPermitted,
    #[error("an asset with this id has been announced")]
    Exists,
    /// The ids of what refers to it stay inside: they are others' business.
    #[error("this file is kept: something refers to it as a proof")]
    InUse,
    #[error("an asset that is {status} takes no {action}")]
    IllegalTransition { status: AssetStatus, action: AssetAction },
    /// There is nothing to download, yet or any more.
    #[error("this file cannot be downloaded: it is {status}")]
    NotReady { status: AssetStatus },
    #[error("the content is not what was announced")]
    NotAsAnnounced,
    #[error("this file was confirmed with other content")]
    AlreadyConfirmed,
}

impl DomainError for AssetError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "ASSET_NOT_FOUND"),
            Self::NotPermitted => (ErrorKind::Forbidden, "POLICY_DENIED"),
            Self::Exists => (ErrorKind::Conflict, "ASSET_EXISTS"),
            Self::InUse => (ErrorKind::Conflict, "ASSET_IN_USE"),
            Self::IllegalTransition { .. } => (ErrorKind::Conflict, "INVALID_ASSET_TRANSITION"),
            Self::NotReady { .. } => (ErrorKind::Conflict, "ASSET_NOT_READY"),
            Self::NotAsAnnounced => (ErrorKind::Invalid, "FILE_NOT_AS_ANNOUNCED"),
            Self::AlreadyConfirmed => (ErrorKind::Conflict, "FILE_ALREADY_CONFIRMED"),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::IllegalTransition { status, action } => json!({ "status": status, "action": action }),
            Self::NotReady { status } => json!({ "status": status }),
            Self::NotFound | Self::NotPermitted | Self::Exists | Self::InUse | Self::NotAsAnnounced | Self::AlreadyConfirmed => json!({}),
        }
    }
}
