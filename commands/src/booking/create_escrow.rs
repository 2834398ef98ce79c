//! The talent has accepted → an escrow in which nothing is yet, with the parts that the booking froze (JOB-64, JOB-68).

use holdfast_domain::booking::BookingFact;
use holdfast_domain::contract::MilestoneShare;
use holdfast_domain::escrow::{CreateEscrow, Escrow, EscrowCommand, Reference};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::booking::agreed;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "create_escrow", on: &["booking.accepted"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, booking)) = agreed(event) else { return Vec::new() };
    let (BookingFact::Accepted { slot, pricing, .. }, Some(payer_id)) = (&booking.fact, booking.parties.payer_id) else {
        return Vec::new();
    };
    let reference = Reference {
        contract_id: booking.parties.contract_id(event.origin.tenant_id),
        milestone_id: None,
        booking_id: Some(booking.parties.booking_id),
        sponsorship_order_id: None,
    };
    let create = CreateEscrow {
        escrow_id,
        reference,
        payer_id,
        payee_id: booking.parties.talent_id,
        amount: pricing.total,
        delivery_required: None,
        partial_release_allowed: None,
        share: Some(MilestoneShare { split: pricing.split, tax: pricing.tax, entitlements: pricing.entitlements }),
        starts_at: Some(slot.from),
    };
    vec![Step::new::<Escrow>("create", escrow_id.uuid(), EscrowCommand::Create(create))]
}
