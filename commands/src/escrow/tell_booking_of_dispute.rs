//! Money of a booking is in dispute, or is no longer → the booking shows it, and is worked on again after a redo (JOB-04, MNY-31).

use holdfast_domain::booking::{Booking, BookingCommand, DisputeMark};
use holdfast_domain::escrow::{DecisionKind, Escrow, EscrowFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{DisputeId, Recorded};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction {
    name: "tell_booking_of_dispute",
    on: &["escrow.disputed", "escrow.settlement_disputed", "escrow.dispute_resolved", "escrow.redo_ordered", "escrow.dispute_dismissed"],
    steps,
};

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(escrow) = event.event.of::<Escrow>() else { return Vec::new() };
    let (Some(booking_id), Some((dispute_id, status))) = (escrow.reference.booking_id, mark(&escrow.fact)) else { return Vec::new() };
    let redo = matches!(escrow.fact, EscrowFact::RedoOrdered { .. }).then_some(("redo", BookingCommand::OrderRedo { dispute_id }));
    let record = ("record", BookingCommand::RecordDispute { dispute_id, status });
    let step = |(name, command)| Step::new::<Booking>(name, booking_id.uuid(), command);
    redo.into_iter().chain([record]).map(step).collect()
}

/// DSP-27.
#[expect(clippy::wildcard_enum_match_arm, reason = "a new fact is about no case unless it says so")]
fn mark(fact: &EscrowFact) -> Option<(DisputeId, DisputeMark)> {
    Some(match fact {
        EscrowFact::Disputed { dispute_id, .. } | EscrowFact::SettlementDisputed { dispute_id, .. } => (*dispute_id, DisputeMark::Open),
        EscrowFact::DisputeResolved { dispute_id, kind: DecisionKind::Release, .. } | EscrowFact::DisputeDismissed { dispute_id, .. } => {
            (*dispute_id, DisputeMark::ResolvedRejected)
        }
        EscrowFact::DisputeResolved { dispute_id, kind: DecisionKind::Refund | DecisionKind::Split, .. } => {
            (*dispute_id, DisputeMark::ResolvedRefunded)
        }
        EscrowFact::RedoOrdered { dispute_id, .. } => (*dispute_id, DisputeMark::None),
        _ => return None,
    })
}
