//! Questions about credits (LED-23, LED-24). Owners without `credits.read` see their own.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::credits::CreditsOwner;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_domain::wallet::OwnerType;
use holdfast_projections::credits;
use holdfast_projections::credits::{CreditsBalance, CreditsEntry, EntryFilter, EntryKind};
use holdfast_projections::query::List;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::auth::Capability::{CreditsRead, CreditsReadOwn};
use crate::commands::credits::owner_of;
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, page};
use crate::request::{Caller, QueryParameters};
use crate::routes::{AccessCase, Foreign, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/credits/balance", &[CreditsRead, CreditsReadOwn], || web::get().to(credits_balance)),
    RouteSpec::query("/v1/credits/ledger", &[CreditsRead, CreditsReadOwn], || web::get().to(credits_ledger)),
];

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/credits/balance", Role::Casting, Role::Finance, Foreign::Parameter("ownerId")),
    get("/v1/credits/ledger", Role::Casting, Role::Finance, Foreign::Parameter("ownerId")),
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BalanceWanted {
    /// `user` (the default), `talent` or `tenant`.
    #[param(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    /// The caller, when none is named.
    #[param(value_type = Option<Uuid>)]
    owner_id: Option<PartyId>,
}

/// What can be spent now by kind, what of it expires within 30 days, and what is reserved (LED-23). Zeros for whoever never
/// had any.
#[utoipa::path(get, path = "/v1/credits/balance", tag = "credits", params(BalanceWanted), responses((status = 200, body = CreditsBalance)))]
pub(crate) async fn credits_balance(
    caller: Caller,
    wanted: QueryParameters<BalanceWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<CreditsBalance>, ApiError> {
    let (tenant_id, owner) = (caller.tenant_id, visible(&caller, wanted.0.owner_type, wanted.0.owner_id)?);
    let question = |pool| async move { credits::balance(&pool, tenant_id, owner, Utc::now()).await };
    ask(&shared, &side, &caller, minimum, &[credits::PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntriesWanted {
    /// `user` (the default), `talent` or `tenant`.
    #[param(value_type = Option<String>)]
    owner_type: Option<OwnerType>,
    /// The caller, when none is named.
    #[param(value_type = Option<Uuid>)]
    owner_id: Option<PartyId>,
    /// Recorded at or after.
    from: Option<DateTime<Utc>>,
    /// Recorded before.
    to: Option<DateTime<Utc>>,
    /// `issue`, `sell`, `consume`, `expire`, `revoke`, `reserve` or `release`.
    #[param(value_type = Option<String>)]
    kind: Option<EntryKind>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// How credits came and went, newest first (LED-24).
#[utoipa::path(get, path = "/v1/credits/ledger", tag = "credits", params(EntriesWanted), responses((status = 200, body = List<CreditsEntry>)))]
pub(crate) async fn credits_ledger(
    caller: Caller,
    wanted: QueryParameters<EntriesWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<CreditsEntry>>, ApiError> {
    let wanted = wanted.0;
    let (tenant_id, owner) = (caller.tenant_id, visible(&caller, wanted.owner_type, wanted.owner_id)?);
    let filter = EntryFilter { from: wanted.from, to: wanted.to, kind: wanted.kind };
    let page = page(wanted.limit, wanted.cursor)?;
    let question = |pool| async move { credits::entries(&pool, tenant_id, owner, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[credits::PROJECTION], question).await.map(Shown)
}

/// Whose credits are asked for, when the caller may see them.
fn visible(caller: &Caller, owner_type: Option<OwnerType>, owner_id: Option<PartyId>) -> Result<CreditsOwner, ApiError> {
    let owner_id = owner_id.unwrap_or(caller.actor.id);
    if caller.restricted_to(CreditsRead).is_some_and(|own| own != owner_id) {
        return Err(ApiError::policy_denied(json!({ "field": "ownerId" })));
    }
    owner_of(owner_type, owner_id, caller.tenant_id)
}
