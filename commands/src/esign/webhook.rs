//! What a provider tells us, and how we know that it is the provider (CTR-25): Standard Webhooks, HMAC-SHA256 over id, time
//! and body. Everything in a body counts only because its signature does.

use std::sync::Arc;

use holdfast_domain::kernel::{ContractId, SignerId, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use standardwebhooks::Webhook;

/// What a provider gives back with every message: we sent it along with the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvelopeMetadata {
    pub tenant_id: TenantId,
    pub contract_id: ContractId,
    /// SHA-256 of the text, hex: what the signers sign.
    pub document_hash: String,
}

/// The body of a webhook. Kinds that we do not know are no error: providers add them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderEvent {
    /// `signer.signed` is the one that we act on.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerSigned {
    pub envelope_id: String,
    pub metadata: EnvelopeMetadata,
    pub signer_id: SignerId,
    pub typed_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl ProviderEvent {
    pub const SIGNER_SIGNED: &'static str = "signer.signed";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Missing headers, wrong secret, altered body, or more than five minutes away: they look alike.
    #[error("the signature of this message is not valid")]
    Signature,
    #[error("the secret is no base64 of 24 to 64 bytes, with or without whsec_ before it")]
    Secret,
}

/// Shared with one provider: 24 to 64 bytes in base64, with or without `whsec_` before it.
#[derive(Clone)]
pub struct WebhookSecret(Arc<Webhook>);

impl WebhookSecret {
    /// # Errors
    /// `Secret`.
    pub fn try_new(secret: &SecretString) -> Result<Self, WebhookError> {
        use base64::Engine as _;
        let text = secret.expose_secret();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
        if !bytes.is_ok_and(|bytes| (24..=64).contains(&bytes.len())) {
            return Err(WebhookError::Secret);
        }
        Webhook::new(text).map(Arc::new).map(Self).map_err(|_| WebhookError::Secret)
    }

    /// `headers`: those of the request by name, in any case.
    ///
    /// # Errors
    /// `Signature`.
    pub fn verify<'a>(&self, headers: impl Iterator<Item = (&'a str, &'a [u8])>, body: &[u8]) -> Result<(), WebhookError> {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), http::HeaderValue::from_bytes(value)) {
                map.insert(name, value);
            }
        }
        self.0.verify(body, &map).map_err(|_| WebhookError::Signature)
    }

    /// The value of `webhook-signature`, as a provider makes it.
    ///
    /// # Errors
    /// `Signature` when the time cannot be expressed.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> Result<String, WebhookError> {
        self.0.sign(id, timestamp_s, body).map_err(|_| WebhookError::Signature)
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}
