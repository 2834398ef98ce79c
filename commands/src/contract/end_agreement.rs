//! What an escrow stands on is gone: its contract is void, or its milestone was replaced → it is cancelled, refunded or
//! disputed, as far as it has come (MNY-06).

use holdfast_domain::contract::{ContractFact, ContractStatus};
use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{EscrowId, Recorded};

use crate::contract::contract_event;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction =
    Reaction { name: "end_agreement_of_contract", on: &["contract.voided", "contract.edited", "contract.escrow_linked"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((_, contract)) = contract_event(event) else { return Vec::new() };
    if let ContractFact::Voided { escrows, .. } = &contract.fact {
        return escrows.iter().map(|escrow_id| end(*escrow_id, "the contract was voided")).collect();
    }
    if let ContractFact::Edited { outdated_escrows, .. } = &contract.fact {
        return outdated_escrows.iter().map(|escrow_id| end(*escrow_id, "the milestones of the contract were changed")).collect();
    }
    if let ContractFact::EscrowLinked { escrow_id, .. } = &contract.fact
        && contract.to == ContractStatus::Void
    {
        return vec![end(*escrow_id, "the contract was voided")];
    }
    Vec::new()
}

fn end(escrow_id: EscrowId, reason: &str) -> Step {
    Step::new::<Escrow>(format!("end-{escrow_id}"), escrow_id.uuid(), EscrowCommand::EndAgreement { reason: reason.to_owned() })
}
