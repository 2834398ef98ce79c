//! Disputes: raising one (ESC-17, ESC-27, DSP-10), and what becomes of it (DSP-13..17, MNY-26, MNY-34).
//!
//! The escrow freezes the money first, so raising, widening, conceding and withdrawing are its commands; the rest is the case's.

use actix_web::web;
use holdfast_domain::asset::{Asset, OwnerType};
use holdfast_domain::booking::Booking;
use holdfast_domain::dispute::{CaseDecision, Dispute, DisputeCommand};
use holdfast_domain::escrow::{DisputeKind, Escrow, EscrowCommand, Hat};
use holdfast_domain::kernel::{AssetId, BookingId, DisputeId, EscrowId, Money, PartyId, Role};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::{DisputesAssign, DisputesDecide, DisputesEvidence, DisputesRaise};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::dispute_id::raised_dispute;
use crate::commands::facts::{first_event, load};
use crate::commands::{Side, execute, seal};
use crate::error::ApiError;
use crate::request::{AmountText, Caller, CommandBody, CurrencyCode, NoContent, PathId, PersonalText};
use crate::request::{amount_not_negative, optional_amount, positive_amount};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::money("/v1/escrows/{escrowId}/dispute", &[DisputesRaise], || web::post().to(dispute_escrow)),
    RouteSpec::money("/escrow/dispute", &[DisputesRaise], || web::post().to(dispute_named_escrow)),
    RouteSpec::money("/v1/disputes", &[DisputesRaise], || web::post().to(raise_dispute)),
    RouteSpec::money("/v1/disputes/{disputeId}/widen", &[DisputesRaise], || web::post().to(widen_dispute)),
    RouteSpec::money("/v1/disputes/{disputeId}/concede", &[DisputesRaise], || web::post().to(concede_dispute)),
    RouteSpec::money("/v1/disputes/{disputeId}/evidence", &[DisputesEvidence], || web::post().to(add_evidence)),
    RouteSpec::money("/v1/disputes/{disputeId}/assign", &[DisputesAssign], || web::post().to(assign_dispute)),
    RouteSpec::money("/v1/disputes/{disputeId}/request-decision", &[DisputesAssign, DisputesDecide], || web::post().to(request_decision)),
    RouteSpec::money("/v1/disputes/{disputeId}/decision", &[DisputesDecide], || web::post().to(decide_dispute)),
    RouteSpec::money("/v1/disputes/{disputeId}/close", &[DisputesRaise, DisputesDecide], || web::post().to(close_dispute)),
    RouteSpec::money("/v1/disputes/{disputeId}/escalate", &[DisputesRaise, DisputesDecide], || web::post().to(escalate_dispute)),
];

