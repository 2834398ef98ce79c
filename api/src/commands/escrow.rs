//! Commands on escrows: ESC-10..21 and the short paths ESC-23..25. The ends before the work are in `escrow_end.rs`, disputes
//! in `dispute.rs`.

use actix_web::web;
use holdfast_domain::escrow::{Artifact, ArtifactKind, CreateEscrow, Escrow, EscrowCommand, FundingSource, Reference};
use holdfast_domain::kernel::{AssetId, BookingId, ContractId, EscrowId, MilestoneId, PartyId, SponsorshipOrderId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Capability::{
    DeliveryApprove, DeliverySubmit, EscrowCancel, EscrowCreate, EscrowFund, EscrowLock, EscrowRefund, EscrowRelease, EscrowStart,
};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::escrow_end::{cancel_escrow, decline_refund, refund_escrow, refund_named_escrow};
use crate::commands::escrow_reference::{milestone_share, refuse_booked_work, refuse_own_booking};
use crate::commands::{Side, execute, new_id, seal};
use crate::error::ApiError;
use crate::payment_sessions::{OpenSession, SessionRefused};
use crate::request::{
    AmountText, Caller, CommandBody, CurrencyCode, NoContent, PathId, PersonalText, Text, optional_amount, positive_amount,
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
    RouteSpec::money("/escrow/create", &[EscrowCreate], || web::post().to(create_escrow_short)),
    RouteSpec::money("/escrow/fund", &[EscrowFund], || web::post().to(fund_named_escrow)),
    RouteSpec::money("/escrow/release", &[EscrowRelease], || web::post().to(release_named_escrow)),
    RouteSpec::money("/escrow/refund", &[EscrowRefund], || web::post().to(refund_named_escrow)),
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

/// Create an escrow for a contract, one of its milestones, or an order. A milestone must be one of a contract of ours, and fit
/// it; a contract without one may live elsewhere. Fails with `ESCROW_EXISTS`, `CONTRACT_NOT_FOUND`, `MILESTONE_MISMATCH`,
/// `BOOKING_MAKES_ITS_ESCROW` or `SPLIT_BELOW_TAX`.
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
    refuse_own_booking(&shared, &side, caller.tenant_id, reference).await?;
    let share = milestone_share(&shared, &side, caller.tenant_id, reference, [new.payer_id, new.payee_id], amount).await?;
    let id = EscrowId(new_id(&caller, "escrow.create"));
    let command = EscrowCommand::Create(CreateEscrow {
        escrow_id: id,
        reference,
        payer_id: new.payer_id,
        payee_id: new.payee_id,
        amount,
        delivery_required: new.rules.delivery_required,
        partial_release_allowed: new.rules.partial_release_allowed,
        share,
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

/// Confirm that work has started (ESC-34). Fails with `REFUND_REQUESTED` while a refund is asked for, and with
/// `BOOKING_DECIDES` where a booking does.
#[utoipa::path(post, path = "/v1/escrows/{escrowId}/start", tag = "escrow", params(("escrowId" = Uuid, Path)), request_body = NoContent,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn start_work(
    caller: Caller,
    id: PathId<EscrowId>,
    body: CommandBody<NoContent>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    refuse_booked_work(&shared, &side, &caller, id.0).await?;
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
    note: Option<PersonalText>,
    /// Where it was delivered, as the device says it.
    #[schema(value_type = Option<String>, example = "48.2082,16.3738")]
    gps: Option<PersonalText>,
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

/// Submit the work, as the payee; the approval window starts (ESC-35). Fails with `BOOKING_DECIDES` for a booking, whose
/// completion is the delivery (MNY-18).
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
    refuse_booked_work(&shared, &side, &caller, id.0).await?;
    let note = seal(&shared, &side, &caller, caller.actor.id, delivery.note).await?;
    let gps = seal(&shared, &side, &caller, caller.actor.id, delivery.gps).await?;
    let command = EscrowCommand::SubmitDelivery { artifacts, note, gps };
    execute::<Escrow>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}

/// ESC-21.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Approve {
    note: Option<PersonalText>,
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
    let note = seal(&shared, &side, &caller, caller.actor.id, body.content.note).await?;
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
