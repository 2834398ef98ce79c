//! Orders about projections, for the platform's operators (ADM-21; docs/projections.md). The projector's process works them off.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use holdfast_domain::kernel::{Role, TenantId};
use holdfast_projections::rebuild::{Kind, Order, Ordered, RunRow};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::{Desk, projection};
use crate::auth::Capability::{self, ProjectionsRebuild};
use crate::commands::new_id;
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, NoContent, PathId, PathIds};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post};

const MAY: &[Capability] = &[ProjectionsRebuild];
const NAMED: Foreign = Foreign::Path(ForeignId::Unknown);

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/super/projections/{name}/rebuild", MAY, || web::post().to(rebuild_projection)),
    RouteSpec::command("POST", "/v1/super/projections/{name}/verify", MAY, || web::post().to(verify_projection)),
    RouteSpec::command("POST", "/v1/super/projections/{name}/swap-back", MAY, || web::post().to(swap_back_projection)),
    RouteSpec::command("POST", "/v1/super/projections/{name}/try", MAY, || web::post().to(try_projection)),
    RouteSpec::command("POST", "/v1/super/projections/{name}/pause", MAY, || web::post().to(pause_projection)),
    RouteSpec::command("POST", "/v1/super/projections/{name}/resume", MAY, || web::post().to(resume_projection)),
    RouteSpec::command("POST", "/v1/super/projections/{name}/runs/{runId}/swap", MAY, || web::post().to(swap_run)),
];

pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/super/projections/{name}/rebuild", Role::TenantAdmin, Role::PlatformOps, r#"{"swap":false}"#, NAMED),
    post("/v1/super/projections/{name}/verify", Role::TenantAdmin, Role::PlatformOps, "{}", NAMED),
    post("/v1/super/projections/{name}/swap-back", Role::Auditor, Role::Superadmin, "{}", NAMED),
    post("/v1/super/projections/{name}/try", Role::Ops, Role::PlatformAdmin, r#"{"tenantId":"{party}"}"#, NAMED),
    post("/v1/super/projections/{name}/pause", Role::PlatformFinance, Role::PlatformOps, "{}", NAMED),
    post("/v1/super/projections/{name}/resume", Role::TrustSafety, Role::PlatformOps, "{}", NAMED),
    post("/v1/super/projections/{name}/runs/{runId}/swap", Role::TenantAdmin, Role::PlatformOps, "{}", NAMED),
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RebuildProjection {
    /// One tenant alone; all when none is given.
    #[schema(value_type = Option<Uuid>)]
    tenant_id: Option<TenantId>,
    /// Go on to the swap by itself, whatever the comparison says. Otherwise look at the report, then order `runs/{runId}/swap`.
    #[serde(default)]
    swap: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OfTenants {
    /// One tenant alone; all when none is given.
    #[schema(value_type = Option<Uuid>)]
    tenant_id: Option<TenantId>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TryProjection {
    /// The tenant for which the projection has stopped.
    #[schema(value_type = Uuid)]
    tenant_id: TenantId,
}

/// Make a projection anew from the log beside the one that is read, and compare both (ADM-21). Fails with `PROJECTION_NOT_FOUND`,
/// `TENANT_NOT_FOUND`, `PROJECTION_RUN_OPEN`. `Location` names the run, whose report is the comparison.
#[utoipa::path(post, path = "/v1/super/projections/{name}/rebuild", tag = "admin", params(("name" = String, Path)),
    request_body = RebuildProjection, responses((status = 202, body = RunRow)))]
pub(crate) async fn rebuild_projection(
    caller: Caller,
    name: PathId<String>,
    body: CommandBody<RebuildProjection>,
    desk: Desk,
) -> Result<Given, ApiError> {
    let RebuildProjection { tenant_id, swap } = body.content;
    let order = Order { swap, ..new_order(&caller, &name.0, tenant_id, Kind::Rebuild)? };
    give(&desk, caller, order).await
}

/// Compare a projection with a fold of the log in memory; changes nothing (ADM-21). Fails as a rebuild does.
#[utoipa::path(post, path = "/v1/super/projections/{name}/verify", tag = "admin", params(("name" = String, Path)),
    request_body = OfTenants, responses((status = 202, body = RunRow)))]
pub(crate) async fn verify_projection(
    caller: Caller,
    name: PathId<String>,
    body: CommandBody<OfTenants>,
    desk: Desk,
) -> Result<Given, ApiError> {
    let order = new_order(&caller, &name.0, body.content.tenant_id, Kind::Verify)?;
    give(&desk, caller, order).await
}

/// Put the rows before the last swap back, after taking them to where the present ones stand (ADM-21). Fails as a rebuild does;
/// the run itself fails when nothing is kept, or by another version.
#[utoipa::path(post, path = "/v1/super/projections/{name}/swap-back", tag = "admin", params(("name" = String, Path)),
    request_body = OfTenants, responses((status = 202, body = RunRow)))]
