//! A contract as a PDF: made of what its stream says and nothing else, so the same contract gives the same bytes.

use chrono::{DateTime, Utc};
use holdfast_documents::{ContractDocument, SignedWith};
use holdfast_domain::contract::{ArtifactKind, Contract, SignatureMethod, SignerEntry};
use holdfast_domain::kernel::{ContractId, Personal, TenantId};
use holdfast_domain::tenant::{Tenant, TenantEvent};
use holdfast_eventlog::StreamId;
use tokio::sync::Semaphore;

use crate::effect::{EffectError, Ports};

/// Documents that effects of this process make at the same time; the others wait, as many as the reactor runs.
const AT_ONCE: usize = 2;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Unsigned as `RenderedPdf`, whatever has happened since; with the evidence of signing as `SignedPdf`.
pub(super) async fn pdf(
    ports: &Ports,
    tenant_id: TenantId,
    contract_id: ContractId,
    contract: &Contract,
    kind: ArtifactKind,
) -> Result<Vec<u8>, EffectError> {
    let document = document(ports, tenant_id, contract_id, contract, kind).await?;
    let typeset = ports.contract_pdf;
    let turn = TURNS.acquire().await.map_err(EffectError::ours)?;
    let rendered = tokio::task::spawn_blocking(move || {
        let _until_made = turn;
        metrics::gauge!("holdfast_effect_documents").increment(1.0);
        let rendered = typeset(&document);
        metrics::gauge!("holdfast_effect_documents").decrement(1.0);
        rendered
    });
    let rendered = rendered.await.map_err(EffectError::ours)?;
    rendered.map_err(|error| EffectError::Permanent { code: error.code(), message: error.to_string() })
}

async fn document(
    ports: &Ports,
    tenant_id: TenantId,
    contract_id: ContractId,
    contract: &Contract,
    kind: ArtifactKind,
) -> Result<ContractDocument, EffectError> {
    let Some(version) = contract.current_version() else { return Err(gone()) };
    let text = open(ports, tenant_id, &version.body).await?.ok_or_else(gone)?;
    let mut signatures = Vec::new();
    if kind == ArtifactKind::SignedPdf {
        let mut signed: Vec<(DateTime<Utc>, &SignerEntry)> =
            contract.signers().iter().filter_map(|entry| entry.signed_at.map(|at| (at, entry))).collect();
        signed.sort_by_key(|(at, _)| *at);
        for (signed_at, entry) in signed {
            signatures.extend(signature(ports, tenant_id, entry, signed_at).await?);
        }
    }
    let dated = if signatures.is_empty() { contract.sent_at() } else { contract.signed_at() };
    Ok(ContractDocument {
        title: version.title.clone(),
        tenant: tenant_name(ports, tenant_id).await?,
        contract_id: contract_id.to_string(),
        version: version.number,
        dated: dated.or(contract.created_at()).ok_or_else(gone)?,
        text,
        text_sha256: version.hash.clone(),
        signatures,
    })
}

async fn signature(
    ports: &Ports,
    tenant_id: TenantId,
    entry: &SignerEntry,
    signed_at: DateTime<Utc>,
) -> Result<Option<holdfast_documents::Signature>, EffectError> {
    let Some(signature) = &entry.signature else { return Ok(None) };
    let typed_name = open(ports, tenant_id, &signature.typed_name).await?;
    let name = open_some(ports, tenant_id, entry.signer.name.as_ref()).await?.or_else(|| typed_name.clone());
    let signed_with = match &signature.method {
        SignatureMethod::InApp | SignatureMethod::Link { .. } => SignedWith::InApp,
        SignatureMethod::Provider { provider, envelope_id, .. } => {
            SignedWith::Provider { provider: provider.to_string(), envelope_id: envelope_id.clone() }
        }
    };
    Ok(Some(holdfast_documents::Signature {
        name: name.unwrap_or_else(|| "erased".to_owned()),
        email: open_some(ports, tenant_id, entry.signer.email.as_ref()).await?,
        role: entry.signer.party_type.to_string(),
        typed_name,
        consent: signature.consent.clone(),
        signed_at,
        ip: open_some(ports, tenant_id, signature.ip.as_ref()).await?,
        user_agent: open_some(ports, tenant_id, signature.user_agent.as_ref()).await?,
        signed_with,
    }))
}

/// The author of the document.
async fn tenant_name(ports: &Ports, tenant_id: TenantId) -> Result<String, EffectError> {
    let stream = StreamId { tenant_id, aggregate_type: <Tenant as cqrs_es::Aggregate>::TYPE, aggregate_id: tenant_id.uuid() };
    let stored = ports.log.read_stream(stream, 0, 1).await.map_err(EffectError::ours)?;
    let created = stored.first().map(holdfast_eventlog::StoredEvent::decode).transpose().map_err(EffectError::ours)?;
    let name = created.and_then(|created| match created.event.of::<Tenant>() {
        Some(TenantEvent::Created { name, .. }) => Some(name.clone()),
        _ => None,
    });
    Ok(name.unwrap_or_default())
}

/// None when its person was erased.
pub(super) async fn open(ports: &Ports, tenant_id: TenantId, value: &Personal<String>) -> Result<Option<String>, EffectError> {
    ports.sealer.open(tenant_id, value).await.map_err(EffectError::ours)
}

pub(super) async fn open_some(ports: &Ports, tenant_id: TenantId, value: Option<&Personal<String>>) -> Result<Option<String>, EffectError> {
    match value {
        Some(value) => open(ports, tenant_id, value).await,
        None => Ok(None),
    }
}

fn gone() -> EffectError {
    EffectError::Permanent { code: "CONTRACT_TEXT_ERASED", message: "the contract has no text any more".to_owned() }
}
