//! What follows on the events of a booking: one file per reaction, named after what it does.

pub(crate) mod create_contract;
pub(crate) mod create_escrow;
pub(crate) mod end_agreement;
pub(crate) mod move_start;
pub(crate) mod start_work;
pub(crate) mod submit_delivery;

use holdfast_domain::booking::{Booking, BookingEvent};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{EscrowId, Recorded};

/// What happened to a booking that the talent has accepted: only such a one has a contract and an escrow.
fn agreed(event: &Recorded<AnyEvent>) -> Option<(EscrowId, &BookingEvent)> {
    let booking = event.event.of::<Booking>().filter(|booking| booking.agreed)?;
    Some((booking.parties.escrow_id(event.origin.tenant_id), booking))
}
