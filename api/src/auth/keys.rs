//! The keys that sign and verify tokens: a pinned map from key id to Ed25519 key.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::{SigningKey, VerifyingKey};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// All keys that this process accepts; nothing in a token can add one (`jku`, `x5u` and `jwk` are ignored).
pub struct Keyring {
    signing: Option<(String, EncodingKey)>,
    verifying: HashMap<String, DecodingKey>,
    published: Vec<Jwk>,
}

/// What `/.well-known/jwks.json` answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: &'static str,
    /// The public key, base64url.
    pub x: String,
    pub kid: String,
    pub alg: &'static str,
    #[serde(rename = "use")]
    pub usage: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("no key to verify tokens with")]
    NoKey,
    #[error("a public key is not an Ed25519 key")]
    NotEd25519,
    #[error("the signing key cannot be encoded")]
    Encoding,
}

impl Keyring {
    /// `signing_seed` signs and verifies; `accepted` only verify: the keys before and after a rotation.
    ///
    /// # Errors
    /// When there is no key at all, or one is not an Ed25519 key.
    pub fn try_new(signing_seed: Option<[u8; 32]>, accepted: &[[u8; 32]]) -> Result<Self, KeyError> {
        let mut ring = Self { signing: None, verifying: HashMap::new(), published: Vec::new() };
        if let Some(seed) = signing_seed {
            let key = SigningKey::from_bytes(&seed);
            let pkcs8 = key.to_pkcs8_der().map_err(|_| KeyError::Encoding)?;
            let key_id = ring.accept(&key.verifying_key());
            ring.signing = Some((key_id, EncodingKey::from_ed_der(pkcs8.as_bytes())));
        }
        for bytes in accepted {
            let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotEd25519)?;
            if key.is_weak() {
                return Err(KeyError::NotEd25519);
            }
            ring.accept(&key);
        }
        if ring.verifying.is_empty() { Err(KeyError::NoKey) } else { Ok(ring) }
    }

    fn accept(&mut self, key: &VerifyingKey) -> String {
        let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
        let key_id = thumbprint(&x);
        if self.verifying.insert(key_id.clone(), DecodingKey::from_ed_der(key.as_bytes())).is_none() {
            self.published.push(Jwk { kty: "OKP", crv: "Ed25519", x, kid: key_id.clone(), alg: "EdDSA", usage: "sig" });
        }
        key_id
    }

    pub(crate) fn verifying(&self, key_id: &str) -> Option<&DecodingKey> {
        self.verifying.get(key_id)
    }

    pub(crate) fn signing(&self) -> Option<(&str, &EncodingKey)> {
        self.signing.as_ref().map(|(key_id, key)| (key_id.as_str(), key))
    }

    #[must_use]
    pub fn jwks(&self) -> Jwks {
        Jwks { keys: self.published.clone() }
    }
}

/// RFC 7638: the key's id follows from the key, so that two processes never disagree about it.
fn thumbprint(x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members.as_bytes()))
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("keys", &self.published).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_overlapping_keys_are_published_and_accepted() {
        let old = SigningKey::from_bytes(&[1; 32]).verifying_key();
        let ring = Keyring::try_new(Some([2; 32]), &[old.to_bytes()]).unwrap();
        let keys = ring.jwks().keys;
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| ring.verifying(&key.kid).is_some()));
    }

    #[test]
    fn the_key_id_is_the_thumbprint_of_rfc_8037() {
        // RFC 8037, appendix A.3.
        assert_eq!(thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_ring_without_a_key_is_refused() {
        assert!(matches!(Keyring::try_new(None, &[]), Err(KeyError::NoKey)));
    }
}
