//! What a file is for: it must exist, and the caller must be a party of it or the tenant's staff.

use holdfast_domain::asset::{AssetOwner, OwnerType};
use holdfast_domain::dispute::{Dispute, DisputeFact};
use holdfast_domain::escrow::{Escrow, EscrowFact};
use holdfast_domain::job::Job;
use holdfast_domain::kernel::PartyId;
use serde_json::json;

use crate::commands::Side;
use crate::commands::facts::first_event;
use crate::error::ApiError;
use crate::request::Caller;
use crate::state::Shared;

/// Who else may see the file. Fails as for an owner that does not exist when the caller has nothing to do with it.
pub(super) async fn parties(shared: &Shared, side: &Side, caller: &Caller, owner: AssetOwner) -> Result<Vec<PartyId>, ApiError> {
    let (tenant_id, id) = (caller.tenant_id, owner.owner_id);
    let parties = match owner.owner_type {
        OwnerType::TalentPortfolio => vec![PartyId(id)],
        OwnerType::DisputeEvidence => {
            let opened = first_event::<Dispute>(shared, side, tenant_id, id).await?;
            match opened.map(|event| event.fact) {
                Some(DisputeFact::Opened { facts, .. }) => vec![facts.payer_id, facts.payee_id],
                Some(_) | None => return Err(missing(owner.owner_type)),
            }
        }
        OwnerType::DeliveryArtifact => {
            let created = first_event::<Escrow>(shared, side, tenant_id, id).await?;
            match created.map(|event| event.fact) {
                Some(EscrowFact::Created { terms }) => vec![terms.payer_id, terms.payee_id],
                Some(_) | None => return Err(missing(owner.owner_type)),
            }
        }
        OwnerType::JobBrief => {
            first_event::<Job>(shared, side, tenant_id, id).await?.ok_or_else(|| missing(owner.owner_type))?;
            Vec::new()
        }
        OwnerType::ContractArtifact => return Err(missing(owner.owner_type)),
    };
    if parties.contains(&caller.actor.id) || caller.actor.is_tenant_staff() { Ok(parties) } else { Err(missing(owner.owner_type)) }
}

/// Missing, and none of the caller's business, look alike.
fn missing(owner_type: OwnerType) -> ApiError {
    match owner_type {
        OwnerType::DisputeEvidence => ApiError::not_found("DISPUTE_NOT_FOUND", "dispute"),
        OwnerType::DeliveryArtifact => ApiError::not_found("ESCROW_NOT_FOUND", "escrow"),
        OwnerType::JobBrief => ApiError::not_found("JOB_NOT_FOUND", "job"),
        // A talent's files are its own; a contract's are made by us.
        OwnerType::TalentPortfolio | OwnerType::ContractArtifact => ApiError::policy_denied(json!({ "field": "ownerType" })),
    }
}