const REASON: &str = r#"{"reason":"isolation"}"#;
const AMOUNT: &str = r#"{"amount":"1","currency":"EUR"}"#;
const NOBODY: &str = r#"{"assigneeId":"00000000-0000-4000-8000-000000000001"}"#;
const NO_FILE: &str = r#"{"assetId":"00000000-0000-4000-8000-000000000001"}"#;
const DISPUTE: Foreign = Foreign::Path(ForeignId::Dispute);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/escrows/{escrowId}/dispute", Role::PlatformAdmin, Role::Payer, REASON, Foreign::Path(ForeignId::Escrow)),
    post("/escrow/dispute", Role::PlatformAdmin, Role::Payer, r#"{"escrowId":"{escrow}","reason":"isolation"}"#, Foreign::Body),
    post("/v1/disputes", Role::PlatformAdmin, Role::Payer, r#"{"refType":"escrow","refId":"{escrow}","reason":"isolation"}"#, Foreign::Body),
    post("/v1/disputes/{disputeId}/widen", Role::PlatformAdmin, Role::Payer, AMOUNT, DISPUTE),
    post("/v1/disputes/{disputeId}/concede", Role::PlatformAdmin, Role::Talent, AMOUNT, DISPUTE),
    post("/v1/disputes/{disputeId}/evidence", Role::Viewer, Role::Payer, NO_FILE, DISPUTE),
    post("/v1/disputes/{disputeId}/assign", Role::Payer, Role::Ops, NOBODY, DISPUTE),
    post("/v1/disputes/{disputeId}/request-decision", Role::Payer, Role::Ops, "{}", DISPUTE),
    post("/v1/disputes/{disputeId}/decision", Role::Finance, Role::Ops, r#"{"decision":"refund"}"#, DISPUTE),
    post("/v1/disputes/{disputeId}/close", Role::Finance, Role::Ops, "{}", DISPUTE),
    post("/v1/disputes/{disputeId}/escalate", Role::Finance, Role::Ops, "{}", DISPUTE),
];

/// The kinds that a party can raise; the others are the system's.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RaisedKind {
    DeliveryRejected,
    UnfairRejection,
    #[default]
    Other,
}

impl From<RaisedKind> for DisputeKind {
    fn from(kind: RaisedKind) -> Self {
        match kind {
            RaisedKind::DeliveryRejected => Self::DeliveryRejected,
            RaisedKind::UnfairRejection => Self::UnfairRejection,
            RaisedKind::Other => Self::Other,
        }
    }
}

/// What every way to a dispute says.
struct Raise {
    reason: PersonalText,
    kind: RaisedKind,
    amount: Option<AmountText>,
    currency: Option<CurrencyCode>,
}

/// ESC-17.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DisputeEscrow {
    reason: PersonalText,
    #[serde(default)]
    dispute_type: RaisedKind,
    /// With its currency; none: all that is open.
    amount: Option<AmountText>,
    currency: Option<CurrencyCode>,
}

/// ESC-27.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DisputeNamed {
    #[schema(value_type = Uuid)]
    escrow_id: EscrowId,
    reason: PersonalText,
    #[serde(default)]
    dispute_type: RaisedKind,
    amount: Option<AmountText>,
    currency: Option<CurrencyCode>,
}

/// DSP-10.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewDispute {
    ref_type: RefType,
    /// Of the escrow or booking.
    ref_id: Uuid,
    reason: PersonalText,
    #[serde(default)]
    dispute_type: RaisedKind,
    /// With its currency; none: all that is open.
    amount: Option<AmountText>,
    currency: Option<CurrencyCode>,
}

/// What can be disputed. Every reference is led to who holds the money (MNY-26); payments and payouts hold none yet.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefType {
    Escrow,
    Booking,
    Payment,
    Payout,
}

/// Contest the open money or a part of it; it is frozen until the case is decided (ESC-43, MNY-25). `disputeId` is the case's.
/// Fails with `DISPUTE_WINDOW_CLOSED`, `DISPUTE_ALREADY_OPEN` or `PARTIAL_DISPUTE_NOT_ALLOWED`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/dispute", tag = "dispute", params(("escrowId" = Uuid, Path)),
    request_body = DisputeEscrow, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn dispute_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<DisputeEscrow>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let DisputeEscrow { reason, dispute_type: kind, amount, currency } = body.content;
    raise(caller, id.0, Raise { reason, kind, amount, currency }, body.fingerprint, &shared, &side).await
}

/// As `POST /v1/escrows/{escrowId}/dispute` (ESC-27).
#[utoipa::path(post, path = "/escrow/dispute", tag = "escrow, short paths", request_body = DisputeNamed,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn dispute_named_escrow(
    caller: Caller,
    body: CommandBody<DisputeNamed>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let DisputeNamed { escrow_id, reason, dispute_type: kind, amount, currency } = body.content;
    raise(caller, escrow_id, Raise { reason, kind, amount, currency }, body.fingerprint, &shared, &side).await
}

/// Dispute the money behind an escrow or a booking (DSP-10). As `POST /v1/escrows/{escrowId}/dispute`; besides it fails with
/// `NOTHING_TO_DISPUTE` for a booking without money, and with `REF_TYPE_NOT_AVAILABLE` for payments and payouts.
#[utoipa::path(post, path = "/v1/disputes", tag = "dispute", request_body = NewDispute, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn raise_dispute(caller: Caller, body: CommandBody<NewDispute>, shared: Shared, side: Side) -> Result<Answered, ApiError> {
    let NewDispute { ref_type, ref_id, reason, dispute_type: kind, amount, currency } = body.content;
    let escrow_id = match ref_type {
        RefType::Escrow => EscrowId(ref_id),
        RefType::Booking => escrow_of(BookingId(ref_id), &caller, &shared, &side).await?,
        RefType::Payment | RefType::Payout => {
            let details = json!({ "field": "refType" });
            return Err(ApiError::invalid("REF_TYPE_NOT_AVAILABLE", "refType: only escrows and bookings hold money", details));
        }
    };
    raise(caller, escrow_id, Raise { reason, kind, amount, currency }, body.fingerprint, &shared, &side).await
}

