//! What an escrow is for, looked up in the log: a booking or a contract of ours decides some things itself.

use holdfast_domain::booking::{Booking, BookingStatus};
use holdfast_domain::contract::{Contract, MilestoneShare};
use holdfast_domain::escrow::{Escrow, EscrowError, EscrowFact, Reference};
use holdfast_domain::kernel::{BookingId, EscrowId, Money, PartyId, TenantId};
use serde_json::json;

use crate::commands::Side;
use crate::commands::facts::{first_event, load};
use crate::error::ApiError;
use crate::request::Caller;
use crate::state::Shared;

/// The booking that made this escrow.
async fn booking(shared: &Shared, side: &Side, caller: &Caller, id: EscrowId) -> Result<Option<(BookingId, Booking)>, ApiError> {
    let tenant_id = caller.tenant_id;
    let created = first_event::<Escrow>(shared, side, tenant_id, id.uuid()).await?;
    let Some(EscrowFact::Created { terms }) = created.map(|event| event.fact) else { return Ok(None) };
    let Some(booking_id) = terms.reference.booking_id else { return Ok(None) };
    let booking = load::<Booking>(shared, side, tenant_id, booking_id.uuid()).await?;
    let made_it = |booking: &Booking| booking.parties().is_some_and(|parties| parties.escrow_id(tenant_id) == id);
    // Who has no part in it learns nothing: the escrow itself will say that it does not exist.
    let visible = |booking: &Booking| !booking.hats(tenant_id, &caller.actor).is_empty();
    Ok(booking.filter(|booking| made_it(booking) && visible(booking)).map(|booking| (booking_id, booking)))
}

/// The booking that made this escrow, unless it is off. It may be cancelled meanwhile: then its own refusal says so.
pub(super) async fn live_booking(shared: &Shared, side: &Side, caller: &Caller, id: EscrowId) -> Result<Option<BookingId>, ApiError> {
    let booking = booking(shared, side, caller, id).await?;
    Ok(booking.filter(|(_, booking)| booking.status() != BookingStatus::Cancelled).map(|(booking_id, _)| booking_id))
}

/// MNY-18: work on a booking starts and is completed at the booking, which knows its code and its time.
pub(super) async fn refuse_booked_work(shared: &Shared, side: &Side, caller: &Caller, id: EscrowId) -> Result<(), ApiError> {
    let Some((booking_id, _)) = booking(shared, side, caller, id).await? else { return Ok(()) };
    let paths = json!({ "bookingId": booking_id, "paths": ["/v1/bookings/{bookingId}/start", "/v1/bookings/{bookingId}/complete"] });
    Err(ApiError::conflict("BOOKING_DECIDES", "work on a booking starts and is completed at the booking", paths))
}

/// A booking of ours gets its escrow when it is accepted, and no other (MNY-05).
pub(super) async fn refuse_own_booking(shared: &Shared, side: &Side, tenant_id: TenantId, reference: Reference) -> Result<(), ApiError> {
    let Some(booking_id) = reference.booking_id else { return Ok(()) };
    let booking = load::<Booking>(shared, side, tenant_id, booking_id.uuid()).await?;
    let made = booking.as_ref().filter(|booking| booking.is_agreed()).and_then(Booking::parties);
    if let Some(parties) = made {
        return Err(ApiError::by_rule(&EscrowError::Exists { escrow_id: parties.escrow_id(tenant_id) }));
    }
    match booking {
        Some(_) => Err(ApiError::conflict("BOOKING_MAKES_ITS_ESCROW", "a booking gets its escrow when it is accepted", json!({}))),
        None => Ok(()),
    }
}

/// ESC-10, MNY-03: the milestone's own part of its contract's one division. Amount and parties must be the contract's.
pub(super) async fn milestone_share(
    shared: &Shared,
    side: &Side,
    tenant_id: TenantId,
    reference: Reference,
    parties: [PartyId; 2],
    amount: Money,
) -> Result<Option<MilestoneShare>, ApiError> {
    let Some(milestone_id) = reference.milestone_id else { return Ok(None) };
    let contract = load::<Contract>(shared, side, tenant_id, reference.contract_id.uuid()).await?;
    let contract = contract.ok_or_else(|| ApiError::not_found("CONTRACT_NOT_FOUND", "contract"))?;
    let mismatch = |field: &str, problem: &str| {
        let details = json!({ "field": field, "problem": problem });
        ApiError::invalid("MILESTONE_MISMATCH", format!("{field} {problem}"), details)
    };
    let milestone = contract.milestone(milestone_id).ok_or_else(|| mismatch("milestoneId", "is not in this contract"))?;
    if milestone.amount != amount {
        return Err(mismatch("amount", &format!("must be {}", milestone.amount)));
    }
    let fits = |named: Option<PartyId>, party: PartyId| named.is_none_or(|named| named == party);
    if !fits(contract.payer_id(), parties[0]) {
        return Err(mismatch("payerId", "must be the payer of the contract"));
    }
    if !fits(contract.payee_id(), parties[1]) {
        return Err(mismatch("payeeId", "must be the payee of the contract"));
    }
    Ok(Some(milestone.share))
}
