//! A provider inside this process, for demonstrations and tests: it takes envelopes, lets every signer sign at once, and says
//! so over HTTP with signed webhooks, as a real one does. It can be told to misbehave as real ones do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::kernel::{PartyId, derived_uuid};
use tokio::sync::Semaphore;

use crate::esign::{ESignError, EnvelopeRequest, ProviderEvent, SignerSigned, SigningProvider, WebhookSecret};

/// What real providers do now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxFault {
    /// Every message comes twice.
    Duplicate,
    /// The last signature is reported first.
    Reordered,
    /// Each message comes once with a time of ten minutes ago before it comes in time.
    Late,
    /// Each message comes once with another key's signature before it comes with the right one.
    WrongSignature,
    /// Nobody signs.
    Silent,
}

/// Tries of one message while we do not take it.
const TRIES: u32 = 20;
/// Envelopes whose messages are on their way; more are not taken until some have arrived.
const DELIVERIES: usize = 64;

pub struct SandboxProvider {
    client: reqwest::Client,
    webhook_url: String,
    secret: WebhookSecret,
    faults: BTreeSet<SandboxFault>,
    deliveries: Arc<Semaphore>,
}

/// One webhook on its way.
#[derive(Clone)]
struct Message {
    id: String,
    body: String,
}

impl SandboxProvider {
    /// `webhook_url`: our own `/v1/esign/webhook`, as this process reaches it.
    #[must_use]
    pub fn new(webhook_url: String, secret: WebhookSecret, faults: BTreeSet<SandboxFault>) -> Self {
        Self { client: reqwest::Client::new(), webhook_url, secret, faults, deliveries: Arc::new(Semaphore::new(DELIVERIES)) }
    }

    /// The envelope's id follows from the key, so that a repeated request makes no second one.
    fn envelope_id(request: &EnvelopeRequest) -> String {
        let id = derived_uuid(request.metadata.tenant_id, request.metadata.contract_id.uuid(), &request.idempotency_key, 0);
        format!("sandbox-{id}")
    }

    fn messages(&self, request: &EnvelopeRequest, envelope_id: &str) -> Result<Vec<Message>, ESignError> {
        let mut signers = request.signers.clone();
        signers.sort_by_key(|signer| signer.order.unwrap_or_default());
        if self.faults.contains(&SandboxFault::Reordered) {
            signers.reverse();
        }
        let message = |signer: &crate::esign::EnvelopeSigner| {
            let signed = SignerSigned {
                envelope_id: envelope_id.to_owned(),
                metadata: request.metadata.clone(),
                signer_id: signer.signer_id,
                typed_name: signer.name.clone().unwrap_or_else(|| "Signer".to_owned()),
                ip: Some("192.0.2.1".to_owned()),
                user_agent: Some("sandbox".to_owned()),
            };
            let unreadable = |_| ESignError::Refused("cannot be written as JSON".to_owned());
            let data = serde_json::to_value(signed).map_err(unreadable)?;
            let event = ProviderEvent { kind: ProviderEvent::SIGNER_SIGNED.to_owned(), data };
            let body = serde_json::to_string(&event).map_err(unreadable)?;
            Ok(Message { id: format!("{envelope_id}-{}", PartyId(signer.signer_id.uuid())), body })
        };
        signers.iter().map(message).collect()
    }

    async fn create(&self, request: &EnvelopeRequest) -> Result<String, ESignError> {
        let envelope_id = Self::envelope_id(request);
        if !self.faults.contains(&SandboxFault::Silent) {
            let messages = self.messages(request, &envelope_id)?;
            let delivery = Delivery {
                client: self.client.clone(),
                url: self.webhook_url.clone(),
                secret: self.secret.clone(),
                faults: self.faults.clone(),
            };
            let free = Arc::clone(&self.deliveries).try_acquire_owned();
            let place = free.map_err(|_| ESignError::Unavailable("the sandbox has enough to deliver".to_owned()))?;
            tokio::spawn(async move {
                metrics::gauge!("holdfast_sandbox_deliveries").increment(1.0);
                for message in messages {
                    delivery.deliver(&message).await;
                }
                metrics::gauge!("holdfast_sandbox_deliveries").decrement(1.0);
                drop(place);
            });
        }
        Ok(envelope_id)
    }
}

impl SigningProvider for SandboxProvider {
    fn create_envelope<'a>(&'a self, request: &'a EnvelopeRequest) -> BoxFuture<'a, Result<String, ESignError>> {
        self.create(request).boxed()
    }

    /// A void envelope needs no memory: its signers have signed at once.
    fn void_envelope<'a>(&'a self, _envelope_id: &'a str, _reason: &'a str) -> BoxFuture<'a, Result<(), ESignError>> {
        std::future::ready(Ok(())).boxed()
    }
}

struct Delivery {
    client: reqwest::Client,
    url: String,
    secret: WebhookSecret,
    faults: BTreeSet<SandboxFault>,
}

impl Delivery {
    async fn deliver(&self, message: &Message) {
        if self.faults.contains(&SandboxFault::WrongSignature) {
            self.post(message, Utc::now().timestamp(), |signature| signature.chars().rev().collect()).await;
        }
        if self.faults.contains(&SandboxFault::Late) {
            self.post(message, Utc::now().timestamp() - 600, |signature| signature).await;
        }
        self.until_taken(message).await;
        if self.faults.contains(&SandboxFault::Duplicate) {
            self.until_taken(message).await;
        }
    }

    async fn until_taken(&self, message: &Message) {
        for tried in 0..TRIES {
            if self.post(message, Utc::now().timestamp(), |signature| signature).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50 << tried.min(6))).await;
        }
        tracing::warn!(id = message.id, "the sandbox gave up on a message");
    }

    /// True when it was taken.
    async fn post(&self, message: &Message, timestamp_s: i64, alter: fn(String) -> String) -> bool {
        let Ok(signature) = self.secret.sign(&message.id, timestamp_s, message.body.as_bytes()) else { return false };
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp_s.to_string())
            .header("webhook-signature", alter(signature))
            .timeout(Duration::from_secs(10))
            .body(message.body.clone());
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}
