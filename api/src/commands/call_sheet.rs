//! Call sheets: who is where when, for one booking (JOB-29, JOB-30).

use actix_web::web;
use holdfast_domain::booking::{Booking, BookingCommand};
use holdfast_domain::kernel::{BookingId, PartyId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Capability::CallsheetsManage;
use crate::call_sheet::CallSheetContent;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::booking_work::visible;
use crate::commands::{Side, execute, seal};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, NoContent, PathId, PersonalText};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post, with};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("PUT", "/v1/bookings/{bookingId}/callsheet", &[CallsheetsManage], || web::put().to(save_call_sheet)),
    RouteSpec::command("POST", "/v1/bookings/{bookingId}/callsheet/publish", &[CallsheetsManage], || web::post().to(publish_call_sheet)),
];

use holdfast_domain::kernel::Role::{Ops, Talent, Viewer};

const BOOKING: Foreign = Foreign::Path(ForeignId::Booking);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    with("PUT", "/v1/bookings/{bookingId}/callsheet", Talent, Ops, r#"{"content":{"title":"isolation"}}"#, BOOKING),
    post("/v1/bookings/{bookingId}/callsheet/publish", Viewer, Ops, "{}", BOOKING),
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SaveCallSheet {
    content: CallSheetContent,
}

/// Save the draft of a call sheet; a published one stays as it is until the next publication (JOB-29).
#[utoipa::path(put, path = "/v1/bookings/{bookingId}/callsheet", tag = "bookings", params(("bookingId" = Uuid, Path)),
    request_body = SaveCallSheet, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn save_call_sheet(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<SaveCallSheet>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    body.content.content.check()?;
    let text = serde_json::to_string(&body.content.content).map_err(|error| ApiError::internal(&error))?;
    visible(&shared, &side, &caller, id.0).await?;
    // It names several people: its key hangs on the booking.
    let content =
        seal(&shared, &side, &caller, PartyId(id.0.uuid()), Some(PersonalText::made(text))).await?.ok_or_else(ApiError::internal_silent)?;
    let command = BookingCommand::SaveCallSheet { content };
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Show the saved call sheet to the talent, under a new version (JOB-30). Fails with `CALL_SHEET_UNCHANGED`.
#[utoipa::path(post, path = "/v1/bookings/{bookingId}/callsheet/publish", tag = "bookings", params(("bookingId" = Uuid, Path)),
    request_body = NoContent, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn publish_call_sheet(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), BookingCommand::PublishCallSheet, body.fingerprint).await.map(Answered::ok)
}
