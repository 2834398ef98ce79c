//! A case was taken to the platform → the escrow lets only the platform decide (DSP-17). When nobody decided in time, that
//! came from the escrow (MNY-17).

use holdfast_domain::dispute::{Dispute, DisputeFact};
use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{DisputeId, Recorded};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "escalate_dispute", on: &["dispute.escalated"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(dispute) = event.event.of::<Dispute>() else { return Vec::new() };
    let DisputeFact::Escalated { by_deadline: false, .. } = dispute.fact else { return Vec::new() };
    let dispute_id = DisputeId(event.origin.aggregate_id);
    vec![Step::new::<Escrow>("escalate", dispute.escrow_id.uuid(), EscrowCommand::EscalateDispute { dispute_id })]
}
