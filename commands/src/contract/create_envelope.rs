//! A contract is sent, and its tenant has signatures taken by a provider → the provider gets the document (CTR-41).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::contract::{ArtifactKind, Contract, ContractCommand, ContractFact, ContractStatus, ESignProvider};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{ContractId, Recorded, TenantId};

use crate::contract::{contract_event, document};
use crate::effect::{Effect, EffectError, Ports, load};
use crate::esign::{ESignError, EnvelopeMetadata, EnvelopeRequest, EnvelopeSigner};
use crate::reaction::Step;

pub(crate) const EFFECT: Effect = Effect { name: "create_envelope", on: &["contract.sent"], run };

fn run<'a>(ports: &'a Ports, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, EffectError>> {
    created(ports, event).boxed()
}

async fn created(ports: &Ports, event: &Recorded<AnyEvent>) -> Result<Vec<Step>, EffectError> {
    let Some((contract_id, sent)) = contract_event(event) else { return Ok(Vec::new()) };
    let ContractFact::Sent { provider, .. } = &sent.fact else { return Ok(Vec::new()) };
    if *provider == ESignProvider::InApp {
        return Ok(Vec::new());
    }
    let tenant_id = event.origin.tenant_id;
    let Some(contract) = load::<Contract>(ports, tenant_id, contract_id.uuid()).await? else { return Ok(Vec::new()) };
    // Voided meanwhile: nobody is to be asked for a signature any more.
    if contract.contract_status() != ContractStatus::Sent || contract.envelope().is_some() {
        return Ok(Vec::new());
    }
    let port = ports.signing.get(*provider).ok_or_else(|| not_configured(*provider))?;
    let request = request(ports, tenant_id, contract_id, &contract).await?;
    let envelope_id = port.create_envelope(&request).await.map_err(theirs)?;
    let command = ContractCommand::RecordEnvelope { provider: *provider, envelope_id };
    Ok(vec![Step::new::<Contract>("record", contract_id.uuid(), command)])
}

async fn request(ports: &Ports, tenant_id: TenantId, contract_id: ContractId, contract: &Contract) -> Result<EnvelopeRequest, EffectError> {
    let pdf = document::pdf(ports, tenant_id, contract_id, contract, ArtifactKind::RenderedPdf).await?;
    let (title, hash) = contract.current_version().map(|version| (version.title.clone(), version.hash.clone())).unwrap_or_default();
    let mut signers = Vec::new();
    for entry in contract.signers() {
        signers.push(EnvelopeSigner {
            signer_id: entry.signer.signer_id,
            name: document::open_some(ports, tenant_id, entry.signer.name.as_ref()).await?,
            email: document::open_some(ports, tenant_id, entry.signer.email.as_ref()).await?,
            order: entry.signer.order,
        });
    }
    Ok(EnvelopeRequest {
        idempotency_key: format!("{contract_id}/{hash}"),
        metadata: EnvelopeMetadata { tenant_id, contract_id, document_hash: hash },
        title,
        message: document::open_some(ports, tenant_id, contract.message()).await?,
        signers,
        document: pdf,
    })
}

pub(super) fn theirs(error: ESignError) -> EffectError {
    let message = error.to_string();
    match error {
        ESignError::Unavailable(_) => EffectError::Theirs { code: "SIGNING_PROVIDER_UNAVAILABLE", message },
        ESignError::Refused(_) => EffectError::Permanent { code: "SIGNING_PROVIDER_REFUSED", message },
    }
}

/// An operator has to act; then the dead letter is redriven.
pub(super) fn not_configured(provider: ESignProvider) -> EffectError {
    EffectError::Permanent { code: "SIGNING_PROVIDER_UNKNOWN", message: format!("this server knows no signing provider {provider}") }
}
