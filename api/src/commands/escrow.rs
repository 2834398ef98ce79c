//! Commands on escrows: ESC-10..22, the short paths ESC-23..27, and the dispute's commands (MNY-25..34).

use actix_web::web;
use holdfast_domain::escrow::{
    Artifact, ArtifactKind, CreateEscrow, Decision, DisputeKind, Escrow, EscrowCommand, FundingSource, Reference, RefundReason,
};
use holdfast_domain::kernel::{AssetId, BookingId, ContractId, EscrowId, MilestoneId, Money, PartyId, SponsorshipOrderId, derived_uuid};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::{
    DeliveryApprove, DeliverySubmit, DisputesDecide, DisputesRaise, EscrowCancel, EscrowCreate, EscrowFund, EscrowLock, EscrowRefund,
    EscrowRelease, EscrowStart,
};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::dispute_id::raised_dispute;
use crate::commands::{Side, execute, seal};
use crate::error::ApiError;
use crate::payment_sessions::{OpenSession, SessionRefused};
use crate::request::{
    AmountText, Caller, CommandBody, CurrencyCode, NoContent, PathId, Text, amount_not_negative, optional_amount, positive_amount,
};
use crate::routes::RouteSpec;
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::money("/v1/escrows", &[EscrowCreate], || web::post().to(create_escrow)),
    RouteSpec::money("/v1/escrows/{escrowId}/fund", &[EscrowFund], || web::post().to(fund_escrow)),
    RouteSpec::money("/v1/escrows/{escrowId}/lock", &[EscrowLock], || web::post().to(lock_escrow)),
    RouteSpec::money("/v1/escrows/{escrowId}/start", &[EscrowStart], || web::post().to(start_work)),
    RouteSpec::money("/v1/escrows/{escrowId}/submit-delivery", &[DeliverySubmit], || web::post().to(submit_delivery)),
    RouteSpec::money("/v1/escrows/{escrowId}/approve", &[DeliveryApprove], || web::post().to(approve_delivery)),
    RouteSpec::money("/v1/escrows/{escrowId}/make-releasable", &[EscrowRelease], || web::post().to(make_releasable)),
    RouteSpec::money("/v1/escrows/{escrowId}/release", &[EscrowRelease], || web::post().to(release_escrow)),
    RouteSpec::money("/v1/escrows/{escrowId}/release-partial", &[EscrowRelease], || web::post().to(release_partially)),
    RouteSpec::money("/v1/escrows/{escrowId}/refund", &[EscrowRefund], || web::post().to(refund_escrow)),
    RouteSpec::money("/v1/escrows/{escrowId}/decline-refund", &[EscrowRefund], || web::post().to(decline_refund)),
    RouteSpec::money("/v1/escrows/{escrowId}/cancel", &[EscrowCancel], || web::post().to(cancel_escrow)),
    RouteSpec::money("/v1/escrows/{escrowId}/dispute", &[DisputesRaise], || web::post().to(dispute_escrow)),
    RouteSpec::money("/v1/escrows/{escrowId}/widen-dispute", &[DisputesRaise], || web::post().to(widen_dispute)),
    RouteSpec::money("/v1/escrows/{escrowId}/concede", &[DisputesRaise], || web::post().to(concede_dispute)),
    RouteSpec::money("/v1/escrows/{escrowId}/withdraw-dispute", &[DisputesRaise], || web::post().to(withdraw_dispute)),
    RouteSpec::money("/v1/escrows/{escrowId}/decision", &[DisputesDecide], || web::post().to(decide_dispute)),
    RouteSpec::money("/escrow/create", &[EscrowCreate], || web::post().to(create_escrow_short)),
    RouteSpec::money("/escrow/fund", &[EscrowFund], || web::post().to(fund_named_escrow)),
    RouteSpec::money("/escrow/release", &[EscrowRelease], || web::post().to(release_named_escrow)),
    RouteSpec::money("/escrow/refund", &[EscrowRefund], || web::post().to(refund_named_escrow)),
    RouteSpec::money("/escrow/dispute", &[DisputesRaise], || web::post().to(dispute_named_escrow)),
];

