//! A contract is sent or signed → its PDF is rendered and stored, and its hash recorded (CTR-06, CTR-40, CTR-42).

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::contract::{Artifact, ArtifactKind, Contract, ContractCommand, ContractFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{ContractId, Recorded};
use holdfast_files::{Checksum, FilesError, Refusal, StorageKey};

use crate::contract::{contract_event, document};
use crate::effect::{Effect, EffectError, Ports, load};
use crate::reaction::Step;

pub(crate) const EFFECT: Effect = Effect { name: "render_documents", on: &["contract.sent", "contract.signed"], run };

fn run<'a>(ports: &'a Ports, event: &'a Recorded<AnyEvent>) -> BoxFuture<'a, Result<Vec<Step>, EffectError>> {
    rendered(ports, event).boxed()
}

async fn rendered(ports: &Ports, event: &Recorded<AnyEvent>) -> Result<Vec<Step>, EffectError> {
    let Some((contract_id, contract)) = contract_event(event) else { return Ok(Vec::new()) };
    let (kind, name) = if matches!(contract.fact, ContractFact::Signed { .. }) {
        (ArtifactKind::SignedPdf, "signed")
    } else {
        (ArtifactKind::RenderedPdf, "sent")
    };
    let tenant_id = event.origin.tenant_id;
    let Some(contract) = load::<Contract>(ports, tenant_id, contract_id.uuid()).await? else { return Ok(Vec::new()) };
    let pdf = document::pdf(ports, tenant_id, contract_id, &contract, kind).await?;
    let key = StorageKey::contract_pdf(tenant_id, contract_id, name)
        .map_err(|error| EffectError::Permanent { code: "STORAGE_KEY_INVALID", message: error.to_string() })?;
    let (sha256, size) = stored(ports, &key, pdf.into()).await?;
    Ok(vec![report(contract_id, kind, &key, sha256, size)])
}

/// What was stored under the key before, by another version of the program, stays: it may have been looked at.
async fn stored(ports: &Ports, key: &StorageKey, pdf: Bytes) -> Result<(Checksum, u64), EffectError> {
    match ports.files.store(key, pdf).await {
        Ok(stored) => Ok((stored.sha256, stored.size)),
        Err(FilesError::Refused(Refusal::StoredDifferently)) => {
            let there = ports.files.read(key).await.map_err(EffectError::ours)?.into_bytes().await.map_err(EffectError::ours)?;
            Ok((Checksum::of(&there), there.len() as u64))
        }
        Err(error) => Err(EffectError::ours(error)),
    }
}

fn report(contract_id: ContractId, kind: ArtifactKind, key: &StorageKey, sha256: Checksum, size: u64) -> Step {
    let (storage_key, sha256, mime) = (key.to_string(), sha256.to_string(), "application/pdf".to_owned());
    let artifact = Artifact { kind, storage_key, sha256, size, mime };
    Step::new::<Contract>(format!("store-{kind}"), contract_id.uuid(), ContractCommand::StoreArtifact(artifact))
}
