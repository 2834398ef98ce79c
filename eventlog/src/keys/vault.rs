//! The key management of Vault (or `OpenBao`): its transit engine, over HTTPS.
//!
//! `POST /v1/{mount}/encrypt/{key}` and `…/decrypt/{key}`, both with `associated_data`. What Vault gives is stored as it is, e.g.
//! `vault:v3:…`; the version in it says with which version of the key it opens, so that the key may be rotated there.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cipher::Secret;
use super::kms::{Kms, KmsError};

/// How often one call is tried.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);
/// Of what Vault says about a refusal.
const QUOTED: usize = 200;

#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// `https://vault.internal:8200`, without a slash at its end.
    pub address: String,
    pub mount: String,
    pub key: String,
    /// Read anew for each call: an agent renews it.
    pub token_file: PathBuf,
    pub namespace: Option<String>,
    /// Certificates that are accepted besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// For one try.
    pub timeout: Duration,
}

pub struct VaultKms {
    client: reqwest::Client,
    settings: VaultSettings,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0} cannot be read")]
    Token(PathBuf, #[source] std::io::Error),
    #[error("no answer")]
    Transport(#[from] reqwest::Error),
    #[error("Vault answers {status}: {message}")]
    Status { status: StatusCode, message: String },
    #[error("an unreadable answer")]
    Unreadable,
}

impl Failure {
    /// Another try may go better. Not where somebody has to do something first.
    fn passes(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            // 412: a replica that has not caught up; 429: too many, or a standby.
            Self::Status { status, .. } => status.is_server_error() || matches!(status.as_u16(), 412 | 429),
            Self::Token(..) | Self::Unreadable => false,
        }
    }
}

/// Only 400 speaks of the key that was sent; everything else is an outage.
impl From<Failure> for KmsError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status { status: StatusCode::BAD_REQUEST, .. } => Self::Refused,
            failure @ (Failure::Token(..) | Failure::Transport(_) | Failure::Status { .. } | Failure::Unreadable) => {
                Self::Unreachable(Box::new(failure))
            }
        }
    }
}

impl VaultKms {
    /// # Errors
    /// When TLS cannot be set up, or a certificate is none.
    pub fn try_new(settings: VaultSettings) -> Result<Self, reqwest::Error> {
        let certificates = settings.ca_pem.as_deref().map(reqwest::Certificate::from_pem_bundle).transpose()?.unwrap_or_default();
        // Tenants' keys travel in plain inside TLS: to Vault and nobody else.
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_merge(certificates)
            .build()?;
        Ok(Self { client, settings })
    }

    /// The text in `field` of the answer.
    async fn call(&self, verb: &str, body: Value, field: &'static str) -> Result<String, Failure> {
        let mut attempt = 1;
        loop {
            match self.once(verb, &body, field).await {
                Err(failure) if failure.passes() && attempt < ATTEMPTS => {
                    tracing::warn!(error = &failure as &dyn std::error::Error, attempt, "the key management is asked again");
                    tokio::time::sleep(PAUSE * attempt * attempt).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once(&self, verb: &str, body: &Value, field: &'static str) -> Result<String, Failure> {
        let VaultSettings { address, mount, key, token_file, namespace, .. } = &self.settings;
        let token = tokio::fs::read_to_string(token_file).await.map_err(|error| Failure::Token(token_file.clone(), error))?;
        let mut request = self.client.post(format!("{address}/v1/{mount}/{verb}/{key}")).header("X-Vault-Request", "true");
        let mut token = reqwest::header::HeaderValue::from_str(token.trim()).map_err(|_| Failure::Unreadable)?;
        token.set_sensitive(true);
        request = request.header("X-Vault-Token", token);
        if let Some(namespace) = namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let answer = request.json(body).send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(reqwest::Error::without_url)?;
        if !status.is_success() {
            return Err(Failure::Status { status, message: refusal(&bytes) });
        }
        let mut answer: Value = serde_json::from_slice(&bytes).map_err(|_| Failure::Unreadable)?;
        match answer.pointer_mut(&format!("/data/{field}")).map(Value::take) {
            Some(Value::String(text)) => Ok(text),
            Some(_) | None => Err(Failure::Unreadable),
        }
    }
}

/// What Vault says, in short.
fn refusal(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let said = serde_json::from_slice::<Errors>(body).map(|answer| answer.errors.join("; ")).unwrap_or_default();
    said.chars().take(QUOTED).collect()
}

impl Kms for VaultKms {
    fn wrap<'a>(&'a self, data: &'a [u8], key: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        let body = json!({ "plaintext": BASE64.encode(key), "associated_data": BASE64.encode(data) });
        async move { Ok(self.call("encrypt", body, "ciphertext").await?.into_bytes()) }.boxed()
    }

    fn unwrap<'a>(&'a self, data: &'a [u8], wrapped: &'a [u8]) -> BoxFuture<'a, Result<Secret, KmsError>> {
        async move {
            // Wrapped by another key management.
            let ciphertext = std::str::from_utf8(wrapped).ok().filter(|text| text.starts_with("vault:")).ok_or(KmsError::Refused)?;
            let body = json!({ "ciphertext": ciphertext, "associated_data": BASE64.encode(data) });
            let plaintext = BASE64.decode(self.call("decrypt", body, "plaintext").await?).ok();
            plaintext.and_then(|bytes| bytes.try_into().ok()).ok_or(KmsError::Refused)
        }
        .boxed()
    }

    fn name(&self) -> String {
        let VaultSettings { address, mount, key, .. } = &self.settings;
        format!("vault, key {mount}/{key} at {address}")
    }
}

impl std::fmt::Debug for VaultKms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultKms").field("settings", &self.settings).finish_non_exhaustive()
    }
}
