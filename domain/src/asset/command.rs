//! What can be asked of an asset.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::asset::{AssetAction, AssetKind, AssetOwner};
use crate::kernel::{PartyId, Personal};

#[derive(Debug, Clone, PartialEq)]
pub enum AssetCommand {
    /// TAL-19: somebody gets a ticket to upload it.
    Announce(Box<Announce>),
    /// TAL-20: the storage has looked at the content. By the uploader. The same content again changes nothing.
    Confirm { sha256: String, mime: String, size: u64 },
    /// `by` refers to the file and needs it: nobody can delete it any more (DSP-38). By the machinery. Total.
    Keep { by: Uuid },
    /// By the uploader or the tenant's administrators. Again changes nothing.
    Delete,
    /// `key` of a deadline that was `at` some instant. Total.
    MeetDeadline { key: String, at: DateTime<Utc> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Announce {
    pub owner: AssetOwner,
    pub kind: AssetKind,
    pub mime: String,
    /// Bytes.
    pub size: u64,
    pub file_name: Option<Personal<String>>,
    /// The owner's parties, who may see it besides the uploader.
    pub shared_with: Vec<PartyId>,
    /// Of the ticket.
    pub expires_at: DateTime<Utc>,
}

impl AssetCommand {
    /// The column of the state machine that this command asks for.
    #[must_use]
    pub const fn action(&self) -> AssetAction {
        match self {
            Self::Announce(_) => AssetAction::Announce,
            Self::Confirm { .. } => AssetAction::Confirm,
            Self::Keep { .. } => AssetAction::Keep,
            Self::Delete => AssetAction::Delete,
            Self::MeetDeadline { .. } => AssetAction::MeetDeadline,
        }
    }
}
