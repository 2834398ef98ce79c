//! Questions about holds, bookings and call sheets (JOB-22, JOB-24, JOB-28, JOB-80).

use std::sync::Arc;

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use holdfast_domain::booking::{BookingAction, BookingStatus, DisputeMark, PayoutStatus};
use holdfast_domain::kernel::{BookingId, JobId, PartyId};
use holdfast_projections::booking::{self, BookingDetail, BookingFilter, BookingSummary, CallSheetView, HoldEntry, HoldFilter};
use holdfast_projections::query::{List, Read};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Capability;
use crate::auth::Capability::{BookingsManage, BookingsRead, BookingsReadOwn};
use crate::call_sheet::CallSheetContent;
use crate::error::ApiError;
use crate::otp::CodeKey;
use crate::queries::job::direction;
use crate::queries::{MinPosition, Shown, Side, ask, found, page};
use crate::request::{Caller, NoParameters, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/holds", &[BookingsRead], || web::get().to(list_holds)),
    RouteSpec::query("/v1/bookings", &[BookingsRead, BookingsReadOwn], || web::get().to(list_bookings)),
    RouteSpec::query("/v1/bookings/{bookingId}", &[BookingsRead, BookingsReadOwn], || web::get().to(booking_detail)),
    RouteSpec::query("/v1/bookings/{bookingId}/callsheet", &[BookingsRead, BookingsReadOwn], || web::get().to(call_sheet)),
    RouteSpec::query("/v1/bookings/{bookingId}/callsheet.pdf", &[BookingsRead, BookingsReadOwn], || web::get().to(call_sheet_document)),
];

use holdfast_domain::kernel::Role::{BillingAdmin, Talent, Viewer};

