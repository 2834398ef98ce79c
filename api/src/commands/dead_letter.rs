//! Another attempt at a step of a reaction that was refused (ADM-20).

use actix_web::web;
use holdfast_commands::reaction::{DeadLetter, find_dead_letter};
use holdfast_domain::kernel::{Role, TenantId};
use holdfast_domain::tenant::{Tenant, TenantCommand};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::DeadLettersRedrive;
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, PathId, Text};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, post};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::money("/v1/admin/dead-letters/{deadLetterId}/redrive", &[DeadLettersRedrive], || web::post().to(redrive_own)),
    RouteSpec::money("/v1/super/dead-letters/{deadLetterId}/redrive", &[DeadLettersRedrive], || web::post().to(redrive_any)),
    RouteSpec::money("/v1/super/dead-letters/{deadLetterId}/replay", &[DeadLettersRedrive], || web::post().to(replay_any)),
];

const LETTER: Foreign = Foreign::Path(ForeignId::DeadLetter);
const REASON: &str = r#"{"reason":"isolation"}"#;

pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/admin/dead-letters/{deadLetterId}/redrive", Role::TenantAdmin, Role::Superadmin, REASON, LETTER),
    post("/v1/super/dead-letters/{deadLetterId}/redrive", Role::TenantAdmin, Role::PlatformOps, REASON, LETTER),
    post("/v1/super/dead-letters/{deadLetterId}/replay", Role::Auditor, Role::Superadmin, REASON, LETTER),
];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Redrive {
    /// Kept in the log as it stands, for ever: a reason of business that names no person.
    reason: Text,
}

/// Ask for another attempt at a step of the caller's tenant. The log keeps who asked. Fails with `DEAD_LETTER_NOT_FOUND`.
#[utoipa::path(post, path = "/v1/admin/dead-letters/{deadLetterId}/redrive", tag = "admin", params(("deadLetterId" = Uuid, Path)),
    request_body = Redrive, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn redrive_own(
    caller: Caller,
    id: PathId<Uuid>,
    body: CommandBody<Redrive>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let own = caller.tenant_id;
    redrive(caller, id, body, &shared, &side, |letter| letter.tenant_id == own.uuid()).await
}

/// Ask for another attempt at a step of any tenant (ADM-20). That tenant's log keeps who asked. Fails with `DEAD_LETTER_NOT_FOUND`.
#[utoipa::path(post, path = "/v1/super/dead-letters/{deadLetterId}/redrive", tag = "admin", params(("deadLetterId" = Uuid, Path)),
    request_body = Redrive, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn redrive_any(
    caller: Caller,
    id: PathId<Uuid>,
    body: CommandBody<Redrive>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    redrive(caller, id, body, &shared, &side, |_| true).await
}

/// The same as `POST /v1/super/dead-letters/{deadLetterId}/redrive`.
#[utoipa::path(post, path = "/v1/super/dead-letters/{deadLetterId}/replay", tag = "admin", params(("deadLetterId" = Uuid, Path)),
    request_body = Redrive, responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn replay_any(
    caller: Caller,
    id: PathId<Uuid>,
    body: CommandBody<Redrive>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    redrive_any(caller, id, body, shared, side).await
}

/// A repeated request for one that was resolved meanwhile still finds it.
async fn redrive(
    caller: Caller,
    id: PathId<Uuid>,
    body: CommandBody<Redrive>,
    shared: &Shared,
    side: &Side,
    may_see: impl Fn(&DeadLetter) -> bool,
) -> Result<Answered, ApiError> {
    let (pool, id) = (side.pool.clone(), id.0);
    let found = shared.tasks.run(async move { find_dead_letter(&pool, id).await.map_err(|error| ApiError::internal(&error)) }).await?;
    let letter = found.filter(may_see).ok_or_else(|| ApiError::not_found("DEAD_LETTER_NOT_FOUND", "dead letter"))?;
    let command = TenantCommand::RedriveReaction { dead_letter_id: id, reason: body.content.reason.into_string() };
    let of_tenant = Caller { tenant_id: TenantId(letter.tenant_id), ..caller };
    execute::<Tenant>(shared, side, of_tenant, letter.tenant_id, command, body.fingerprint).await.map(Answered::ok)
}
