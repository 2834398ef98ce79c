//! Sessions end before their tokens do (IDN-11, IDN-22; docs/domain/session.md).

use actix_web::web;
use holdfast_domain::kernel::Role;
use holdfast_domain::session::{RevocationReason, Session, SessionCommand};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Capability::{SessionsEnd, SessionsRevoke};
use crate::commands::answer::{Answered, CommandAnswer};
use crate::commands::{Side, execute};
use crate::error::ApiError;
use crate::request::{Caller, CommandBody, NoContent};
use crate::routes::{AccessCase, Foreign, RouteSpec, post};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::command("POST", "/v1/admin/sessions/revoke", &[SessionsRevoke], || web::post().to(revoke_session)),
    RouteSpec::command("POST", "/v1/sessions/current/revoke", &[SessionsEnd], || web::post().to(end_session)),
];

pub(crate) const CASES: &[AccessCase] = &[
    post("/v1/admin/sessions/revoke", Role::Ops, Role::TenantAdmin, REVOKE, Foreign::Body),
    post("/v1/sessions/current/revoke", Role::Service, Role::Talent, "{}", Foreign::OwnTenantOnly),
];

const REVOKE: &str = r#"{"sessionId":"{party}","reason":"device_lost"}"#;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RevokeSession {
    /// The `sid` of its tokens.
    session_id: Uuid,
    /// `signed_out`, `device_lost`, `suspected_misuse` or `access_ended`.
    #[schema(value_type = String, example = "device_lost")]
    reason: RevocationReason,
}

/// End somebody's session in this tenant: within seconds its tokens are refused with 401 `SESSION_REVOKED` and its streams are closed.
/// Cannot be taken back; a second time changes nothing. It is not known which sessions there are: any id is taken.
#[utoipa::path(post, path = "/v1/admin/sessions/revoke", tag = "sessions", request_body = RevokeSession,
    responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn revoke_session(
    caller: Caller,
    body: CommandBody<RevokeSession>,
    shared: Shared,
    side: Side,
) -> Result<Answered, ApiError> {
    let RevokeSession { session_id, reason } = body.content;
    execute::<Session>(&shared, &side, caller, session_id, SessionCommand::Revoke { reason }, body.fingerprint).await.map(Answered::ok)
}

/// End the session of the token that this request carries.
#[utoipa::path(post, path = "/v1/sessions/current/revoke", tag = "sessions", responses((status = 200, body = CommandAnswer)))]
pub(crate) async fn end_session(caller: Caller, body: CommandBody<NoContent>, shared: Shared, side: Side) -> Result<Answered, ApiError> {
    let session_id = caller.session_id;
    execute::<Session>(&shared, &side, caller, session_id, SessionCommand::SignOut, body.fingerprint).await.map(Answered::ok)
}
