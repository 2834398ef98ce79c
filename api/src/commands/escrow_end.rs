//! The ends of an escrow before its work: cancel, refund, and the platform's no (ESC-18, ESC-22, ESC-26, MNY-14).
//!
//! Where the escrow is a booking's, the booking decides whether work has started: it is cancelled, in the caller's name, and
//! the money follows by reactions. When the booking is off already, what is left is a question of the money alone.

use holdfast_domain::booking::{Booking, BookingCommand};
use holdfast_domain::escrow::{Escrow, EscrowCommand, RefundReason};
use holdfast_domain::kernel::EscrowId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::escrow_reference::live_booking;
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, PathId, Text};
use crate::state::Shared;

/// ESC-22.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Refund {
    /// `cancellation` or `sla_breach`.
    #[schema(value_type = String, example = "cancellation")]
    reason: RefundReason,
}

/// ESC-26.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefundNamed {
    #[schema(value_type = Uuid)]
    escrow_id: EscrowId,
    #[schema(value_type = String, example = "cancellation")]
    reason: RefundReason,
}

/// Give the money back before work starts; platform only (ESC-36). Of a booking's escrow it cancels the booking, and answers for
/// it; the refund follows. Fails with `REFUND_AFTER_APPROVAL` or `WORK_STARTED`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/refund", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = Refund,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn refund_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<Refund>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    refund(caller, id.0, body.content.reason, body.fingerprint, &shared, &side).await
}

/// As `POST /v1/escrows/{escrowId}/refund` (ESC-26).
#[utoipa::path(post, path = "/escrow/refund", tag = "escrow, short paths", request_body = RefundNamed,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn refund_named_escrow(
    caller: Caller,
    body: CommandBody<RefundNamed>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let RefundNamed { escrow_id, reason } = body.content;
    refund(caller, escrow_id, reason, body.fingerprint, &shared, &side).await
}

async fn refund(
    caller: Caller,
    id: EscrowId,
    reason: RefundReason,
    fingerprint: Vec<u8>,
    shared: &Shared,
    side: &Side,
) -> Result<Answered, ApiError> {
    let why = match reason {
        RefundReason::Cancellation => "refunded: cancellation",
        RefundReason::SlaBreach => "refunded: work did not start in time",
    };
    end(caller, id, why.to_owned(), EscrowCommand::Refund { reason }, fingerprint, shared, side).await
}

/// By way of the booking while there is one that is not off.
async fn end(
    caller: Caller,
    id: EscrowId,
    reason: String,
    command: EscrowCommand,
    fingerprint: Vec<u8>,
    shared: &Shared,
    side: &Side,
) -> Result<Answered, ApiError> {
    if let Some(booking_id) = live_booking(shared, side, &caller, id).await? {
        let cancel = BookingCommand::Cancel { reason };
        return execute::<Booking>(shared, side, caller, booking_id.uuid(), cancel, fingerprint).await.map(Answered::ok);
    }
    execute::<Escrow>(shared, side, caller, id.uuid(), command, fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WithReason {
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// Say no to a requested refund; platform only (MNY-14).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/decline-refund", tag = "escrow", params(("escrowId" = Uuid, Path)),
    request_body = WithReason, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn decline_refund(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<WithReason>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = EscrowCommand::DeclineRefund { reason: body.content.reason.into_string() };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Cancel: at once while nothing is in (ESC-37); a refund request while work has not started (MNY-14). Of a booking's escrow it
/// cancels the booking, and answers for it. Fails with `WORK_STARTED`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/cancel", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = WithReason,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn cancel_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<WithReason>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let reason = body.content.reason.into_string();
    let command = EscrowCommand::Cancel { reason: reason.clone() };
    end(caller, id.0, reason, command, body.fingerprint, &shared, &side).await
}
