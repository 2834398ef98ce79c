//! A booking is off → so is its escrow (cancelled or refunded, MNY-14), and a contract that nobody has signed yet.

use holdfast_domain::booking::BookingFact;
use holdfast_domain::contract::{Contract, ContractCommand};
use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::booking::agreed;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "end_agreement", on: &["booking.cancelled"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, booking)) = agreed(event) else { return Vec::new() };
    let BookingFact::Cancelled { reason, .. } = &booking.fact else { return Vec::new() };
    let contract_id = booking.parties.contract_id(event.origin.tenant_id);
    vec![
        Step::new::<Escrow>("escrow", escrow_id.uuid(), EscrowCommand::EndAgreement { reason: reason.clone() }),
        Step::new::<Contract>("contract", contract_id.uuid(), ContractCommand::Void { reason: reason.clone() }),
    ]
}
