//! A provider that speaks JSON over HTTPS.
//!
//! `POST {base}/envelopes` with an `Idempotency-Key` answers `{"envelopeId"}`; `POST {base}/envelopes/{id}/void` takes one back.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::esign::{ESignError, EnvelopeRequest, SigningProvider};

#[derive(Debug, Clone)]
pub struct HttpProviderSettings {
    /// Without a slash at its end.
    pub base_url: String,
    pub api_key: SecretString,
    /// For a whole call.
    pub timeout: Duration,
}

pub struct HttpProvider {
    client: reqwest::Client,
    settings: HttpProviderSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    envelope_id: String,
}

impl HttpProvider {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn try_new(settings: HttpProviderSettings) -> Result<Self, ESignError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(settings.timeout)
            // An answer that sends us elsewhere with a contract in hand is not followed.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ESignError::Refused(error.to_string()))?;
        Ok(Self { client, settings })
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.settings.base_url)).bearer_auth(self.settings.api_key.expose_secret())
    }

    async fn create(&self, request: &EnvelopeRequest) -> Result<String, ESignError> {
        let EnvelopeRequest { idempotency_key, metadata, title, message, signers, document } = request;
        let signers: Vec<_> = signers
            .iter()
            .map(|signer| json!({ "signerId": signer.signer_id, "name": signer.name, "email": signer.email, "order": signer.order }))
            .collect();
        let body = json!({
            "metadata": metadata, "title": title, "message": message, "signers": signers,
            "document": { "mime": "application/pdf", "content": BASE64.encode(document) },
        });
        let answer = answered(self.post("/envelopes").header("Idempotency-Key", idempotency_key).json(&body)).await?;
        let created: Created = answer.json().await.map_err(|_| ESignError::Unavailable("an unreadable answer".to_owned()))?;
        let plain = |c: char| c.is_ascii_graphic() && c != '/';
        if created.envelope_id.is_empty() || created.envelope_id.len() > 200 || !created.envelope_id.chars().all(plain) {
            return Err(ESignError::Refused("the envelope has no usable id".to_owned()));
        }
        Ok(created.envelope_id)
    }

    async fn void(&self, envelope_id: &str, reason: &str) -> Result<(), ESignError> {
        answered(self.post(&format!("/envelopes/{envelope_id}/void")).json(&json!({ "reason": reason }))).await.map(drop)
    }
}

/// Neither the request nor the answer is part of the error: they may name people.
async fn answered(request: RequestBuilder) -> Result<Response, ESignError> {
    let answer = request.send().await.map_err(|error| {
        let problem = if error.is_timeout() { "timed out" } else { "no connection" };
        ESignError::Unavailable(problem.to_owned())
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let passing = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let problem = status.to_string();
    Err(if passing { ESignError::Unavailable(problem) } else { ESignError::Refused(problem) })
}

impl SigningProvider for HttpProvider {
    fn create_envelope<'a>(&'a self, request: &'a EnvelopeRequest) -> BoxFuture<'a, Result<String, ESignError>> {
        self.create(request).boxed()
    }

    fn void_envelope<'a>(&'a self, envelope_id: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), ESignError>> {
        self.void(envelope_id, reason).boxed()
    }
}