/// ESC-10.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewEscrow {
    #[schema(value_type = Uuid)]
    contract_id: ContractId,
    #[schema(value_type = Option<Uuid>)]
    milestone_id: Option<MilestoneId>,
    #[schema(value_type = Option<Uuid>)]
    booking_id: Option<BookingId>,
    #[schema(value_type = Option<Uuid>)]
    sponsorship_order_id: Option<SponsorshipOrderId>,
    #[schema(value_type = Uuid)]
    payer_id: PartyId,
    #[schema(value_type = Uuid)]
    payee_id: PartyId,
    amount: AmountText,
    currency: CurrencyCode,
    #[serde(default)]
    rules: NewEscrowRules,
}

/// What one escrow may change of its tenant's settings; nothing here switches escrow off or forces a release (ESC-76).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewEscrowRules {
    delivery_required: Option<bool>,
    partial_release_allowed: Option<bool>,
}

/// Create an escrow for a contract's milestone, booking or order. Fails with `ESCROW_EXISTS` or `SPLIT_BELOW_TAX`.
#[utoipa::path(post, path = "/v1/escrows", tag = "escrow", request_body = NewEscrow, responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn create_escrow(caller: Caller, body: CommandBody<NewEscrow>, shared: Shared, side: Side) -> Result<Answered, ApiError> {
    let new = body.content;
    let amount = positive_amount(&new.amount, &new.currency)?;
    let reference = Reference {
        contract_id: new.contract_id,
        milestone_id: new.milestone_id,
        booking_id: new.booking_id,
        sponsorship_order_id: new.sponsorship_order_id,
    };
    let id = new_escrow_id(&caller);
    let command = EscrowCommand::Create(CreateEscrow {
        escrow_id: id,
        reference,
        payer_id: new.payer_id,
        payee_id: new.payee_id,
        amount,
        delivery_required: new.rules.delivery_required,
        partial_release_allowed: new.rules.partial_release_allowed,
        share: None,
        starts_at: None,
    });
    execute::<Escrow>(&shared, &side, caller, id.uuid(), command, body.fingerprint).await.map(Answered::created)
}

/// As `POST /v1/escrows` (ESC-23).
#[utoipa::path(post, path = "/escrow/create", tag = "escrow, short paths", request_body = NewEscrow,
    responses((status = 201, body = CommandAnswer)))]
pub(crate) async fn create_escrow_short(
    caller: Caller,
    body: CommandBody<NewEscrow>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    create_escrow(caller, body, shared, side).await
}

/// The id follows from the key, so that a repeat after an unknown outcome meets the stream that it may have made.
fn new_escrow_id(caller: &Caller) -> EscrowId {
    let derived = |key: &String| derived_uuid(caller.tenant_id, caller.actor.id.uuid(), &format!("escrow.create:{key}"), 0);
    EscrowId(caller.idempotency_key.as_ref().map_or_else(Uuid::now_v7, derived))
}

/// ESC-13.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fund {
    #[serde(default)]
    source: FundFrom,
    /// A payment provider's name, with source `provider`.
    provider: Option<Text>,
}

/// ESC-24.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FundNamed {
    #[schema(value_type = Uuid)]
    escrow_id: EscrowId,
    #[serde(default)]
    source: FundFrom,
    provider: Option<Text>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FundFrom {
    /// The payer's wallet, at once.
    #[default]
    Wallet,
    /// Bank receipts that name the escrow.
    BankTransfer,
    /// A payment session; not connected yet.
    Provider,
}

/// Pay into an escrow, as its payer. From the wallet: `funding_pending`, then `funded`, or `created` again with
/// `fundingFailure`. Fails with `INVALID_ESCROW_TRANSITION` or `PROVIDER_NOT_AVAILABLE`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/fund", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = Fund,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn fund_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<Fund>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    fund(caller, id.0, body.content, body.fingerprint, &shared, &side).await
}

/// As `POST /v1/escrows/{escrowId}/fund` (ESC-24).
#[utoipa::path(post, path = "/escrow/fund", tag = "escrow, short paths", request_body = FundNamed,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn fund_named_escrow(
    caller: Caller,
    body: CommandBody<FundNamed>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let FundNamed { escrow_id, source, provider } = body.content;
    fund(caller, escrow_id, Fund { source, provider }, body.fingerprint, &shared, &side).await
}

