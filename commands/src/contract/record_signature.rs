//! A contract is signed, or a signed one gets an escrow → the escrow need not wait for it any more (CTR-44).

use holdfast_domain::contract::ContractFact;
use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{EscrowId, Recorded};

use crate::contract::contract_event;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "record_signature", on: &["contract.signed", "contract.escrow_linked"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((_, contract)) = contract_event(event) else { return Vec::new() };
    if let ContractFact::Signed { escrows, .. } = &contract.fact {
        return escrows.iter().map(|escrow_id| tell(*escrow_id)).collect();
    }
    if let ContractFact::EscrowLinked { escrow_id, signed: true, .. } = &contract.fact {
        return vec![tell(*escrow_id)];
    }
    Vec::new()
}

fn tell(escrow_id: EscrowId) -> Step {
    Step::new::<Escrow>(format!("tell-{escrow_id}"), escrow_id.uuid(), EscrowCommand::RecordContractSigned)
}
