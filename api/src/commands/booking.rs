//! Commands on holds and bookings, by those who plan (JOB-20, JOB-21, JOB-23, JOB-25..27). The work itself: `booking_work`.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::booking::{Booking, BookingCommand, BookingStatus, CreateBooking, Slot};
use holdfast_domain::kernel::{BookingId, HoldId, JobId, Money, PartyId, Personal, TemplateId};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::auth::Capability::BookingsManage;
use crate::commands::agreement::Source;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::facts::first_event;
use crate::commands::job::must_exist;
use crate::commands::{Side, execute, new_id, seal};
use crate::error::ApiError;
use crate::request::{AmountText, Caller, CommandBody, CurrencyCode, NoContent, PathId, PathIds, PersonalText, Text, amount_not_negative};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post, with};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/jobs/{jobId}/holds", &[BookingsManage], || web::post().to(place_hold)),
    RouteSpec::command("DELETE", "/v1/jobs/{jobId}/holds/{holdId}", &[BookingsManage], || web::delete().to(release_hold)),
    RouteSpec::money("/v1/jobs/{jobId}/bookings", &[BookingsManage], || web::post().to(create_booking)),
    RouteSpec::command("PATCH", "/v1/bookings/{bookingId}", &[BookingsManage], || web::patch().to(change_booking)),
    RouteSpec::command("POST", "/v1/bookings/{bookingId}/confirm", &[BookingsManage], || web::post().to(confirm_booking)),
    RouteSpec::money("/v1/bookings/{bookingId}/cancel", &[BookingsManage], || web::post().to(cancel_booking)),
];

use holdfast_domain::kernel::Role::{Casting, Ops, Payer, Talent, Viewer};

const JOB: Foreign = Foreign::Path(ForeignId::Job);
const BOOKING: Foreign = Foreign::Path(ForeignId::Booking);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/jobs/{jobId}/holds", Talent, Casting, NEW_HOLD, JOB),
    with("DELETE", "/v1/jobs/{jobId}/holds/{holdId}", Talent, Casting, "", JOB),
    post("/v1/jobs/{jobId}/bookings", Payer, Casting, NEW_BOOKING, JOB),
    with("PATCH", "/v1/bookings/{bookingId}", Talent, Ops, r#"{"location":"isolation"}"#, BOOKING),
    post("/v1/bookings/{bookingId}/confirm", Talent, Ops, "{}", BOOKING),
    post("/v1/bookings/{bookingId}/cancel", Viewer, Ops, r#"{"reason":"isolation"}"#, BOOKING),
];

const NEW_HOLD: &str =
    r#"{"talentId":"00000000-0000-4000-8000-000000000003","fromTs":"2040-01-01T09:00:00Z","toTs":"2040-01-01T10:00:00Z"}"#;
const NEW_BOOKING: &str = r#"{"talentId":"00000000-0000-4000-8000-000000000003","schedule":{"from":"2040-01-01T09:00:00Z","to":"2040-01-01T10:00:00Z"},"price":"10","currency":"EUR"}"#;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewHold {
    #[schema(value_type = Uuid)]
    talent_id: PartyId,
    /// A full quarter of an hour, as `toTs`.
    from_ts: DateTime<Utc>,
    to_ts: DateTime<Utc>,
    /// None: as the tenant's settings say.
    expires_at: Option<DateTime<Utc>>,
}

/// Keep a talent's time for a job (JOB-20). Fails with `AVAILABILITY_CONFLICT {talentId, date}`, `SCHEDULE_INVALID` or `HOLD_EXPIRY_INVALID`.
#[utoipa::path(post, path = "/v1/jobs/{jobId}/holds", tag = "bookings", params(("jobId" = Uuid, Path)), request_body = NewHold,
    responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn place_hold(
    caller: Caller,
    id: PathId<JobId>,
    body: CommandBody<NewHold>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    must_exist(&shared, &side, &caller, id.0).await?;
    let NewHold { talent_id, from_ts, to_ts, expires_at } = body.content;
    let booking_id = BookingId(new_id(&caller, "booking.hold"));
    let slot = Slot { from: from_ts, to: to_ts };
    let command = BookingCommand::PlaceHold { booking_id, job_id: id.0, talent_id, slot, expires_at };
    execute::<Booking>(&shared, &side, caller, booking_id.uuid(), command, body.fingerprint).await.map(Answered::created)
}

