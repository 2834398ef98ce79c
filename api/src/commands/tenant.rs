//! Commands on the tenant itself.

use actix_web::web;
use holdfast_commands::reaction::dead_letter_exists;
use holdfast_domain::kernel::TenantId;
use holdfast_domain::tenant::{Tenant, TenantCommand, TenantSettings};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::{DeadLettersRedrive, TenantManageSettings};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, PathId, Text};
use crate::routes::RouteSpec;
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("PUT", "/v1/tenants/{tenantId}/settings", &[TenantManageSettings], || web::put().to(change_settings)),
    RouteSpec::money("/v1/admin/dead-letters/{deadLetterId}/redrive", &[DeadLettersRedrive], || web::post().to(redrive_dead_letter)),
];

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

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Redrive {
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// Ask for another attempt at a step that was put aside. The log keeps who asked. Fails with `DEAD_LETTER_NOT_FOUND`.
#[utoipa::path(post, path = "/v1/admin/dead-letters/{deadLetterId}/redrive", tag = "admin", params(("deadLetterId" = Uuid, Path)),
    request_body = Redrive, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn redrive_dead_letter(
    caller: Caller,
    id: PathId<Uuid>,
    body: CommandBody<Redrive>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    if !exists(&shared, &side, caller.tenant_id, id.0).await? {
        return Err(ApiError::not_found("DEAD_LETTER_NOT_FOUND", "dead letter"));
    }
    let command = TenantCommand::RedriveReaction { dead_letter_id: id.0, reason: body.content.reason.into_string() };
    let tenant_stream = caller.tenant_id.uuid();
    execute::<Tenant>(&shared, &side, caller, tenant_stream, command, body.fingerprint).await.map(Answered::ok)
}

async fn exists(shared: &Shared, side: &Side, tenant_id: TenantId, id: Uuid) -> Result<bool, ApiError> {
    let pool = side.pool.clone();
    let asked = async move { dead_letter_exists(&pool, tenant_id, id).await.map_err(|error| ApiError::internal(&error)) };
    shared.tasks.run(asked).await
}
