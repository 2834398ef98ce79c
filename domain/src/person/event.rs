//! What happened to a person's data. Stored for ever; names the person by id only.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::{PartyId, StoredEvent};
use crate::person::ErasureReason;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PersonEvent {
    /// From here on nothing that was sealed for them before is shown to anybody.
    Erased { subject: PartyId, requested_by: PartyId, reason: ErasureReason },
    /// From here on nothing sealed for them can be opened by anybody.
    KeysDestroyed { subject: PartyId, keys: u32, at: DateTime<Utc> },
}

impl PersonEvent {
    /// Whose data it is about: the id of the stream.
    #[must_use]
    pub const fn subject(&self) -> PartyId {
        match self {
            Self::Erased { subject, .. } | Self::KeysDestroyed { subject, .. } => *subject,
        }
    }
}

impl StoredEvent for PersonEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Erased { .. } => "person.erased",
            Self::KeysDestroyed { .. } => "person.keys_destroyed",
        }
    }
}

crate::domain_event!(PersonEvent);