async fn fund(caller: Caller, id: EscrowId, fund: Fund, fingerprint: Vec<u8>, shared: &Shared, side: &Side) -> Result<Answered, ApiError> {
    let source = match (fund.source, fund.provider) {
        (FundFrom::Wallet, None) => FundingSource::Wallet,
        (FundFrom::BankTransfer, None) => FundingSource::BankTransfer,
        (FundFrom::Provider, provider) => open_session(&caller, id, provider, side).await?,
        (FundFrom::Wallet | FundFrom::BankTransfer, Some(_)) => {
            return Err(ApiError::validation("provider", "goes with source \"provider\" only"));
        }
    };
    execute::<Escrow>(shared, side, caller, id.uuid(), EscrowCommand::Fund { source }, fingerprint).await.map(Answered::ok)
}

async fn open_session(caller: &Caller, escrow_id: EscrowId, provider: Option<Text>, side: &Side) -> Result<FundingSource, ApiError> {
    let provider = provider.map(Text::into_string);
    let request = OpenSession { tenant_id: caller.tenant_id, escrow_id, payer_id: caller.actor.id, provider };
    side.payments.open(request).await.map_err(|refused| match refused {
        SessionRefused::NoProvider => ApiError::invalid("PROVIDER_NOT_AVAILABLE", refused.to_string(), serde_json::json!({})),
    })
}

/// Lock a funded escrow (ESC-33).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/lock", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn lock_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), EscrowCommand::Lock, body.fingerprint).await.map(Answered::ok)
}

/// Confirm that work has started (ESC-34). Fails with `REFUND_REQUESTED` while a refund is asked for.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/start", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn start_work(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), EscrowCommand::StartWork, body.fingerprint).await.map(Answered::ok)
}

/// ESC-20. At least one of `assetIds` and `artifacts`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SubmitDelivery {
    /// Deliverables.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>)]
    asset_ids: Vec<AssetId>,
    /// Where another kind must be named.
    #[serde(default)]
    artifacts: Vec<DeliveredArtifact>,
    note: Option<Text>,
    /// Where it was delivered, as the device says it.
    #[schema(value_type = Option<String>, example = "48.2082,16.3738")]
    gps: Option<Text>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeliveredArtifact {
    #[schema(value_type = Uuid)]
    asset_id: AssetId,
    #[schema(value_type = String, example = "media")]
    kind: ArtifactKind,
}

const MAX_ARTIFACTS: usize = 100;

/// Submit the work, as the payee; the approval window starts (ESC-35).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/submit-delivery", tag = "escrow", params(("escrowId" = Uuid, Path)),
    request_body = SubmitDelivery, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn submit_delivery(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<SubmitDelivery>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let delivery = body.content;
    let deliverables = delivery.asset_ids.into_iter().map(|asset_id| Artifact { asset_id, kind: ArtifactKind::Deliverable });
    let named = delivery.artifacts.into_iter().map(|artifact| Artifact { asset_id: artifact.asset_id, kind: artifact.kind });
    let artifacts: Vec<_> = deliverables.chain(named).collect();
    if artifacts.len() > MAX_ARTIFACTS {
        return Err(ApiError::validation("artifacts", format!("at most {MAX_ARTIFACTS}")));
    }
    let note = seal(&shared, &side, &caller, caller.actor.id, delivery.note.map(Text::into_string)).await?;
    let gps = seal(&shared, &side, &caller, caller.actor.id, delivery.gps.map(Text::into_string)).await?;
    let command = EscrowCommand::SubmitDelivery { artifacts, note, gps };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// ESC-21.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Approve {
    note: Option<Text>,
}

/// Approve the delivery; the money becomes releasable (ESC-38).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/approve", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = Approve,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn approve_delivery(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<Approve>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let note = seal(&shared, &side, &caller, caller.actor.id, body.content.note.map(Text::into_string)).await?;
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), EscrowCommand::Approve { note }, body.fingerprint).await.map(Answered::ok)
}

/// Make a locked escrow that needs no delivery releasable (ESC-39).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/make-releasable", tag = "escrow", params(("escrowId" = Uuid, Path)),
    request_body = NoContent, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn make_releasable(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), EscrowCommand::MakeReleasable, body.fingerprint).await.map(Answered::ok)
}