/// Let go of held time (JOB-21). Fails with `HOLD_NOT_FOUND` or `INVALID_BOOKING_TRANSITION`.
#[utoipa::path(delete, path = "/v1/jobs/{jobId}/holds/{holdId}", tag = "bookings", params(("jobId" = Uuid, Path), ("holdId" = Uuid, Path)),
    responses((status = 204)))]
pub(crate) async fn release_hold(
    caller: Caller,
    ids: PathIds<JobId, HoldId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let PathIds(job_id, hold_id) = ids;
    let placed = first_event::<Booking>(&shared, &side, caller.tenant_id, hold_id.uuid()).await?;
    if placed.is_none_or(|placed| placed.parties.job_id != job_id) {
        return Err(ApiError::not_found("HOLD_NOT_FOUND", "hold"));
    }
    let accepted = execute::<Booking>(&shared, &side, caller, hold_id.uuid(), BookingCommand::ReleaseHold, body.fingerprint).await?;
    Ok(Answered::ok(accepted).no_content())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewBooking {
    #[schema(value_type = Uuid)]
    talent_id: PartyId,
    /// None: the tenant itself.
    #[schema(value_type = Option<Uuid>)]
    payer_id: Option<PartyId>,
    schedule: Schedule,
    location: Option<PersonalText>,
    /// What was agreed beside price and time, as your frontend keeps it; `templateId` names the contract's template. It names no
    /// persons; decimals are strings.
    #[schema(value_type = Option<Object>)]
    terms: Option<Value>,
    #[schema(value_type = String, example = "1000.00")]
    price: AmountText,
    currency: CurrencyCode,
    /// `escrow`, the default.
    #[schema(value_type = Option<String>)]
    payment_mode: Option<PaymentMode>,
    /// Turns this hold into the booking; it must be for the same job, talent and time.
    #[schema(value_type = Option<Uuid>)]
    hold_id: Option<HoldId>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Schedule {
    /// A full quarter of an hour, as `to`; at most 31 days.
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl From<Schedule> for Slot {
    fn from(schedule: Schedule) -> Self {
        Self { from: schedule.from, to: schedule.to }
    }
}

/// CNF-55.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentMode {
    Escrow,
    Direct,
}

/// Offer a booking to a talent, with or without a hold (JOB-23). Fails with `AVAILABILITY_CONFLICT {talentId, date}`, `HOLD_EXPIRED`,
/// `HOLD_DIFFERS {field}`, `SCHEDULE_INVALID`, `SPLIT_BELOW_TAX` or `PAYMENT_MODE_NOT_AVAILABLE`.
#[utoipa::path(post, path = "/v1/jobs/{jobId}/bookings", tag = "bookings", params(("jobId" = Uuid, Path)), request_body = NewBooking,
    responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn create_booking(
    caller: Caller,
    id: PathId<JobId>,
    body: CommandBody<NewBooking>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let new = body.content;
    if new.payment_mode == Some(PaymentMode::Direct) {
        let details = json!({ "field": "paymentMode" });
        return Err(ApiError::invalid("PAYMENT_MODE_NOT_AVAILABLE", "bookings are paid through an escrow", details));
    }
    let price: Money = amount_not_negative("price", &new.price, &new.currency)?;
    must_exist(&shared, &side, &caller, id.0).await?;
    let terms = new.terms.unwrap_or_else(|| json!({}));
    if let Some(template_id) = template_of(&terms)? {
        Source::load(&shared, &side, &caller, Some(template_id)).await?;
    }
    let booking_id = match new.hold_id {
        Some(hold_id) => held(&shared, &side, &caller, hold_id).await?,
        None => BookingId(new_id(&caller, "booking.create")),
    };
    let create = CreateBooking {
        booking_id,
        job_id: id.0,
        talent_id: new.talent_id,
        payer_id: new.payer_id.unwrap_or(PartyId(caller.tenant_id.uuid())),
        slot: new.schedule.into(),
        location: sealed_location(&shared, &side, &caller, new.talent_id, new.location).await?,
        terms,
        price,
    };
    let command = BookingCommand::Create(Box::new(create));
    execute::<Booking>(&shared, &side, caller, booking_id.uuid(), command, body.fingerprint).await.map(Answered::created)
}

/// The template that the terms name; none: the standard text.
pub(super) fn template_of(terms: &Value) -> Result<Option<TemplateId>, ApiError> {
    let wrong = || ApiError::validation("terms.templateId", "is not a UUID");
    match terms.get("templateId") {
        None | Some(Value::Null) => Ok(None),
        Some(id) => id.as_str().and_then(|id| id.parse().ok()).map(Some).ok_or_else(wrong),
    }
}

/// A hold's stream becomes the booking's. Whether it still is a hold is the domain's to say.
async fn held(shared: &Shared, side: &Side, caller: &Caller, hold_id: HoldId) -> Result<BookingId, ApiError> {
    let placed = first_event::<Booking>(shared, side, caller.tenant_id, hold_id.uuid()).await?;
    placed.map(|_| BookingId(hold_id.uuid())).ok_or_else(|| ApiError::not_found("HOLD_NOT_FOUND", "hold"))
}

/// Where a person will be is that person's.
async fn sealed_location(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    talent_id: PartyId,
    location: Option<PersonalText>,
) -> Result<Option<Personal<String>>, ApiError> {
    seal(shared, side, caller, talent_id, location).await
}

/// `status` stands alone: `confirmed` or `cancelled` (with a reason) run the same commands as their own routes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BookingUpdate {
    schedule: Option<Schedule>,
    location: Option<PersonalText>,
    #[schema(value_type = Option<String>, example = "confirmed")]
    status: Option<BookingStatus>,
    /// With `cancelled`.
    reason: Option<Text>,
}

/// Move a booking, or change where it takes place, until the work begins (JOB-25, JOB-69). Fails with `AVAILABILITY_CONFLICT`,
/// `SCHEDULE_INVALID` or `INVALID_BOOKING_TRANSITION`.
#[utoipa::path(patch, path = "/v1/bookings/{bookingId}", tag = "bookings", params(("bookingId" = Uuid, Path)), request_body = BookingUpdate,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn change_booking(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<BookingUpdate>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let BookingUpdate { schedule, location, status, reason } = body.content;
    let command = match (status, reason, schedule.is_some() || location.is_some()) {
        (Some(_), _, true) => return Err(ApiError::validation("status", "stands alone")),
        (None, Some(_), _) => return Err(ApiError::validation("reason", "belongs to a cancellation")),
        (Some(status), reason, false) => by_status(status, reason)?,
        (None, None, _) => {
            let created = first_event::<Booking>(&shared, &side, caller.tenant_id, id.0.uuid()).await?;
            let created = created.ok_or_else(not_found)?;
            let location = sealed_location(&shared, &side, &caller, created.parties.talent_id, location).await?;
            BookingCommand::Reschedule { slot: schedule.map(Slot::from), location }
        }
    };
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// The status goes through the machine and is never set (JOB-25).
fn by_status(status: BookingStatus, reason: Option<Text>) -> Result<BookingCommand, ApiError> {
    match (status, reason) {
        (BookingStatus::Confirmed, None) => Ok(BookingCommand::Confirm),
        (BookingStatus::Cancelled, Some(reason)) => Ok(BookingCommand::Cancel { reason: reason.into_string() }),
        (BookingStatus::Cancelled, None) => Err(ApiError::validation("reason", "is needed to cancel")),
        (_, Some(_)) => Err(ApiError::validation("reason", "belongs to a cancellation")),
        (_, None) => Err(ApiError::validation("status", "can be confirmed or cancelled here; other steps have routes of their own")),
    }
}

/// Confirm by hand (JOB-26): after the talent's answer the money is still awaited; instead of it there is no escrow. Fails with
/// `INVALID_BOOKING_TRANSITION`.
#[utoipa::path(post, path = "/v1/bookings/{bookingId}/confirm", tag = "bookings", params(("bookingId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn confirm_booking(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), BookingCommand::Confirm, body.fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CancelBooking {
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// Call a booking off before the work begins; its escrow is cancelled or refunded (JOB-27). Fails with `INVALID_BOOKING_TRANSITION`.
#[utoipa::path(post, path = "/v1/bookings/{bookingId}/cancel", tag = "bookings", params(("bookingId" = Uuid, Path)),
    request_body = CancelBooking, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn cancel_booking(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<CancelBooking>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = BookingCommand::Cancel { reason: body.content.reason.into_string() };
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

pub(super) fn not_found() -> ApiError {
    ApiError::not_found("BOOKING_NOT_FOUND", "booking")
}
