//! Why a command about a tenant is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    #[error("only platform staff may do this")]
    NotPlatform,
    #[error("only the tenant's administrators and the platform may do this")]
    NotAdmin,
    #[error("this tenant does not exist")]
    NotFound,
    #[error("this tenant exists already")]
    Exists,
    #[error("a tenant that is {status} cannot do this")]
    NotAllowed { status: &'static str },
    #[error("{field}: {problem}")]
    Setting { field: &'static str, problem: &'static str },
    #[error("the platform's part of the split is set by superadmins only")]
    PlatformShare,
}

impl DomainError for TenantError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotPlatform | Self::NotAdmin | Self::PlatformShare => (ErrorKind::Forbidden, "POLICY_DENIED"),
            Self::NotFound => (ErrorKind::NotFound, "TENANT_NOT_FOUND"),
            Self::Exists => (ErrorKind::Conflict, "TENANT_EXISTS"),
            Self::NotAllowed { .. } => (ErrorKind::Conflict, "INVALID_TENANT_TRANSITION"),
            Self::Setting { .. } => (ErrorKind::Invalid, "SETTING_INVALID"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::NotAllowed { status } => serde_json::json!({ "status": status }),
            Self::Setting { field, problem } => serde_json::json!({ "field": field, "problem": problem }),
            Self::NotPlatform | Self::NotAdmin | Self::NotFound | Self::Exists | Self::PlatformShare => serde_json::json!({}),
        }
    }
}
