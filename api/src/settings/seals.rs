//! How the tenant logs are sealed (docs/proof.md).

use std::path::PathBuf;
use std::time::Duration;

use holdfast_eventlog::seal::{SealKeys, SealerSettings, SealingKey};
use serde::Deserialize;

use super::{Settings, SettingsError, decode_32, invalid, required_32};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seals {
    /// Seconds between two rounds of seals.
    pub every_s: u64,
    /// Where each seal is added as a line, outside the database; none: nowhere.
    pub file: Option<PathBuf>,
    /// Public keys (32 bytes in base64) whose seals are accepted besides that of `secrets.sealing_key`, and published.
    pub public_keys: Vec<String>,
}

impl Default for Seals {
    fn default() -> Self {
        Self { every_s: 5, file: None, public_keys: Vec::new() }
    }
}

impl Settings {
    /// # Errors
    /// When the key is missing or not 32 bytes.
    pub fn sealing_key(&self) -> Result<SealingKey, SettingsError> {
        Ok(SealingKey::new(&required_32("secrets.sealing_key", self.secrets.sealing_key.as_ref())?))
    }

    /// Today's, when this process knows it, and those that are listed.
    ///
    /// # Errors
    /// When one is no public key.
    pub fn seal_keys(&self) -> Result<SealKeys, SettingsError> {
        let today = self.secrets.sealing_key.as_ref().map(|_| self.sealing_key()).transpose()?.map(|key| key.public());
        let listed = self.seals.public_keys.iter().map(|key| decode_32("seals.public_keys", key));
        let all = today.into_iter().map(Ok).chain(listed).collect::<Result<Vec<_>, _>>()?;
        SealKeys::try_new(&all).map_err(|error| invalid("seals.public_keys", error.to_string()))
    }

    /// # Errors
    /// When the rhythm is none.
    pub fn sealer(&self) -> Result<SealerSettings, SettingsError> {
        if !(1..=3_600).contains(&self.seals.every_s) {
            return Err(invalid("seals.every_s", "must be 1 to 3600"));
        }
        let every = Duration::from_secs(self.seals.every_s);
        Ok(SealerSettings { every, file: self.seals.file.clone(), ..SealerSettings::default() })
    }
}
