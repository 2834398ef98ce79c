//! What we ask of a signing provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use holdfast_domain::contract::ESignProvider;
use holdfast_domain::kernel::SignerId;

use crate::esign::EnvelopeMetadata;

/// Somebody who takes signatures for us.
pub trait SigningProvider: Send + Sync {
    /// Hands over a document and asks its signers to sign. The same idempotency key again gives the same envelope.
    fn create_envelope<'a>(&'a self, request: &'a EnvelopeRequest) -> BoxFuture<'a, Result<String, ESignError>>;

    /// Takes an envelope back. One that is void already stays so.
    fn void_envelope<'a>(&'a self, envelope_id: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), ESignError>>;
}

// No `Debug`: names and addresses stay out of logs.
#[derive(Clone)]
pub struct EnvelopeRequest {
    pub idempotency_key: String,
    pub metadata: EnvelopeMetadata,
    pub title: String,
    pub message: Option<String>,
    pub signers: Vec<EnvelopeSigner>,
    /// A PDF.
    pub document: Vec<u8>,
}

#[derive(Clone)]
pub struct EnvelopeSigner {
    pub signer_id: SignerId,
    pub name: Option<String>,
    pub email: Option<String>,
    pub order: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ESignError {
    /// Worth another try: no answer, too busy, broken on their side.
    #[error("the signing provider does not answer: {0}")]
    Unavailable(String),
    /// It would be refused again.
    #[error("the signing provider refuses: {0}")]
    Refused(String),
}

/// The providers that this server knows, by name.
#[derive(Clone, Default)]
pub struct SigningProviders(BTreeMap<ESignProvider, Arc<dyn SigningProvider>>);

impl SigningProviders {
    #[must_use]
    pub fn with(mut self, name: ESignProvider, provider: Arc<dyn SigningProvider>) -> Self {
        self.0.insert(name, provider);
        self
    }

    #[must_use]
    pub fn get(&self, name: ESignProvider) -> Option<&Arc<dyn SigningProvider>> {
        self.0.get(&name)
    }
}
