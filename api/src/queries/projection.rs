//! How the projections are, and what became of orders about them (ADM-21; docs/projections.md).

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::kernel::Role;
use holdfast_projections::query::List;
use holdfast_projections::rebuild::{RunRow, Status};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::admin::{Desk, projection};
use crate::auth::Capability::{self, ProjectionsRebuild};
use crate::error::ApiError;
use crate::queries::{page, refused};
use crate::request::{Caller, NoParameters, PathId, PathIds, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};

const MAY: &[Capability] = &[ProjectionsRebuild];

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/super/projections", MAY, || web::get().to(list_projections)),
    RouteSpec::query("/v1/super/projections/{name}/runs", MAY, || web::get().to(list_runs)),
    RouteSpec::query("/v1/super/projections/{name}/runs/{runId}", MAY, || web::get().to(run_detail)),
];

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/super/projections", Role::TenantAdmin, Role::PlatformOps, Foreign::EveryTenant),
    get("/v1/super/projections/{name}/runs", Role::Auditor, Role::PlatformOps, Foreign::Path(ForeignId::Unknown)),
    get("/v1/super/projections/{name}/runs/{runId}", Role::TenantAdmin, Role::Superadmin, Foreign::Path(ForeignId::Unknown)),
];

/// Every projection, over all tenants: version, lag, pauses, where it has stopped (a reference to the event, never a copy), what the
/// side that is not read holds, the last run (ADM-21).
#[utoipa::path(get, path = "/v1/super/projections", tag = "admin", responses((status = 200, body = List<Status>)))]
pub(crate) async fn list_projections(
    _caller: Caller,
    _none: QueryParameters<NoParameters>,
    desk: Desk,
) -> Result<web::Json<List<Status>>, ApiError> {
    Ok(web::Json(List { items: desk.status().await?, next_cursor: None }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsWanted {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// The runs of a projection, newest first, without their reports (ADM-21). Fails with `PROJECTION_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/super/projections/{name}/runs", tag = "admin", params(("name" = String, Path), RunsWanted),
    responses((status = 200, body = List<RunRow>)))]
pub(crate) async fn list_runs(
    _caller: Caller,
    name: PathId<String>,
    wanted: QueryParameters<RunsWanted>,
    desk: Desk,
) -> Result<web::Json<List<RunRow>>, ApiError> {
    const SORT: &str = "projection_runs";
    let RunsWanted { cursor, limit } = wanted.0;
    let page = page(limit, cursor)?;
    let after = page.after::<(DateTime<Utc>, Uuid)>(SORT).map_err(refused)?;
    let runs = desk.runs(projection(&name.0)?, after, page.fetch()).await?;
    page.list(SORT, runs, |run| (run.requested_at, run.id)).map(web::Json).map_err(refused)
}

/// One run: how far it is, how fast, how long it will take, and what it has found (ADM-21). Fails with `PROJECTION_NOT_FOUND`,
/// `PROJECTION_RUN_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/super/projections/{name}/runs/{runId}", tag = "admin",
    params(("name" = String, Path), ("runId" = Uuid, Path)), responses((status = 200, body = RunRow)))]
pub(crate) async fn run_detail(
    _caller: Caller,
    ids: PathIds<String, Uuid>,
    _none: QueryParameters<NoParameters>,
    desk: Desk,
) -> Result<web::Json<RunRow>, ApiError> {
    desk.run(&ids.0, ids.1).await.map(web::Json)
}
