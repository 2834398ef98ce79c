//! Questions about the double-entry ledger (LED-25, LED-80).

use actix_web::web;
use holdfast_projections::ledger;
use holdfast_projections::ledger::{LedgerHealth, TrialBalance};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::auth::Capability::LedgerVerify;
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask};
use crate::request::{Caller, NoParameters, QueryParameters};
use crate::routes::RouteSpec;
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/ledger/trial-balance", &[LedgerVerify], || web::get().to(trial_balance)),
    RouteSpec::query("/api/v2/enterprise/ledger/balance", &[LedgerVerify], || web::get().to(ledger_health)),
];

/// Where every unit of the tenant is, per currency and account code (LED-80).
#[utoipa::path(get, path = "/v1/ledger/trial-balance", tag = "ledger", responses((status = 200, body = TrialBalance)))]
pub(crate) async fn trial_balance(
    caller: Caller,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<TrialBalance>, ApiError> {
    let tenant_id = caller.tenant_id;
    let question = |pool| async move { ledger::trial_balance(&pool, tenant_id).await };
    ask(&shared, &side, &caller, minimum, &[ledger::PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HealthWanted {
    /// Programs come with the settlement context; until then no entry belongs to one.
    program_id: Option<Uuid>,
}

/// Does the ledger balance: debits, credits and difference (0) per currency and account (LED-25).
#[utoipa::path(get, path = "/api/v2/enterprise/ledger/balance", tag = "ledger", params(HealthWanted),
    responses((status = 200, body = LedgerHealth)))]
pub(crate) async fn ledger_health(
    caller: Caller,
    wanted: QueryParameters<HealthWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<LedgerHealth>, ApiError> {
    if wanted.0.program_id.is_some() {
        return Err(ApiError::not_found("PROGRAM_NOT_FOUND", "program"));
    }
    let tenant_id = caller.tenant_id;
    let question = |pool| async move { ledger::health(&pool, tenant_id, None).await };
    ask(&shared, &side, &caller, minimum, &[ledger::PROJECTION], question).await.map(Shown)
}
