//! That a session has ended. Who ended it, when and in which request stand in the event's metadata, as with every event.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::kernel::StoredEvent;

crate::named! {
    /// Why: a code, so that nothing about the person can be written there.
    #[derive(schemars::JsonSchema)]
    RevocationReason {
        /// By the person, with a token of the session.
        SignedOut = "signed_out",
        /// Lost, stolen or given away.
        DeviceLost = "device_lost",
        /// Somebody else may use it.
        SuspectedMisuse = "suspected_misuse",
        /// The person no longer works here, or in another role.
        AccessEnded = "access_ended",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SessionEvent {
    /// The stream's id is the session's.
    Revoked {
        reason: RevocationReason,
        /// No token of the session can be alive after this: a list of revoked sessions may forget it then.
        until: DateTime<Utc>,
    },
}

impl StoredEvent for SessionEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Revoked { .. } => "session.revoked",
        }
    }
}

crate::domain_event!(SessionEvent);