pub(crate) async fn swap_back_projection(
    caller: Caller,
    name: PathId<String>,
    body: CommandBody<OfTenants>,
    desk: Desk,
) -> Result<Given, ApiError> {
    let order = new_order(&caller, &name.0, body.content.tenant_id, Kind::SwapBack)?;
    give(&desk, caller, order).await
}

/// What the projector's present code makes of the event at which a projection has stopped: the rows that it would write are
/// the run's report, and nothing is kept (ADM-21). Fails as a rebuild does.
#[utoipa::path(post, path = "/v1/super/projections/{name}/try", tag = "admin", params(("name" = String, Path)),
    request_body = TryProjection, responses((status = 202, body = RunRow)))]
pub(crate) async fn try_projection(
    caller: Caller,
    name: PathId<String>,
    body: CommandBody<TryProjection>,
    desk: Desk,
) -> Result<Given, ApiError> {
    let order = new_order(&caller, &name.0, Some(body.content.tenant_id), Kind::Try)?;
    give(&desk, caller, order).await
}

/// Let the projector leave a projection alone; it stays readable (ADM-21). Fails with `PROJECTION_NOT_FOUND`, `TENANT_NOT_FOUND`.
#[utoipa::path(post, path = "/v1/super/projections/{name}/pause", tag = "admin", params(("name" = String, Path)),
    request_body = OfTenants, responses((status = 200, body = RunRow)))]
pub(crate) async fn pause_projection(
    caller: Caller,
    name: PathId<String>,
    body: CommandBody<OfTenants>,
    desk: Desk,
) -> Result<Given, ApiError> {
    let order = new_order(&caller, &name.0, body.content.tenant_id, Kind::Pause)?;
    give(&desk, caller, order).await
}

/// Let a projection go on that was paused or has stopped at an event (ADM-21). Fails with `PROJECTION_NOT_FOUND`, `TENANT_NOT_FOUND`.
#[utoipa::path(post, path = "/v1/super/projections/{name}/resume", tag = "admin", params(("name" = String, Path)),
    request_body = OfTenants, responses((status = 200, body = RunRow)))]
pub(crate) async fn resume_projection(
    caller: Caller,
    name: PathId<String>,
    body: CommandBody<OfTenants>,
    desk: Desk,
) -> Result<Given, ApiError> {
    let order = new_order(&caller, &name.0, body.content.tenant_id, Kind::Resume)?;
    give(&desk, caller, order).await
}

/// Swap what a rebuild has left beside the rows that are read (ADM-21). Fails with `PROJECTION_NOT_FOUND`, `PROJECTION_RUN_NOT_FOUND`,
/// `PROJECTION_RUN_NOT_SWAPPABLE`, `PROJECTION_RUN_OPEN`; the run itself fails when another one came between, or an event is missing.
#[utoipa::path(post, path = "/v1/super/projections/{name}/runs/{runId}/swap", tag = "admin",
    params(("name" = String, Path), ("runId" = Uuid, Path)), responses((status = 202, body = RunRow)))]
pub(crate) async fn swap_run(
    caller: Caller,
    ids: PathIds<String, Uuid>,
    _body: CommandBody<NoContent>,
    desk: Desk,
) -> Result<Given, ApiError> {
    let PathIds(name, id) = ids;
    let prepared = desk.run(&name, id).await?;
    if prepared.kind != Kind::Rebuild || prepared.state != "done" {
        let details = json!({ "kind": prepared.kind, "state": prepared.state });
        return Err(ApiError::conflict(
            "PROJECTION_RUN_NOT_SWAPPABLE",
            "only a rebuild that has ended without a swap can be swapped",
            details,
        ));
    }
    let order = Order { of_run: Some(id), ..new_order(&caller, &name, prepared.tenant_id.map(TenantId), Kind::Swap)? };
    give(&desk, caller, order).await
}

/// The same key gives the same run.
fn new_order(caller: &Caller, name: &str, tenant: Option<TenantId>, kind: Kind) -> Result<Order, ApiError> {
    let order = Order::new(projection(name)?, tenant, kind, &format!("user {}", caller.actor.id));
    Ok(Order { id: new_id(caller, "projection_run"), ..order })
}

async fn give(desk: &Desk, caller: Caller, order: Order) -> Result<Given, ApiError> {
    desk.give(caller, order).await.map(Given)
}

/// 202 with the run that was ordered, or 200 when all is done.
pub(crate) struct Given(Ordered);

impl Responder for Given {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let Ordered { run, replayed } = self.0;
        let status = if matches!(run.kind, Kind::Pause | Kind::Resume) { StatusCode::OK } else { StatusCode::ACCEPTED };
        let mut response = HttpResponse::build(status);
        response.insert_header((LOCATION, format!("/v1/super/projections/{}/runs/{}", run.projection, run.id)));
        if replayed {
            response.insert_header(("Idempotency-Replayed", "true"));
        }
        response.json(run)
    }
}
