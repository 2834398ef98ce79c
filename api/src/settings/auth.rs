//! Tokens: by whom they are signed, and which are accepted.

use secrecy::SecretString;
use serde::Deserialize;

use super::{Settings, SettingsError, decode_32, required_32};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    pub issuer: String,
    pub audience: String,
    /// Ed25519 seed, 32 bytes in base64. Signs `holdfast token` and is published at `/.well-known/jwks.json`.
    pub signing_key: Option<SecretString>,
    /// Public keys (32 bytes in base64) that are still accepted after a rotation.
    pub accepted_public_keys: Vec<String>,
    /// Tokens that live longer are refused; 300 for people.
    pub max_ttl_s: u64,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            issuer: "https://holdfast.localhost".to_owned(),
            audience: "holdfast".to_owned(),
            signing_key: None,
            accepted_public_keys: Vec::new(),
            max_ttl_s: 300,
        }
    }
}

impl Settings {
    /// # Errors
    /// When the key is missing or not 32 bytes.
    pub fn signing_seed(&self) -> Result<[u8; 32], SettingsError> {
        required_32("auth.signing_key", self.auth.signing_key.as_ref())
    }

    /// # Errors
    /// When one is not 32 bytes.
    pub fn accepted_public_keys(&self) -> Result<Vec<[u8; 32]>, SettingsError> {
        self.auth.accepted_public_keys.iter().map(|key| decode_32("auth.accepted_public_keys", key)).collect()
    }
}
