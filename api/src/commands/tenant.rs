//! Commands on the tenant itself.

use actix_web::web;
use holdfast_domain::kernel::TenantId;
use holdfast_domain::tenant::{Tenant, TenantCommand, TenantSettings};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Capability::TenantManageSettings;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, PathId};
use crate::routes::RouteSpec;
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] =
    &[RouteSpec::command("PUT", "/v1/tenants/{tenantId}/settings", &[TenantManageSettings], || web::put().to(change_settings))];

/// All settings of a tenant; what is left out takes its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(crate) struct ChangeSettings(TenantSettings);

/// Replace the tenant's settings (ESC-70..76). Running escrows keep those they were created with.
#[utoipa::path(put, path = "/v1/tenants/{tenantId}/settings", tag = "tenant", params(("tenantId" = Uuid, Path)), request_body = ChangeSettings,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn change_settings(
    caller: Caller,
    id: PathId<TenantId>,
    body: CommandBody<ChangeSettings>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    // Another tenant and one that does not exist look alike.
    if id.0 != caller.tenant_id {
        return Err(ApiError::not_found("TENANT_NOT_FOUND", "tenant"));
    }
    let command = TenantCommand::ChangeSettings { settings: body.content.0 };
    execute::<Tenant>(&shared, &side, caller, id.0.uuid(), command, body.fingerprint).await.map(Answered::ok)
}
