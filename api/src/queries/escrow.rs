//! Questions about escrows (ESC-11, 12, 28, 85). Parties without `escrow.read` see those in which they are payer or payee.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::escrow::{EscrowAction, EscrowStatus};
use holdfast_domain::kernel::{BookingId, ContractId, EscrowId, PartyId};
use holdfast_projections::escrow::{
    AccountFilter, DueFilter, DueKind, EscrowAccount, EscrowDetail, EscrowFilter, EscrowLedger, EscrowSort, EscrowSummary,
    EscrowTransaction, TimelineEntry, TransactionFilter, TransactionKind,
};
use holdfast_projections::query::{List, Read};
use holdfast_projections::{escrow, ledger};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Capability;
use crate::auth::Capability::{EscrowRead, EscrowReadOwn};
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, found, page};
use crate::request::{Caller, NoParameters, PathId, QueryParameters};
use crate::routes::RouteSpec;
use crate::state::Shared;

/// `due` stands before `{escrowId}`: the first that matches serves.
pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/escrows", &[EscrowRead, EscrowReadOwn], || web::get().to(list_escrows)),
    RouteSpec::query("/v1/escrows/due", &[EscrowRead, EscrowReadOwn], || web::get().to(due_escrows)),
    RouteSpec::query("/v1/escrows/{escrowId}", &[EscrowRead, EscrowReadOwn], || web::get().to(escrow_detail)),
    RouteSpec::query("/v1/escrows/{escrowId}/events", &[EscrowRead, EscrowReadOwn], || web::get().to(escrow_timeline)),
    RouteSpec::query("/v1/escrow-accounts", &[EscrowRead], || web::get().to(escrow_accounts)),
    RouteSpec::query("/v1/escrow-transactions", &[EscrowRead, EscrowReadOwn], || web::get().to(escrow_transactions)),
    RouteSpec::query("/escrow/{escrowId}/ledger", &[EscrowRead, EscrowReadOwn], || web::get().to(escrow_ledger)),
];

