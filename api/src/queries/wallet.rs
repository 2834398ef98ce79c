//! Questions about wallets (LED-15..17). Owners without `wallet.read` see their own.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, Role, WalletId};
use holdfast_domain::ledger::Side as EntrySide;
use holdfast_domain::wallet::{OwnerType, WalletStatus};
use holdfast_projections::query::List;
use holdfast_projections::wallet::{
    AsOf, EntryFilter, RequestedTransfer, TransferStatus, WalletBalance, WalletEntry, WalletFilter, WalletSummary,
};
use holdfast_projections::{ledger, wallet};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::auth::Capability::{LedgerTransfer, WalletRead, WalletReadOwn};
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, found, page};
use crate::request::{Caller, CurrencyCode, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/wallets", &[WalletRead, WalletReadOwn], || web::get().to(list_wallets)),
    RouteSpec::query("/v1/wallets/{walletId}/balance", &[WalletRead, WalletReadOwn], || web::get().to(wallet_balance)),
    RouteSpec::query("/v1/ledger/transfers", &[LedgerTransfer], || web::get().to(list_transfers)),
    RouteSpec::query("/v1/wallets/{walletId}/ledger", &[WalletRead, WalletReadOwn], || web::get().to(wallet_ledger)),
];

pub(crate) const CASES: &[AccessCase] = &[get("/v1/ledger/transfers", Role::TenantAdmin, Role::PlatformFinance, Foreign::OwnTenantOnly)];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WalletsWanted {
    /// `user`, `talent` or `tenant`.
    #[param(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    #[param(value_type = Option<Uuid>)]
    owner_id: Option<PartyId>,
    #[param(value_type = Option<String>)]
    currency: Option<CurrencyCode>,
    /// `active`, `frozen` or `closed`.
    #[param(value_type = Option<String>)]
    status: Option<WalletStatus>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Wallets with their balances, oldest first (LED-15).
#[utoipa::path(get, path = "/v1/wallets", tag = "wallet", params(WalletsWanted), responses((status = 200, body = List<WalletSummary>)))]
pub(crate) async fn list_wallets(
    caller: Caller,
    wanted: QueryParameters<WalletsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<WalletSummary>>, ApiError> {
    let wanted = wanted.0;
    let own = caller.restricted_to(WalletRead);
    if let (Some(own), Some(named)) = (own, wanted.owner_id)
        && own != named
    {
        return Err(ApiError::policy_denied(json!({ "field": "ownerId" })));
    }
    let filter = WalletFilter {
        owner_type: wanted.owner_type,
        owner_id: own.or(wanted.owner_id),
        currency: wanted.currency.map(|code| code.currency()).transpose()?.map(|currency| currency.code().to_owned()),
        status: wanted.status,
    };
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { wallet::list(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[wallet::PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BalanceWanted {
    /// With everything that was recorded until then.
    as_of: Option<DateTime<Utc>>,
    /// With the event at this position of the tenant's log; one of both at most.
    at_position: Option<i64>,
}

/// Available, held and pending of one wallet, now or at an earlier moment, and the position that they show (LED-16). Fails
/// with `WALLET_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/wallets/{walletId}/balance", tag = "wallet", params(("walletId" = Uuid, Path), BalanceWanted),
    responses((status = 200, body = WalletBalance)))]
pub(crate) async fn wallet_balance(
    caller: Caller,
    id: PathId<WalletId>,
    wanted: QueryParameters<BalanceWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<WalletBalance>, ApiError> {
    let (tenant_id, own, id) = (caller.tenant_id, caller.restricted_to(WalletRead), id.0);
    let Some(as_of) = moment(&wanted.0)? else {
        let wallets = side.wallets.clone();
        let question = |_| async move { wallet::balance(&wallets, tenant_id, id, own).await };
        let read = ask(&shared, &side, &caller, minimum, &[wallet::PROJECTION], question).await?;
        return found(read, "WALLET_NOT_FOUND", "wallet");
    };
    // A position is shown when it is there.
    let minimum = match as_of {
        AsOf::Position(position) => MinPosition(Some(minimum.0.unwrap_or_default().max(position))),
        AsOf::Time(_) => minimum,
    };
    let question = |pool| async move { wallet::balance_as_of(&pool, tenant_id, id, own, as_of).await };
    let read = ask(&shared, &side, &caller, minimum, &[wallet::PROJECTION, ledger::PROJECTION], question).await?;
    found(read, "WALLET_NOT_FOUND", "wallet")
}

/// None: now.
fn moment(wanted: &BalanceWanted) -> Result<Option<AsOf>, ApiError> {
    match (wanted.as_of, wanted.at_position) {
        (None, None) => Ok(None),
        (Some(time), None) if time <= Utc::now() => Ok(Some(AsOf::Time(time))),
        (Some(_), None) => Err(ApiError::validation("asOf", "must not lie in the future")),
        (None, Some(position)) if position >= 0 => Ok(Some(AsOf::Position(position))),
        (None, Some(_)) => Err(ApiError::validation("atPosition", "is not a position")),
        (Some(_), Some(_)) => Err(ApiError::validation("atPosition", "must not stand beside asOf")),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TransfersWanted {
    /// `requested`, `approved`, `rejected` or `expired`.
    #[param(value_type = Option<String>)]
    status: Option<TransferStatus>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Transfers that needed a second person, newest first (LED-18).
#[utoipa::path(get, path = "/v1/ledger/transfers", tag = "ledger", params(TransfersWanted), responses((status = 200, body = List<RequestedTransfer>)))]
pub(crate) async fn list_transfers(
    caller: Caller,
    wanted: QueryParameters<TransfersWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<RequestedTransfer>>, ApiError> {
    let (tenant_id, status, page) = (caller.tenant_id, wanted.0.status, page(wanted.0.limit, wanted.0.cursor)?);
    let question = |pool| async move { wallet::transfers(&pool, tenant_id, status, &page).await };
    ask(&shared, &side, &caller, minimum, &[wallet::PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntriesWanted {
    /// Booked at or after.
    from: Option<DateTime<Utc>>,
    /// Booked before.
    to: Option<DateTime<Utc>>,
    /// What the entry is about: `escrow`, `bank_receipt` …
    ref_type: Option<String>,
    /// `debit` or `credit`.
    #[param(value_type = Option<String>)]
    direction: Option<EntrySide>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// The wallet's entries with running balances, newest first (LED-17). Fails with `WALLET_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/wallets/{walletId}/ledger", tag = "wallet", params(("walletId" = Uuid, Path), EntriesWanted),
    responses((status = 200, body = List<WalletEntry>)))]
pub(crate) async fn wallet_ledger(
    caller: Caller,
    id: PathId<WalletId>,
    wanted: QueryParameters<EntriesWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<WalletEntry>>, ApiError> {
    let wanted = wanted.0;
    let filter = EntryFilter { from: wanted.from, to: wanted.to, ref_type: wanted.ref_type, direction: wanted.direction };
    let page = page(wanted.limit, wanted.cursor)?;
    let (tenant_id, own, id) = (caller.tenant_id, caller.restricted_to(WalletRead), id.0);
    let question = |pool| async move { wallet::entries(&pool, tenant_id, id, own, &filter, &page).await };
    let read = ask(&shared, &side, &caller, minimum, &[wallet::PROJECTION, ledger::PROJECTION], question).await?;
    found(read, "WALLET_NOT_FOUND", "wallet")
}