const BOOKING: Foreign = Foreign::Path(ForeignId::Booking);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/holds", Talent, Viewer, Foreign::Parameter("jobId")),
    get("/v1/bookings", BillingAdmin, Viewer, Foreign::Parameter("talentId")),
    get("/v1/bookings/{bookingId}", BillingAdmin, Viewer, BOOKING),
    get("/v1/bookings/{bookingId}/callsheet", BillingAdmin, Viewer, BOOKING),
    get("/v1/bookings/{bookingId}/callsheet.pdf", BillingAdmin, Viewer, BOOKING),
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HoldsWanted {
    #[param(value_type = Option<Uuid>)]
    job_id: Option<JobId>,
    #[param(value_type = Option<Uuid>)]
    talent_id: Option<PartyId>,
    /// Held time ends after.
    from: Option<DateTime<Utc>>,
    /// Held time begins before.
    to: Option<DateTime<Utc>>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Time that is held now, the newest hold first (JOB-80).
#[utoipa::path(get, path = "/v1/holds", tag = "bookings", params(HoldsWanted), responses((status = 200, body = List<HoldEntry>)))]
pub(crate) async fn list_holds(
    caller: Caller,
    wanted: QueryParameters<HoldsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<HoldEntry>>, ApiError> {
    let HoldsWanted { job_id, talent_id, from, to, cursor, limit } = wanted.0;
    let (tenant_id, page, filter) = (caller.tenant_id, page(limit, cursor)?, HoldFilter { job_id, talent_id, from, to });
    let question = |pool| async move { booking::holds(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[booking::PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BookingsWanted {
    #[param(value_type = Option<String>, example = "confirmed")]
    status: Option<BookingStatus>,
    #[param(value_type = Option<Uuid>)]
    job_id: Option<JobId>,
    #[param(value_type = Option<Uuid>)]
    talent_id: Option<PartyId>,
    #[param(value_type = Option<Uuid>)]
    payer_id: Option<PartyId>,
    /// Booked time ends after.
    from: Option<DateTime<Utc>>,
    /// Booked time begins before.
    to: Option<DateTime<Utc>>,
    #[param(value_type = Option<String>, example = "not_completed_yet")]
    payout_status: Option<PayoutStatus>,
    /// `none`, `open`, `resolved_refunded` or `resolved_rejected`.
    #[param(value_type = Option<String>)]
    dispute_status: Option<DisputeMark>,
    /// True: completed, undisputed, and the payout may go now.
    #[serde(default)]
    payout_due: bool,
    /// `created_at:desc`, the default, or `created_at:asc`.
    sort: Option<String>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Bookings, a page at a time (JOB-22). Talents and payers see their own.
#[utoipa::path(get, path = "/v1/bookings", tag = "bookings", params(BookingsWanted), responses((status = 200, body = List<BookingSummary>)))]
pub(crate) async fn list_bookings(
    caller: Caller,
    wanted: QueryParameters<BookingsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<BookingSummary>>, ApiError> {
    let wanted = wanted.0;
    let filter = BookingFilter {
        status: wanted.status,
        job_id: wanted.job_id,
        talent_id: wanted.talent_id,
        payer_id: wanted.payer_id,
        from: wanted.from,
        to: wanted.to,
        payout_status: wanted.payout_status,
        dispute_status: wanted.dispute_status,
        payout_due_at: wanted.payout_due.then(Utc::now),
        party: caller.restricted_to(BookingsRead),
        direction: direction(wanted.sort.as_deref())?,
    };
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { booking::list(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[booking::PROJECTION], question).await.map(Shown)
}

/// One booking, with what the caller may do now; the payer's side sees the completion code (JOB-24). Fails with `BOOKING_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/bookings/{bookingId}", tag = "bookings", params(("bookingId" = Uuid, Path)),
    responses((status = 200, body = BookingDetail)))]
pub(crate) async fn booking_detail(
    caller: Caller,
    id: PathId<BookingId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<BookingDetail>, ApiError> {
    let (tenant_id, party, actor, id) = (caller.tenant_id, caller.restricted_to(BookingsRead), caller.actor.clone(), id.0);
    let question = |pool| async move { booking::detail(&pool, tenant_id, id, party, &actor, Utc::now()).await };
    let mut read = ask(&shared, &side, &caller, minimum, &[booking::PROJECTION], question).await?;
    if let Some(detail) = &mut read.value {
        detail.allowed_actions.retain(|action| has_a_route_for(&caller, action));
        // Where the tenant pays, its code is for those who run its bookings.
        let may_see = detail.summary.payer_id == Some(caller.actor.id.uuid()) || caller.holds(BookingsManage);
        detail.completion_code.take_if(|_| !may_see);
        if let Some(code) = &mut detail.completion_code {
            code.code = CodeKey::of(&shared.request_hash_key).code(tenant_id, id, code.number);
        }
    }
    found(read, "BOOKING_NOT_FOUND", "booking")
}

/// The domain says what the caller's hat allows; the route's capability has to as well.
fn has_a_route_for(caller: &Caller, action: &str) -> bool {
    let action = serde_json::from_value::<BookingAction>(serde_json::Value::String(action.to_owned()));
    action.is_ok_and(|action| needed_for(action).iter().any(|capability| caller.holds(*capability)))
}

/// Any of the capabilities of the route that takes this action; none for what only the machinery does.
fn needed_for(action: BookingAction) -> &'static [Capability] {
    use BookingAction as A;
    use Capability::{BookingsPay, BookingsPerform, CallsheetsManage};
    match action {
        A::PlaceHold | A::ReleaseHold | A::Create | A::Confirm | A::Cancel | A::Reschedule => &[BookingsManage],
        A::Accept | A::Complete => &[BookingsPerform],
        A::Start => &[BookingsPerform, BookingsManage],
        A::IssueOtp => &[BookingsPay, BookingsManage],
        A::SaveCallSheet | A::PublishCallSheet => &[CallsheetsManage],
        A::OrderRedo | A::RecordDispute | A::RecordEscrowEnded | A::MeetDeadline => &[],
    }
}

/// The call sheet: staff see the newest, drafts too; everybody else what is published (JOB-28). Fails with `CALL_SHEET_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/bookings/{bookingId}/callsheet", tag = "bookings", params(("bookingId" = Uuid, Path)),
    responses((status = 200, body = CallSheetView)))]
pub(crate) async fn call_sheet(
    caller: Caller,
    id: PathId<BookingId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<CallSheetView>, ApiError> {
    sheet(&caller, id.0, minimum, &shared, &side).await.map(Shown)
}

/// The same as a document (JOB-66). Fails with `CALL_SHEET_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/bookings/{bookingId}/callsheet.pdf", tag = "bookings", params(("bookingId" = Uuid, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>)))]
pub(crate) async fn call_sheet_document(
    caller: Caller,
    id: PathId<BookingId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<HttpResponse, ApiError> {
    let Read { position, value: sheet } = sheet(&caller, id.0, minimum, &shared, &side).await?;
    let dated = sheet.published_at.unwrap_or_else(Utc::now);
    let (tenant, version) = (caller.tenant_id.to_string(), sheet.version);
    let in_flight = Arc::clone(&shared.in_flight);
    let pdf = async move {
        let content: CallSheetContent = serde_json::from_value(sheet.content).map_err(|error| ApiError::internal(&error))?;
        let document = content.document(tenant, sheet.booking_id.to_string(), sheet.version, dated);
        let made = in_flight.make_document(move || holdfast_typesetting::call_sheet_pdf(&document)).await?;
        made.map_err(|error| ApiError::internal(&error))
    };
    let pdf = shared.tasks.run(pdf).await?;
    let name = format!("attachment; filename=\"call-sheet-{}-{version}.pdf\"", id.0);
    let mut response = HttpResponse::Ok();
    response.insert_header(("X-Position", position.to_string())).insert_header((CONTENT_DISPOSITION, name));
    Ok(response.content_type("application/pdf").body(pdf))
}

async fn sheet(
    caller: &Caller,
    id: BookingId,
    minimum: MinPosition,
    shared: &Shared,
    side: &Side,
) -> Result<Read<CallSheetView>, ApiError> {
    let (tenant_id, party, actor) = (caller.tenant_id, caller.restricted_to(BookingsRead), caller.actor.clone());
    let question = |pool| async move { booking::call_sheet(&pool, tenant_id, id, party, &actor).await };
    let read = ask(shared, side, caller, minimum, &[booking::PROJECTION], question).await?;
    found(read, "CALL_SHEET_NOT_FOUND", "call sheet").map(|shown| shown.0)
}
