//! Commands by talent and payer: accept, start, complete, a new completion code (JOB-31..33).

use std::collections::BTreeMap;

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::booking::{Accept, Booking, BookingCommand, Evidence, Offer, OtpProof, Slot};
use holdfast_domain::job::Job;
use holdfast_domain::kernel::{AssetId, BookingId, JobId, PartyId};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::Capability::{BookingsManage, BookingsPay, BookingsPerform};
use crate::commands::agreement::{BookedTerms, agreement_for};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::booking::{not_found, template_of};
use crate::commands::facts::load;
use crate::commands::{Side, execute, seal};
use crate::error::ApiError;
use crate::otp::CodeKey;
use crate::request::{Caller, CommandBody, NoContent, PathId, PersonalText, Text};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::money("/v1/bookings/{bookingId}/accept", &[BookingsPerform], || web::post().to(accept_booking)),
    RouteSpec::command("POST", "/v1/bookings/{bookingId}/start", &[BookingsPerform, BookingsManage], || web::post().to(start_booking)),
    RouteSpec::money("/v1/bookings/{bookingId}/complete", &[BookingsPerform], || web::post().to(complete_booking)),
    RouteSpec::command("POST", "/v1/bookings/{bookingId}/otp", &[BookingsPay, BookingsManage], || web::post().to(issue_otp)),
];

use holdfast_domain::kernel::Role::{Ops, Payer, Talent, Viewer};

const BOOKING: Foreign = Foreign::Path(ForeignId::Booking);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/bookings/{bookingId}/accept", Ops, Talent, "{}", BOOKING),
    post("/v1/bookings/{bookingId}/start", Viewer, Talent, "{}", BOOKING),
    post("/v1/bookings/{bookingId}/complete", Ops, Talent, r#"{"otp":"00000000"}"#, BOOKING),
    post("/v1/bookings/{bookingId}/otp", Talent, Payer, "{}", BOOKING),
];

/// Agree to a booking, as its talent (JOB-31). The contract is made and sent, the escrow created. Fails with `INVALID_BOOKING_TRANSITION`,
/// `ANSWER_OVERDUE`, `OFFER_CHANGED` or `TEMPLATE_NOT_PUBLISHED`.
#[utoipa::path(post, path = "/v1/bookings/{bookingId}/accept", tag = "bookings", params(("bookingId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn accept_booking(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let booking = visible(&shared, &side, &caller, id.0).await?;
    let (Some(parties), Some(offer), Some(slot)) = (booking.parties(), booking.offer(), booking.slot()) else { return Err(not_found()) };
    let title = title_of(&shared, &side, &caller, parties.job_id).await?;
    let payer_id = parties.payer_id.unwrap_or(PartyId(caller.tenant_id.uuid()));
    let booked = BookedTerms {
        contract_id: parties.contract_id(caller.tenant_id),
        template_id: template_of(&offer.terms)?,
        variables: variables(offer, slot, &title, payer_id, parties.talent_id),
        title,
    };
    let agreement = agreement_for(&shared, &side, &caller, booked).await?;
    let command = BookingCommand::Accept(Box::new(Accept { agreement, slot }));
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

async fn title_of(shared: &Shared, side: &Side, caller: &Caller, job_id: JobId) -> Result<String, ApiError> {
    let job = load::<Job>(shared, side, caller.tenant_id, job_id.uuid()).await?;
    Ok(job.and_then(|job| job.about().map(|about| about.content.title.clone())).unwrap_or_else(|| "Booking".to_owned()))
}

/// What a contract's text may ask for: the plain values of the terms, and what the booking itself knows.
fn variables(offer: &Offer, slot: Slot, title: &str, payer_id: PartyId, talent_id: PartyId) -> BTreeMap<String, String> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let terms = offer.terms.as_object().into_iter().flatten();
    let mut variables: BTreeMap<_, _> = terms.filter_map(|(name, value)| Some((name.clone(), plain(value)?))).collect();
    let price = offer.pricing.total;
    let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
    let own = [
        ("payer", payer_id.to_string()),
        ("talent", talent_id.to_string()),
        ("title", title.to_owned()),
        ("from", time(slot.from)),
        ("to", time(slot.to)),
        ("price", price.amount().to_string()),
        ("currency", price.currency().code().to_owned()),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// Begin the work; the payer gets a new completion code, the escrow's clock for the delivery runs (JOB-32). Fails with
/// `ESCROW_NOT_FUNDED`, `DISPUTE_OPEN` or `INVALID_BOOKING_TRANSITION`.
#[utoipa::path(post, path = "/v1/bookings/{bookingId}/start", tag = "bookings", params(("bookingId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn start_booking(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), BookingCommand::Start, body.fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CompleteBooking {
    /// What the payer says when the work is done.
    #[schema(value_type = String, example = "7H2KQ9TM")]
    otp: Text,
    /// Media that show the work (JOB-65).
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>)]
    asset_ids: Vec<AssetId>,
    note: Option<PersonalText>,
    /// Where it was done, as the device says it.
    #[schema(value_type = Option<String>, example = "48.2082,16.3738")]
    gps: Option<PersonalText>,
}