/// The holder of a booking's money (MNY-26).
async fn escrow_of(id: BookingId, caller: &Caller, shared: &Shared, side: &Side) -> Result<EscrowId, ApiError> {
    let tenant_id = caller.tenant_id;
    let booking = load::<Booking>(shared, side, tenant_id, id.uuid()).await?;
    let booking = booking.filter(|booking| !booking.hats(tenant_id, &caller.actor).is_empty());
    let booking = booking.ok_or_else(|| ApiError::not_found("BOOKING_NOT_FOUND", "booking"))?;
    let nothing = || ApiError::conflict("NOTHING_TO_DISPUTE", "this booking has no escrow", json!({ "bookingId": id }));
    let escrow_id = booking.parties().map(|parties| parties.escrow_id(tenant_id)).ok_or_else(nothing)?;
    first_event::<Escrow>(shared, side, tenant_id, escrow_id.uuid()).await?.ok_or_else(nothing)?;
    Ok(escrow_id)
}

async fn raise(
    caller: Caller,
    id: EscrowId,
    raise: Raise,
    fingerprint: Vec<u8>,
    shared: &Shared,
    side: &Side,
) -> Result<Answered, ApiError> {
    let amount = optional_amount(raise.amount.as_ref(), raise.currency.as_ref())?;
    let sealed = seal(shared, side, &caller, caller.actor.id, Some(raise.reason)).await?;
    let reason = sealed.ok_or_else(ApiError::internal_silent)?;
    let tenant_id = caller.tenant_id;
    let command = EscrowCommand::Dispute { amount, kind: raise.kind.into(), reason };
    let accepted = execute::<Escrow>(shared, side, caller, id.uuid(), command, fingerprint).await?;
    let dispute_id = raised_dispute(shared, side, tenant_id, &accepted).await;
    Ok(Answered::ok(accepted).with_dispute(dispute_id))
}

/// The case, for those who have a part in it.
async fn case(id: DisputeId, caller: &Caller, shared: &Shared, side: &Side) -> Result<Dispute, ApiError> {
    let dispute = load::<Dispute>(shared, side, caller.tenant_id, id.uuid()).await?;
    let visible = dispute.filter(|dispute| !dispute.hats(&caller.actor, caller.tenant_id).is_empty());
    visible.ok_or_else(|| ApiError::not_found("DISPUTE_NOT_FOUND", "dispute"))
}