const NOT_FOUND: &str = "ESCROW_NOT_FOUND";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EscrowsWanted {
    #[param(value_type = Option<String>, example = "in_progress")]
    status: Option<EscrowStatus>,
    #[param(value_type = Option<Uuid>)]
    contract_id: Option<ContractId>,
    #[param(value_type = Option<Uuid>)]
    booking_id: Option<BookingId>,
    #[param(value_type = Option<Uuid>)]
    payer_id: Option<PartyId>,
    #[param(value_type = Option<Uuid>)]
    payee_id: Option<PartyId>,
    /// Created at or after.
    from: Option<DateTime<Utc>>,
    /// Created before.
    to: Option<DateTime<Utc>>,
    /// `created_at`, `amount` or `auto_release_at`, then `:asc` or `:desc`; `created_at:desc` when none is given.
    #[param(example = "created_at:desc")]
    sort: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Escrows, a page at a time (ESC-11).
#[utoipa::path(get, path = "/v1/escrows", tag = "escrow", params(EscrowsWanted), responses((status = 200, body = List<EscrowSummary>)))]
pub(crate) async fn list_escrows(
    caller: Caller,
    wanted: QueryParameters<EscrowsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<EscrowSummary>>, ApiError> {
    let wanted = wanted.0;
    let filter = EscrowFilter {
        status: wanted.status,
        contract_id: wanted.contract_id,
        booking_id: wanted.booking_id,
        payer_id: wanted.payer_id,
        payee_id: wanted.payee_id,
        from: wanted.from,
        to: wanted.to,
        party: caller.restricted_to(EscrowRead),
    };
    let sort = wanted.sort.map(|text| text.parse::<EscrowSort>().map_err(|error| ApiError::validation("sort", error)));
    let (tenant_id, sort, page) = (caller.tenant_id, sort.transpose()?.unwrap_or_default(), page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { escrow::list(&pool, tenant_id, &filter, sort, &page).await };
    ask(&shared, &side, &caller, minimum, &[escrow::PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DueWanted {
    /// `any` (default), `auto_release` or `sla`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    kind: DueKind,
    /// Due at or before.
    until: Option<DateTime<Utc>>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Escrows whose clock runs, the most urgent first: what happens next, and what is late (ESC-85).
#[utoipa::path(get, path = "/v1/escrows/due", tag = "escrow", params(DueWanted), responses((status = 200, body = List<EscrowSummary>)))]
pub(crate) async fn due_escrows(
    caller: Caller,
    wanted: QueryParameters<DueWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<EscrowSummary>>, ApiError> {
    let wanted = wanted.0;
    let filter = DueFilter { kind: wanted.kind, until: wanted.until, party: caller.restricted_to(EscrowRead) };
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { escrow::due(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[escrow::PROJECTION], question).await.map(Shown)
}

/// One escrow with its events and what the caller may do now (ESC-12). Fails with `ESCROW_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/escrows/{escrowId}", tag = "escrow", params(("escrowId" = Uuid, Path)),
    responses((status = 200, body = EscrowDetail)))]
pub(crate) async fn escrow_detail(
    caller: Caller,
    id: PathId<EscrowId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<EscrowDetail>, ApiError> {
    let read = detail(&caller, id.0, minimum, &shared, &side).await?;
    found(read, NOT_FOUND, "escrow")
}

/// What has happened to one escrow, oldest first. Fails with `ESCROW_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/escrows/{escrowId}/events", tag = "escrow", params(("escrowId" = Uuid, Path)),
    responses((status = 200, body = List<TimelineEntry>)))]
pub(crate) async fn escrow_timeline(
    caller: Caller,
    id: PathId<EscrowId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<TimelineEntry>>, ApiError> {
    let read = detail(&caller, id.0, minimum, &shared, &side).await?;
    let events = read.value.map(|detail| List { items: detail.events, next_cursor: None });
    found(Read { position: read.position, value: events }, NOT_FOUND, "escrow")
}

async fn detail(
    caller: &Caller,
    id: EscrowId,
    minimum: MinPosition,
    shared: &Shared,
    side: &Side,
) -> Result<Read<Option<EscrowDetail>>, ApiError> {
    let (tenant_id, party, actor) = (caller.tenant_id, caller.restricted_to(EscrowRead), caller.actor.clone());
    let question = |pool| async move { escrow::detail(&pool, tenant_id, id, party, &actor, Utc::now()).await };
    let mut read = ask(shared, side, caller, minimum, &[escrow::PROJECTION], question).await?;
    if let Some(detail) = &mut read.value {
        detail.allowed_actions.retain(|action| has_a_route_for(caller, action));
    }
    Ok(read)
}

/// The domain says what the caller's hat allows; the route's capability has to as well.
fn has_a_route_for(caller: &Caller, action: &str) -> bool {
    let action = serde_json::from_value::<EscrowAction>(serde_json::Value::String(action.to_owned()));
    action.ok().and_then(needed_for).is_some_and(|capability| caller.holds(capability))
}

/// The capability of the route that takes this action; none for what only the machinery does.
fn needed_for(action: EscrowAction) -> Option<Capability> {
    use EscrowAction as A;
    match action {
        A::Create => Some(Capability::EscrowCreate),
        A::Fund => Some(Capability::EscrowFund),
        A::Lock => Some(Capability::EscrowLock),
        A::StartWork => Some(Capability::EscrowStart),
        A::SubmitDelivery => Some(Capability::DeliverySubmit),
        A::Approve => Some(Capability::DeliveryApprove),
        A::MakeReleasable | A::Release | A::ReleasePartial => Some(Capability::EscrowRelease),
        A::Refund | A::DeclineRefund => Some(Capability::EscrowRefund),
        A::Cancel => Some(Capability::EscrowCancel),
        A::Dispute | A::WidenDispute | A::Concede | A::WithdrawDispute => Some(Capability::DisputesRaise),
        A::ResolveRelease | A::ResolveRefund | A::ResolveSplit | A::Redo | A::Dismiss => Some(Capability::DisputesDecide),
        A::AcceptFunding
        | A::FailFunding
        | A::MeetDeadline
        | A::RecordLanding
        | A::RecordCaseFrozen
        | A::RecordContractSigned
        | A::RecordStartMoved
        | A::EndAgreement
        | A::EscalateDispute
        | A::Enforce => None,
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountsWanted {
    #[param(value_type = Option<Uuid>)]
    escrow_id: Option<EscrowId>,
    /// True: only escrows that hold something.
    #[serde(default)]
    funded_only: bool,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// What the ledger says that each escrow holds (ESC-03, LED-10).
#[utoipa::path(get, path = "/v1/escrow-accounts", tag = "escrow", params(AccountsWanted), responses((status = 200, body = List<EscrowAccount>)))]
pub(crate) async fn escrow_accounts(
    caller: Caller,
    wanted: QueryParameters<AccountsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<EscrowAccount>>, ApiError> {
    let wanted = wanted.0;
    let filter = AccountFilter { escrow_id: wanted.escrow_id, funded_only: wanted.funded_only };
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { escrow::accounts(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[ledger::PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TransactionsWanted {
    #[param(value_type = Option<Uuid>)]
    escrow_id: Option<EscrowId>,
    /// `fund`, `release`, `refund` or `penalty`.
    #[param(value_type = Option<String>)]
    kind: Option<TransactionKind>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Every movement of escrow money, newest first (ESC-04).
#[utoipa::path(get, path = "/v1/escrow-transactions", tag = "escrow", params(TransactionsWanted),
    responses((status = 200, body = List<EscrowTransaction>)))]
pub(crate) async fn escrow_transactions(
    caller: Caller,
    wanted: QueryParameters<TransactionsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<EscrowTransaction>>, ApiError> {
    let wanted = wanted.0;
    let filter = TransactionFilter { escrow_id: wanted.escrow_id, kind: wanted.kind, party: caller.restricted_to(EscrowRead) };
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { escrow::transactions(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[escrow::PROJECTION], question).await.map(Shown)
}

/// What one escrow's events booked, entry by entry (ESC-28). Fails with `ESCROW_NOT_FOUND`.
#[utoipa::path(get, path = "/escrow/{escrowId}/ledger", tag = "escrow, short paths", params(("escrowId" = Uuid, Path)),
    responses((status = 200, body = EscrowLedger)))]
pub(crate) async fn escrow_ledger(
    caller: Caller,
    id: PathId<EscrowId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<EscrowLedger>, ApiError> {
    let (tenant_id, party, id) = (caller.tenant_id, caller.restricted_to(EscrowRead), id.0);
    let question = |pool| async move { escrow::ledger(&pool, tenant_id, id, party).await };
    let read = ask(&shared, &side, &caller, minimum, &[escrow::PROJECTION, ledger::PROJECTION], question).await?;
    found(read, NOT_FOUND, "escrow")
}