const MAX_ASSETS: usize = 50;

/// The work is done, and the payer's code proves it (JOB-33, JOB-60). It becomes the escrow's delivery. Fails with `OTP_INVALID`,
/// `OTP_EXPIRED`, `ESCROW_NOT_FUNDED`, `DISPUTE_OPEN` or `INVALID_BOOKING_TRANSITION`.
#[utoipa::path(post, path = "/v1/bookings/{bookingId}/complete", tag = "bookings", params(("bookingId" = Uuid, Path)),
    request_body = CompleteBooking, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn complete_booking(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<CompleteBooking>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let CompleteBooking { otp, asset_ids, note, gps } = body.content;
    if asset_ids.len() > MAX_ASSETS {
        return Err(ApiError::validation("assetIds", format!("at most {MAX_ASSETS}")));
    }
    let booking = visible(&shared, &side, &caller, id.0).await?;
    let newest = booking.otp().map_or(0, |otp| otp.number);
    let number = CodeKey::of(&shared.request_hash_key).number_of(caller.tenant_id, id.0, newest, &otp.into_string());
    let note = seal(&shared, &side, &caller, caller.actor.id, note).await?;
    let gps = seal(&shared, &side, &caller, caller.actor.id, gps).await?;
    let evidence = Box::new(Evidence { asset_ids, note, gps });
    let command = BookingCommand::Complete { proof: number.map(|number| OtpProof { number }), evidence };
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// A new completion code; the one before stops counting. The payer reads it in the booking. Fails with `INVALID_BOOKING_TRANSITION` or
/// `TOO_MANY_CODES`.
#[utoipa::path(post, path = "/v1/bookings/{bookingId}/otp", tag = "bookings", params(("bookingId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn issue_otp(
    caller: Caller,
    id: PathId<BookingId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Booking>(&shared, &side, caller, id.0.uuid(), BookingCommand::IssueOtp, body.fingerprint).await.map(Answered::ok)
}

/// The booking as it stands in the log, for somebody who has a part in it.
pub(super) async fn visible(shared: &Shared, side: &Side, caller: &Caller, id: BookingId) -> Result<Booking, ApiError> {
    let booking = load::<Booking>(shared, side, caller.tenant_id, id.uuid()).await?;
    booking.filter(|booking| !booking.is_hold() && !booking.hats(caller.tenant_id, &caller.actor).is_empty()).ok_or_else(not_found)
}

#[cfg(test)]
mod tests {
    use holdfast_domain::contract::{standard_variables, values_for};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_booking_knows_all_that_the_standard_text_asks_for() {
        // CTR-46
        let offer: Offer = serde_json::from_value(json!({
            "location": null, "terms": { "usage": "1 year", "price": "not this", "deep": {} }, "answerDueAt": "2026-06-10T09:00:00Z", "createdAt": "2026-06-01T09:00:00Z",
            "pricing": {
                "total": { "amount": "1000.00", "currency": "EUR" },
                "split": { "payeeBp": 9000, "tenantBp": 800, "platformBp": 200 },
                "tax": { "feeTaxBp": 0, "tenantRegistered": false, "withholdingBp": 0 },
                "entitlements": { "payee": 90_000, "tenant": 8_000, "platform": 2_000, "tax": 0, "withholding": 0 },
            },
            "rules": { "otpHours": "336", "payoutDelayHours": "48" },
        }))
        .unwrap();
        let slot = Slot { from: offer.answer_due_at, to: offer.answer_due_at };
        let party = PartyId(uuid::Uuid::nil());
        let variables = variables(&offer, slot, "Show", party, party);
        assert_eq!((variables["usage"].as_str(), variables["price"].as_str()), ("1 year", "1000.00"));
        assert_eq!(variables["from"], "2026-06-10 09:00 UTC");
        let asked: BTreeMap<_, _> =
            variables.into_iter().filter(|(name, _)| standard_variables().iter().any(|v| v.name == *name)).collect();
        values_for(&standard_variables(), &asked).unwrap();
    }
}
