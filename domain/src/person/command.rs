//! What can be asked of a person's stream.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::PartyId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonCommand {
    /// `subject` is the id of the stream. ADM-25: everything personal about them ends. By the tenant's administrator or the platform's. Again changes nothing.
    Erase { subject: PartyId, reason: ErasureReason },
    /// `keys` of theirs were destroyed, the last one `at`. By the machinery. Again changes nothing.
    RecordKeysDestroyed { subject: PartyId, keys: u32, at: DateTime<Utc> },
}

/// Why: a code, so that nothing about the person can be written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureReason {
    /// The person asked for it.
    PersonRequest,
    /// What was kept has been kept as long as it may.
    RetentionEnded,
    /// A court or an authority orders it.
    LegalOrder,
    /// The person does not exist: a test, or a mistake.
    NotAPerson,
}
