//! A booking is moved → its escrow waits for the new beginning (MNY-17, JOB-69).

use holdfast_domain::booking::BookingFact;
use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::booking::agreed;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "move_start", on: &["booking.rescheduled"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, booking)) = agreed(event) else { return Vec::new() };
    let BookingFact::Rescheduled { slot, .. } = &booking.fact else { return Vec::new() };
    vec![Step::new::<Escrow>("move", escrow_id.uuid(), EscrowCommand::RecordStartMoved { starts_at: slot.from })]
}
