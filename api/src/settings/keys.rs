//! Secrets, and who keeps the master key of persons' keys (docs/privacy.md).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_eventlog::keys::{Kms, LocalKms, VaultKms, VaultSettings};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Profile, Settings, SettingsError, decode_32, invalid, required_32};

/// 32 random bytes each, in base64. They must never change: receipts and sealed data depend on them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// Under which requests are fingerprinted for idempotency.
    pub request_hash_key: Option<SecretString>,
    /// Wraps the keys of people, under which their personal data is sealed.
    pub personal_master_key: Option<SecretString>,
    /// A file with that key alone, in base64: instead of the key itself.
    pub personal_master_key_file: Option<PathBuf>,
    /// Ed25519 seed, under which the logs are sealed. May be replaced: the old public key goes to `seals.public_keys`.
    pub sealing_key: Option<SecretString>,
}

/// Who wraps tenants' keys. Chosen once: what one wrapped the other does not unwrap.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    pub kms: KmsKind,
    pub vault: Vault,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KmsKind {
    /// This process, with `secrets.personal_master_key`.
    #[default]
    Local,
    /// The transit engine of Vault or `OpenBao`.
    Vault,
}

/// With `kms = "vault"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// `https://vault.internal:8200`
    pub address: String,
    /// Where the transit engine is mounted.
    pub mount: String,
    /// The name of the key, of a type with associated data: `aes256-gcm96` or `chacha20-poly1305`.
    pub key: String,
    /// A file with the token alone; read anew for each call, so that an agent may renew it.
    pub token_file: Option<PathBuf>,
    pub namespace: Option<String>,
    /// PEM, accepted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// For one call; a failed one is tried twice more.
    pub timeout_ms: u64,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            address: String::new(),
            mount: "transit".to_owned(),
            key: "holdfast".to_owned(),
            token_file: None,
            namespace: None,
            ca_file: None,
            timeout_ms: 2_000,
        }
    }
}

impl Settings {
    /// Who wraps and unwraps tenants' keys.
    ///
    /// # Errors
    /// When what it needs is missing or wrong.
    pub fn kms(&self) -> Result<Arc<dyn Kms>, SettingsError> {
        match self.keys.kms {
            KmsKind::Local => Ok(Arc::new(LocalKms::new(self.personal_master_key()?))),
            KmsKind::Vault => {
                let vault = VaultKms::try_new(self.vault()?).map_err(|error| invalid("keys.vault", error.to_string()))?;
                Ok(Arc::new(vault))
            }
        }
    }

    fn vault(&self) -> Result<VaultSettings, SettingsError> {
        let Vault { address, mount, key, token_file, namespace, ca_file, timeout_ms } = &self.keys.vault;
        let may_be_plain = self.profile != Profile::Production;
        if !(address.starts_with("https://") || may_be_plain && address.starts_with("http://")) {
            return Err(invalid("keys.vault.address", "must be a https:// URL"));
        }
        for (name, value) in [("keys.vault.mount", mount), ("keys.vault.key", key)] {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
            if value.is_empty() || !value.chars().all(plain) {
                return Err(invalid(name, "must be of letters, digits, - and _"));
            }
        }
        if !(100..=60_000).contains(timeout_ms) {
            return Err(invalid("keys.vault.timeout_ms", "must be 100 to 60000"));
        }
        let token_file = token_file.clone().ok_or_else(|| invalid("keys.vault.token_file", "is missing: a file with the token alone"))?;
        let ca = ca_file.as_ref().map(std::fs::read).transpose();
        Ok(VaultSettings {
            address: address.trim_end_matches('/').to_owned(),
            mount: mount.trim_matches('/').to_owned(),
            key: key.clone(),
            token_file,
            namespace: namespace.clone(),
            ca_pem: ca.map_err(|error| invalid("keys.vault.ca_file", format!("cannot be read: {error}")))?,
            timeout: Duration::from_millis(*timeout_ms),
        })
    }

    /// # Errors
    /// When the key is missing or not 32 bytes.
    pub fn request_hash_key(&self) -> Result<[u8; 32], SettingsError> {
        required_32("secrets.request_hash_key", self.secrets.request_hash_key.as_ref())
    }

    /// # Errors
    /// When the key is missing or not 32 bytes.
    fn personal_master_key(&self) -> Result<[u8; 32], SettingsError> {
        const FILE: &str = "secrets.personal_master_key_file";
        match (&self.secrets.personal_master_key_file, &self.secrets.personal_master_key) {
            (Some(_), Some(_)) => Err(invalid(FILE, "is given beside secrets.personal_master_key: one of them is enough")),
            (Some(file), None) => {
                let text = std::fs::read_to_string(file).map_err(|error| invalid(FILE, format!("cannot be read: {error}")))?;
                decode_32(FILE, text.trim())
            }
            (None, key) => required_32("secrets.personal_master_key", key.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(lines: &str) -> Result<Arc<dyn Kms>, SettingsError> {
        let settings: Settings = toml::from_str(&format!("[keys]\nkms = 'vault'\n[keys.vault]\n{lines}")).unwrap();
        settings.kms()
    }

    #[test]
    fn a_remote_key_management_names_what_is_missing() {
        // ADM-25
        for (lines, key) in [
            ("", "keys.vault.address"),
            ("address = 'http://127.0.0.1:8200'\ntoken_file = '/x'", "keys.vault.address"), // the default profile is production
            ("address = 'https://v'", "keys.vault.token_file"),
            ("address = 'https://v'\ntoken_file = '/x'\nkey = ''", "keys.vault.key"),
            ("address = 'https://v'\ntoken_file = '/x'\nmount = '../sys'", "keys.vault.mount"),
            ("address = 'https://v'\ntoken_file = '/x'\nca_file = '/nowhere'", "keys.vault.ca_file"),
            ("address = 'https://v'\ntoken_file = '/x'\ntimeout_ms = 1", "keys.vault.timeout_ms"),
        ] {
            let error = vault(lines).err().unwrap().to_string();
            assert!(error.contains(key), "{lines}: {error}");
        }
        assert!(vault("address = 'https://v'\ntoken_file = '/x'").is_ok());
        let unknown = toml::from_str::<Settings>("[keys]\nkms = 'gcp'").unwrap_err().to_string();
        assert!(unknown.contains("gcp"), "{unknown}");
    }
}
