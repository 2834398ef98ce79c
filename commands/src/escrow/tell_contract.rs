//! An escrow names a contract, is being paid, or is over → the contract knows what hangs on it (MNY-06). A contract id that is
//! none of ours is somebody else's business.

use holdfast_domain::contract::{Contract, ContractCommand, EscrowMark};
use holdfast_domain::escrow::{Escrow, EscrowFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{EscrowId, Recorded};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction {
    name: "tell_contract",
    on: &["escrow.created", "escrow.funding_requested", "escrow.funded", "escrow.cancelled", "escrow.closed"],
    steps,
};

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(escrow) = event.event.of::<Escrow>() else { return Vec::new() };
    let Some(mark) = mark(&escrow.fact) else { return Vec::new() };
    let (escrow_id, milestone_id) = (EscrowId(event.origin.aggregate_id), escrow.reference.milestone_id);
    let command = ContractCommand::RecordEscrow { escrow_id, milestone_id, mark };
    vec![Step::new::<Contract>("tell", escrow.reference.contract_id.uuid(), command)]
}

fn mark(fact: &EscrowFact) -> Option<EscrowMark> {
    if matches!(fact, EscrowFact::Created { .. }) {
        return Some(EscrowMark::Created);
    }
    if matches!(fact, EscrowFact::FundingRequested { .. } | EscrowFact::Funded { .. }) {
        return Some(EscrowMark::Underway);
    }
    matches!(fact, EscrowFact::Cancelled { .. } | EscrowFact::Closed { .. }).then_some(EscrowMark::Ended)
}
