//! The escrow of a booking is funded → the booking is confirmed (JOB-46).

use holdfast_domain::booking::{Booking, BookingCommand};
use holdfast_domain::escrow::Escrow;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "confirm_booking", on: &["escrow.funded"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let booking_id = event.event.of::<Escrow>().and_then(|escrow| escrow.reference.booking_id);
    booking_id.map(|id| Step::new::<Booking>("confirm", id.uuid(), BookingCommand::Confirm)).into_iter().collect()
}
