//! The escrow of a booking is cancelled, or its money went back before the work → the booking is off (MNY-14, JOB-49).

use holdfast_domain::booking::{Booking, BookingCommand};
use holdfast_domain::escrow::{Escrow, EscrowFact, MoneySource};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "tell_booking", on: &["escrow.cancelled", "escrow.refunded"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(escrow) = event.event.of::<Escrow>() else { return Vec::new() };
    let is_over_before_work = matches!(escrow.fact, EscrowFact::Cancelled { .. } | EscrowFact::Refunded { source: MoneySource::Open, .. });
    let booking_id = escrow.reference.booking_id.filter(|_| is_over_before_work);
    booking_id.map(|id| Step::new::<Booking>("tell", id.uuid(), BookingCommand::RecordEscrowEnded)).into_iter().collect()
}
