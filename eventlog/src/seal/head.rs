//! A signed head: so many events, this root, then.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, SubsecRound as _, Utc};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use holdfast_domain::kernel::TenantId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::leaf::recorded_text;
use super::tree::{Hash, hex_hash};

/// In this shape on NATS, in the file, in exports and over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seal {
    pub tenant_id: TenantId,
    /// How many events it covers: positions 1..=size.
    pub size: i64,
    #[serde(with = "hex_hash")]
    pub root: Hash,
    pub sealed_at: Stamp,
    /// Of the seal before it; 0 for the first. Not signed: a help for readers.
    pub previous_size: i64,
    pub key_id: String,
    /// Ed25519, 64 bytes in base64.
    pub signature: String,
}

/// An instant as text with six decimals, as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(String);

impl Stamp {
    #[must_use]
    pub fn of(at: DateTime<Utc>) -> Self {
        Self(recorded_text(at.trunc_subsecs(6)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn instant(&self) -> DateTime<Utc> {
        self.0.parse().unwrap_or(DateTime::UNIX_EPOCH) // never stored by us in another form; a wrong one fails its signature
    }
}

impl Seal {
    /// The text under the signature.
    #[must_use]
    pub fn text(&self) -> String {
        signed_text(self.tenant_id, self.size, &self.root, self.sealed_at.as_str())
    }

    /// One line of JSON.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { tenant_id, size, root, sealed_at, previous_size, key_id, signature } = self;
        serde_json::json!({
            "tenantId": tenant_id.uuid(), "size": size, "root": hex::encode(root), "sealedAt": sealed_at.as_str(),
            "previousSize": previous_size, "keyId": key_id, "signature": signature,
        })
        .to_string()
    }

    pub(crate) fn signature_bytes(&self) -> Option<[u8; 64]> {
        signature_bytes(&self.signature)
    }
}

fn signature_bytes(text: &str) -> Option<[u8; 64]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn signed_text(tenant_id: TenantId, size: i64, root: &Hash, sealed_at: &str) -> String {
    format!("holdfast-seal/1\n{}\n{size}\n{}\n{sealed_at}\n", tenant_id.uuid(), hex::encode(root))
}

/// The first 16 hexadecimal digits of the public key's SHA-256.
fn key_id(public: &[u8; 32]) -> String {
    hex::encode(&Sha256::digest(public)[..8])
}

/// What heads are signed with.
pub struct SealingKey {
    key: SigningKey,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

impl SealingKey {
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(seed) }
    }

    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    #[must_use]
    pub fn sign(&self, tenant_id: TenantId, size: i64, root: Hash, previous_size: i64, at: DateTime<Utc>) -> Seal {
        let sealed_at = Stamp::of(at);
        let (key_id, signature) = self.sign_text(&signed_text(tenant_id, size, &root, sealed_at.as_str()));
        Seal { tenant_id, size, root, sealed_at, previous_size, key_id, signature }
    }

    /// Key id and signature. The first line of a text says what it is, so that no signature fits another kind.
    pub(super) fn sign_text(&self, text: &str) -> (String, String) {
        (key_id(&self.public()), BASE64.encode(self.key.sign(text.as_bytes()).to_bytes()))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this is no Ed25519 public key: 32 bytes in base64 or hexadecimal")]
pub struct KeyError;

/// The public keys that signatures are accepted of: today's and those of before.
#[derive(Debug, Clone, Default)]
pub struct SealKeys {
    keys: Vec<(String, VerifyingKey)>,
}

impl SealKeys {
    /// # Errors
    /// When one is no point of the curve.
    pub fn try_new(public: &[[u8; 32]]) -> Result<Self, KeyError> {
        let mut keys: Vec<(String, VerifyingKey)> = Vec::new();
        for bytes in public {
            let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError)?;
            if !keys.iter().any(|(id, _)| *id == key_id(bytes)) {
                keys.push((key_id(bytes), key));
            }
        }
        Ok(Self { keys })
    }

    /// Base64 or hexadecimal, several with commas.
    ///
    /// # Errors
    /// When one is no public key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let one = |text: &str| {
            let bytes = hex::decode(text).ok().or_else(|| BASE64.decode(text).ok());
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError)
        };
        Self::try_new(&text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(one).collect::<Result<Vec<_>, _>>()?)
    }

    /// Key id and public key, the newest first.
    pub fn published(&self) -> impl Iterator<Item = (&str, [u8; 32])> {
        self.keys.iter().map(|(id, key)| (id.as_str(), key.to_bytes()))
    }

    #[must_use]
    pub fn accept(&self, seal: &Seal) -> bool {
        self.signed(&seal.key_id, &seal.text(), &seal.signature)
    }

    /// `signature` is base64.
    pub(super) fn signed(&self, key_id: &str, text: &str, signature: &str) -> bool {
        let Some(signature) = signature_bytes(signature).map(|bytes| Signature::from_bytes(&bytes)) else { return false };
        self.keys.iter().any(|(id, key)| id == key_id && key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}