/// A command of the escrow about this case; the answer is the escrow's.
async fn at_escrow(
    caller: Caller,
    id: DisputeId,
    command: EscrowCommand,
    fingerprint: Vec<u8>,
    shared: &Shared,
    side: &Side,
) -> Result<Answered, ApiError> {
    let escrow_id = case(id, &caller, shared, side).await?.escrow_id().ok_or_else(ApiError::internal_silent)?;
    let accepted = execute::<Escrow>(shared, side, caller, escrow_id.uuid(), command, fingerprint).await?;
    Ok(Answered::ok(accepted).with_dispute(Some(id)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AmountOnly {
    amount: AmountText,
    currency: CurrencyCode,
}

/// Add more of the open money to the case (MNY-26). The answer is the escrow's. Fails with `AMOUNT_EXCEEDS_ESCROW` or
/// `INVALID_ESCROW_TRANSITION`.
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/widen", tag = "dispute", params(("disputeId" = Uuid, Path)),
    request_body = AmountOnly, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn widen_dispute(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<AmountOnly>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let amount = positive_amount(&body.content.amount, &body.content.currency)?;
    let command = EscrowCommand::WidenDispute { dispute_id: Some(id.0), amount };
    at_escrow(caller, id.0, command, body.fingerprint, &shared, &side).await
}

/// Give in, as the payee: `amount` of the contested money goes back to the payer. All of it ends the case, less leaves the rest
/// in dispute (MNY-34). The answer is the escrow's.
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/concede", tag = "dispute", params(("disputeId" = Uuid, Path)),
    request_body = AmountOnly, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn concede_dispute(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<AmountOnly>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let refund = positive_amount(&body.content.amount, &body.content.currency)?;
    let command = EscrowCommand::Concede { dispute_id: Some(id.0), refund };
    at_escrow(caller, id.0, command, body.fingerprint, &shared, &side).await
}

/// DSP-13: a confirmed asset whose owner is this dispute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewEvidence {
    #[schema(value_type = Uuid)]
    asset_id: AssetId,
    note: Option<PersonalText>,
}

/// Add a file as evidence (DSP-13): upload it as an asset of this dispute (owner type `dispute_evidence`), confirm it, and name
/// it here. It stays for good. Fails with `EVIDENCE_CLOSED`, `EVIDENCE_EXISTS`, `ASSET_NOT_FOUND` or `ASSET_NOT_READY`.
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/evidence", tag = "dispute", params(("disputeId" = Uuid, Path)),
    request_body = NewEvidence, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn add_evidence(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<NewEvidence>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    case(id.0, &caller, &shared, &side).await?;
    let NewEvidence { asset_id, note } = body.content;
    let (sha256, mime, size) = confirmed(asset_id, id.0, &caller, &shared, &side).await?;
    let note = seal(&shared, &side, &caller, caller.actor.id, note).await?;
    let command = DisputeCommand::AddEvidence { asset_id, sha256, mime, size, note };
    execute::<Dispute>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Hash, type and size of a confirmed file of this dispute: it does not change any more (DSP-38).
async fn confirmed(
    asset_id: AssetId,
    dispute_id: DisputeId,
    caller: &Caller,
    shared: &Shared,
    side: &Side,
) -> Result<(String, String, u64), ApiError> {
    let details = || json!({ "field": "assetId" });
    let asset = load::<Asset>(shared, side, caller.tenant_id, asset_id.uuid()).await?;
    let is_evidence = |asset: &Asset| {
        asset.owner().is_some_and(|owner| owner.owner_type == OwnerType::DisputeEvidence && owner.owner_id == dispute_id.uuid())
    };
    let asset = asset.filter(is_evidence);
    let asset = asset.ok_or_else(|| ApiError::invalid("ASSET_NOT_FOUND", "assetId: no asset of this dispute", details()))?;
    let about = asset.is_ready().then(|| Some((asset.sha256()?.to_owned(), asset.mime()?.to_owned(), asset.size()?))).flatten();
    about.ok_or_else(|| ApiError::conflict("ASSET_NOT_READY", "assetId: upload it and confirm it first", details()))
}

/// DSP-14.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Assign {
    #[schema(value_type = Uuid)]
    assignee_id: PartyId,
}

/// Name the resolver; the review starts (DSP-14). Fails with `CONFLICT_OF_INTEREST` or `INVALID_DISPUTE_TRANSITION`.
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/assign", tag = "dispute", params(("disputeId" = Uuid, Path)),
    request_body = Assign, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn assign_dispute(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<Assign>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = DisputeCommand::Assign { assignee_id: body.content.assignee_id };
    execute::<Dispute>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Say that everything is heard and a decision is due (DSP-23).
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/request-decision", tag = "dispute", params(("disputeId" = Uuid, Path)),
    request_body = NoContent, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn request_decision(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Dispute>(&shared, &side, caller, id.0.uuid(), DisputeCommand::RequestDecision, body.fingerprint).await.map(Answered::ok)
}

/// DSP-15.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Decide {
    decision: DecisionName,
    /// With decision `split`, and only then.
    split: Option<SplitAmounts>,
    rationale: Option<PersonalText>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DecisionName {
    Release,
    Refund,
    Split,
    Redo,
    /// Dismissed.
    Close,
}

/// `release + refund + penalty` is the contested amount.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SplitAmounts {
    release: AmountText,
    refund: AmountText,
    penalty: AmountText,
    currency: CurrencyCode,
}

/// Decide a case under review; the escrow carries it out, and its answer closes the case or brings it back (DSP-15, DSP-41). Fails
/// with `DECISION_AMOUNT_INVALID`, `PENALTY_ABOVE_CAP`, `CONFLICT_OF_INTEREST`, `REDO_LIMIT_REACHED` or
/// `INVALID_DISPUTE_TRANSITION`.
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/decision", tag = "dispute", params(("disputeId" = Uuid, Path)),
    request_body = Decide, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn decide_dispute(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<Decide>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let decision = decision(body.content.decision, body.content.split.as_ref())?;
    let rationale = seal(&shared, &side, &caller, caller.actor.id, body.content.rationale).await?;
    let command = DisputeCommand::Decide { decision, rationale };
    execute::<Dispute>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

fn decision(name: DecisionName, split: Option<&SplitAmounts>) -> Result<CaseDecision, ApiError> {
    match (name, split) {
        (DecisionName::Split, Some(split)) => {
            let part = |field: &str, text: &AmountText| -> Result<Money, ApiError> { amount_not_negative(field, text, &split.currency) };
            let release = part("split.release", &split.release)?;
            let refund = part("split.refund", &split.refund)?;
            let penalty = part("split.penalty", &split.penalty)?;
            Ok(CaseDecision::Split { release, refund, penalty })
        }
        (DecisionName::Split, None) => Err(ApiError::validation("split", "goes with decision \"split\"")),
        (DecisionName::Release | DecisionName::Refund | DecisionName::Redo | DecisionName::Close, Some(_)) => {
            Err(ApiError::validation("split", "goes with decision \"split\" only"))
        }
        (DecisionName::Release, None) => Ok(CaseDecision::Release),
        (DecisionName::Refund, None) => Ok(CaseDecision::Refund),
        (DecisionName::Redo, None) => Ok(CaseDecision::Redo),
        (DecisionName::Close, None) => Ok(CaseDecision::Close),
    }
}

/// DSP-16.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Close {
    note: Option<PersonalText>,
}

/// End the case without a decision about the money (DSP-16, DSP-26): its raiser, or a colleague of the raiser's side, withdraws
/// it, and the answer is the escrow's; a decider dismisses it. The same raiser cannot contest that round again (MNY-32).
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/close", tag = "dispute", params(("disputeId" = Uuid, Path)), request_body = Close,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn close_dispute(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<Close>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let dispute = case(id.0, &caller, &shared, &side).await?;
    if caller.holds(DisputesRaise) && is_raisers_side(&dispute, &caller) {
        let command = EscrowCommand::WithdrawDispute { dispute_id: Some(id.0) };
        return at_escrow(caller, id.0, command, body.fingerprint, &shared, &side).await;
    }
    let rationale = seal(&shared, &side, &caller, caller.actor.id, body.content.note).await?;
    let command = DisputeCommand::Close { rationale };
    execute::<Dispute>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// As the escrow sees it: who raised it, or somebody in the same role. Fixed when the case was opened.
fn is_raisers_side(dispute: &Dispute, caller: &Caller) -> bool {
    let hats: Vec<Hat> = dispute.hats(&caller.actor, caller.tenant_id);
    dispute.case().is_some_and(|case| case.raised_by == caller.actor.id || hats.contains(&case.raised_as))
}

/// DSP-17.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Escalate {
    reason: Option<PersonalText>,
}

/// Take the case to the platform, which alone decides it from then on (DSP-17): the tenant at any time, a party when the time for
/// evidence is over or where the tenant is a party itself. Fails with `DISPUTE_ESCALATED`.
#[utoipa::path(post, path = "/v1/disputes/{disputeId}/escalate", tag = "dispute", params(("disputeId" = Uuid, Path)),
    request_body = Escalate, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn escalate_dispute(
    caller: Caller,
    id: PathId<DisputeId>,
    body: CommandBody<Escalate>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let reason = seal(&shared, &side, &caller, caller.actor.id, body.content.reason).await?;
    let command = DisputeCommand::Escalate { reason };
    execute::<Dispute>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}
