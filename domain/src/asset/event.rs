//! What happened to an asset. Stored for ever.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::asset::{AssetKind, AssetOwner};
use crate::kernel::{DeadlineChange, PartyId, Personal, Sealed, StoredEvent};

/// The one deadline of an asset: by when its content must be confirmed.
pub const UPLOAD_DEADLINE: &str = "upload";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum AssetEvent {
    Announced {
        owner: AssetOwner,
        kind: AssetKind,
        mime: String,
        size: u64,
        file_name: Option<Personal<String>>,
        uploaded_by: PartyId,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shared_with: Vec<PartyId>,
        /// The first ticket can be used until then.
        expires_at: DateTime<Utc>,
        confirm_by: DateTime<Utc>,
    },
    /// The storage holds exactly this.
    Confirmed {
        /// 64 hexadecimal digits.
        sha256: String,
        mime: String,
        size: u64,
    },
    Kept {
        by: Uuid,
    },
    Deleted,
    Expired,
}

impl StoredEvent for AssetEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Announced { .. } => "asset.announced",
            Self::Confirmed { .. } => "asset.confirmed",
            Self::Kept { .. } => "asset.kept",
            Self::Deleted => "asset.deleted",
            Self::Expired => "asset.expired",
        }
    }

    fn deadline_changes(&self) -> Vec<DeadlineChange> {
        let at = match self {
            Self::Announced { confirm_by, .. } => Some(*confirm_by),
            Self::Confirmed { .. } | Self::Deleted | Self::Expired => None,
            Self::Kept { .. } => return Vec::new(),
        };
        vec![DeadlineChange { key: UPLOAD_DEADLINE.to_owned(), at }]
    }

    fn personal(&self) -> Vec<&Sealed> {
        match self {
            Self::Announced { file_name, .. } => file_name.iter().map(Personal::sealed).collect(),
            Self::Confirmed { .. } | Self::Kept { .. } | Self::Deleted | Self::Expired => Vec::new(),
        }
    }
}

crate::domain_event!(AssetEvent);
