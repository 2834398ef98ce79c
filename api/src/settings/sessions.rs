//! How soon the end of a session is noticed (docs/domain/session.md).

use std::time::Duration;

use serde::Deserialize;

use super::{SettingsError, invalid};
use crate::auth::RevocationPolicy;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// How often the revoked sessions of a tenant are read again; no request is decided by what is twice so old.
    pub refresh_s: u64,
    /// While they cannot be read, what was known counts for so long; then nobody is let in.
    pub patience_s: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        let RevocationPolicy { refresh, patience } = RevocationPolicy::default();
        Self { refresh_s: refresh.as_secs(), patience_s: patience.as_secs() }
    }
}

impl Sessions {
    #[must_use]
    pub fn policy(&self) -> RevocationPolicy {
        RevocationPolicy { refresh: Duration::from_secs(self.refresh_s), patience: Duration::from_secs(self.patience_s) }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !(1..=5).contains(&self.refresh_s) {
            return Err(invalid("sessions.refresh_s", "must be 1 to 5"));
        }
        if !(10..=300).contains(&self.patience_s) {
            return Err(invalid("sessions.patience_s", "must be 10 to 300"));
        }
        Ok(())
    }
}
