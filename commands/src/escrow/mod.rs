//! What follows on the events of an escrow: one file per reaction, named after what it does.

pub(crate) mod answer_funding;
pub(crate) mod capture_funding;
pub(crate) mod confirm_booking;
pub(crate) mod credit_legs;
pub(crate) mod end_settled_case;
pub(crate) mod freeze_settled;
pub(crate) mod keep_delivery;
pub(crate) mod record_frozen;
pub(crate) mod record_landing;
pub(crate) mod request_wallet_hold;
pub(crate) mod return_funding;
pub(crate) mod tell_booking;
pub(crate) mod tell_booking_of_dispute;
pub(crate) mod tell_contract;
pub(crate) mod tell_dispute;

use holdfast_domain::escrow::{Escrow, EscrowFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{EscrowId, Recorded};

/// The escrow and what happened to it, when that is what the event is about.
fn escrow_fact(event: &Recorded<AnyEvent>) -> Option<(EscrowId, &EscrowFact)> {
    event.event.of::<Escrow>().map(|escrow| (EscrowId(event.origin.aggregate_id), &escrow.fact))
}