/// ESC-15, ESC-16.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Release {
    /// With its currency; none: all that is open.
    amount: Option<AmountText>,
    currency: Option<CurrencyCode>,
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Option<Text>,
}

/// ESC-25.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleaseNamed {
    #[schema(value_type = Uuid)]
    escrow_id: EscrowId,
    amount: Option<AmountText>,
    currency: Option<CurrencyCode>,
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Option<Text>,
}

/// Release all that is open: the platform settles, a tenant's user authorises (ESC-51). Fails with
/// `INVALID_ESCROW_TRANSITION`, `APPROVAL_REQUIRED`, `AMOUNT_EXCEEDS_ESCROW` or `AMOUNT_BELOW_REMAINDER`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/release", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = Release,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn release_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<Release>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    release(caller, id.0, body.content, body.fingerprint, &shared, &side).await
}

/// As `POST /v1/escrows/{escrowId}/release` (ESC-25).
#[utoipa::path(post, path = "/escrow/release", tag = "escrow, short paths", request_body = ReleaseNamed,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn release_named_escrow(
    caller: Caller,
    body: CommandBody<ReleaseNamed>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let ReleaseNamed { escrow_id, amount, currency, reason } = body.content;
    release(caller, escrow_id, Release { amount, currency, reason }, body.fingerprint, &shared, &side).await
}

async fn release(
    caller: Caller,
    id: EscrowId,
    release: Release,
    fingerprint: Vec<u8>,
    shared: &Shared,
    side: &Side,
) -> Result<Answered, ApiError> {
    let amount = optional_amount(release.amount.as_ref(), release.currency.as_ref())?;
    let command = EscrowCommand::Release { amount, reason: release.reason.map(Text::into_string) };
    execute::<Escrow>(shared, side, caller, id.uuid(), command, fingerprint).await.map(Answered::ok)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleasePartially {
    amount: AmountText,
    currency: CurrencyCode,
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Option<Text>,
}

/// Release a part of what is open (ESC-41). Fails with `PARTIAL_RELEASE_NOT_ALLOWED`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/release-partial", tag = "escrow", params(("escrowId" = Uuid, Path)),
    request_body = ReleasePartially, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn release_partially(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<ReleasePartially>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let release = body.content;
    let amount = positive_amount(&release.amount, &release.currency)?;
    let command = EscrowCommand::ReleasePartial { amount, reason: release.reason.map(Text::into_string) };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

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

/// Give the money back before work starts; platform only (ESC-36). Fails with `REFUND_AFTER_APPROVAL`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/refund", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = Refund,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn refund_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<Refund>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = EscrowCommand::Refund { reason: body.content.reason };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
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
    let command = EscrowCommand::Refund { reason };
    execute::<Escrow>(&shared, &side, caller, escrow_id.uuid(), command, body.fingerprint).await.map(Answered::ok)
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

/// Cancel: at once while nothing is in (ESC-37); a refund request while work has not started (MNY-14). Fails with `WORK_STARTED`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/cancel", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = WithReason,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn cancel_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<WithReason>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let command = EscrowCommand::Cancel { reason: body.content.reason.into_string() };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// ESC-17. Evidence is added to the case that opens (disputes context).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Dispute {
    reason: Text,
    #[serde(default)]
    kind: RaisedKind,
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
    reason: Text,
    #[serde(default)]
    kind: RaisedKind,
    amount: Option<AmountText>,
    currency: Option<CurrencyCode>,
}

/// The kinds that a party can raise; the others are the system's.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RaisedKind {
    DeliveryRejected,
    UnfairRejection,
    #[default]
    Other,
}

/// Contest the open money or a part of it; it is frozen until the case is decided (ESC-43, MNY-25). Fails with
/// `DISPUTE_WINDOW_CLOSED`, `DISPUTE_ALREADY_OPEN` or `PARTIAL_DISPUTE_NOT_ALLOWED`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/dispute", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = Dispute,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn dispute_escrow(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<Dispute>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    dispute(caller, id.0, body.content, body.fingerprint, &shared, &side).await
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
    let DisputeNamed { escrow_id, reason, kind, amount, currency } = body.content;
    dispute(caller, escrow_id, Dispute { reason, kind, amount, currency }, body.fingerprint, &shared, &side).await
}

