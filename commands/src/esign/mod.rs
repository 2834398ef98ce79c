//! The port to signing providers (CTR-40, CTR-41): envelopes go out through it; signatures come back as webhooks
//! (docs/domain/contract.md, "Signing at a provider").

mod http;
mod provider;
mod sandbox;
mod webhook;

pub use http::{HttpProvider, HttpProviderSettings};
pub use provider::{ESignError, EnvelopeRequest, EnvelopeSigner, SigningProvider, SigningProviders};
pub use sandbox::{SandboxFault, SandboxProvider};
pub use webhook::{EnvelopeMetadata, ProviderEvent, SignerSigned, WebhookError, WebhookSecret};
