//! The state machine as data (TAL-31; no scanner: what is confirmed is ready).

use crate::kernel::find_transition;
use crate::named;

named! {
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    AssetStatus {
        /// Before the first event: the honest default.
        #[default]
        Unannounced = "unannounced",
        /// A ticket is out; there is no content yet that anybody could read.
        PendingUpload = "pending_upload",
        /// The content is confirmed and never changes.
        Ready = "ready",
        Deleted = "deleted",
        /// Nobody confirmed it in time.
        Expired = "expired",
    }
}

named! {
    #[derive(schemars::JsonSchema)]
    AssetAction {
        Announce = "announce",
        Confirm = "confirm",
        Keep = "keep",
        Delete = "delete",
        MeetDeadline = "meet_deadline",
    }
}

/// Every legal move; a pair that is not listed is refused, or changes nothing. Source: docs/domain/asset.md, "Lifecycle".
#[rustfmt::skip] // keeps the columns
pub const TRANSITIONS: &[(AssetStatus, AssetAction, AssetStatus)] = &[
    (AssetStatus::Unannounced,   AssetAction::Announce,     AssetStatus::PendingUpload),
    (AssetStatus::PendingUpload, AssetAction::Confirm,      AssetStatus::Ready),
    (AssetStatus::PendingUpload, AssetAction::Keep,         AssetStatus::PendingUpload),
    (AssetStatus::PendingUpload, AssetAction::Delete,       AssetStatus::Deleted),
    (AssetStatus::PendingUpload, AssetAction::MeetDeadline, AssetStatus::Expired),
    (AssetStatus::Ready,         AssetAction::Keep,         AssetStatus::Ready),
    (AssetStatus::Ready,         AssetAction::Delete,       AssetStatus::Deleted),
];

impl AssetStatus {
    /// Where `action` leads; none where it leads nowhere.
    #[must_use]
    pub fn after(self, action: AssetAction) -> Option<Self> {
        find_transition(TRANSITIONS, self, action).next()
    }
}