async fn dispute(
    caller: Caller,
    id: EscrowId,
    dispute: Dispute,
    fingerprint: Vec<u8>,
    shared: &Shared,
    side: &Side,
) -> Result<Answered, ApiError> {
    let amount = optional_amount(dispute.amount.as_ref(), dispute.currency.as_ref())?;
    let kind = match dispute.kind {
        RaisedKind::DeliveryRejected => DisputeKind::DeliveryRejected,
        RaisedKind::UnfairRejection => DisputeKind::UnfairRejection,
        RaisedKind::Other => DisputeKind::Other,
    };
    let sealed = seal(shared, side, &caller, caller.actor.id, Some(dispute.reason.into_string())).await?;
    let reason = sealed.ok_or_else(ApiError::internal_silent)?;
    let tenant_id = caller.tenant_id;
    let command = EscrowCommand::Dispute { amount, kind, reason };
    let accepted = execute::<Escrow>(shared, side, caller, id.uuid(), command, fingerprint).await?;
    let dispute_id = raised_dispute(shared, side, tenant_id, &accepted).await;
    Ok(Answered::ok(accepted).with_dispute(dispute_id))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AmountOnly {
    amount: AmountText,
    currency: CurrencyCode,
}

/// Add more of the open money to the open case (MNY-26).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/widen-dispute", tag = "escrow", params(("escrowId" = Uuid, Path)),
    request_body = AmountOnly, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn widen_dispute(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<AmountOnly>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let amount = positive_amount(&body.content.amount, &body.content.currency)?;
    let command = EscrowCommand::WidenDispute { amount };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Give in, as the payee: `amount` of the contested money goes back to the payer, the rest is released (MNY-34).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/concede", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = AmountOnly,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn concede_dispute(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<AmountOnly>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let refund = positive_amount(&body.content.amount, &body.content.currency)?;
    let command = EscrowCommand::Concede { refund };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// Take the dispute back, as its raiser (MNY-32).
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/withdraw-dispute", tag = "escrow", params(("escrowId" = Uuid, Path)),
    request_body = NoContent, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn withdraw_dispute(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), EscrowCommand::WithdrawDispute, body.fingerprint).await.map(Answered::ok)
}

/// ESC-44..48.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Decide {
    decision: DecisionName,
    /// With decision `split`, and only then.
    split: Option<SplitAmounts>,
    rationale: Option<Text>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DecisionName {
    Release,
    Refund,
    Split,
    Redo,
    Dismiss,
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

/// Decide the open dispute. Fails with `DECISION_AMOUNT_INVALID`, `CONFLICT_OF_INTEREST` or `REDO_LIMIT_REACHED`.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/decision", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = Decide,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn decide_dispute(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<Decide>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let decision = decision(body.content.decision, body.content.split.as_ref())?;
    let rationale = seal(&shared, &side, &caller, caller.actor.id, body.content.rationale.map(Text::into_string)).await?;
    let command = EscrowCommand::Decide { decision, rationale };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

fn decision(name: DecisionName, split: Option<&SplitAmounts>) -> Result<Decision, ApiError> {
    match (name, split) {
        (DecisionName::Split, Some(split)) => {
            let part = |field: &str, text: &AmountText| -> Result<Money, ApiError> { amount_not_negative(field, text, &split.currency) };
            let release = part("split.release", &split.release)?;
            let refund = part("split.refund", &split.refund)?;
            let penalty = part("split.penalty", &split.penalty)?;
            Ok(Decision::Split { release, refund, penalty })
        }
        (DecisionName::Split, None) => Err(ApiError::validation("split", "goes with decision \"split\"")),
        (DecisionName::Release | DecisionName::Refund | DecisionName::Redo | DecisionName::Dismiss, Some(_)) => {
            Err(ApiError::validation("split", "goes with decision \"split\" only"))
        }
        (DecisionName::Release, None) => Ok(Decision::Release),
        (DecisionName::Refund, None) => Ok(Decision::Refund),
        (DecisionName::Redo, None) => Ok(Decision::Redo),
        (DecisionName::Dismiss, None) => Ok(Decision::Dismiss),
    }
}
