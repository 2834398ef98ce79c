//! In front of every route: who calls, for which tenant, and may they come in. Deny by default: a route that is not
//! in the table, or a caller without its capability, gets no further. Before that: is there a place for it.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};
use holdfast_domain::kernel::TenantId;
use serde_json::json;

use crate::auth::{Barred, Identity, holds, now_s};
use crate::edge::{EdgeContext, pattern};
use crate::error::ApiError;
use crate::in_flight::{Lane, Place};
use crate::kept_body::keep;
use crate::request::Caller;
use crate::routes::{self, Access, Kind, RouteSpec};
use crate::state::Shared;

/// Answers at once, or hands the request on with its place and its [`Caller`].
pub(crate) async fn guard(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    match place(&request) {
        Ok((spec, None)) => admitted(request, spec, next).await,
        Ok((spec, Some(place))) => {
            let response = place.clone().hold(admitted(request, spec, next)).await?;
            Ok(response.map_body(|_, body| keep(body, place)))
        }
        Err(error) => Ok(request.error_response(error)),
    }
}

/// The route, and a place in its lane: none for the documentation, for what needs no place, and inside a batch, which has one.
fn place(request: &ServiceRequest) -> Result<(Option<&'static RouteSpec>, Option<Place>), ApiError> {
    let pattern = pattern(request).ok_or_else(ApiError::route_not_found)?;
    if routes::is_documentation(&pattern) {
        return Ok((None, None));
    }
    let spec = routes::find(request.method(), &pattern).ok_or_else(|| ApiError::method_not_allowed(routes::methods_of(&pattern)))?;
    let Some(lane) = Lane::of(spec).filter(|_| Place::held().is_none()) else { return Ok((Some(spec), None)) };
    Ok((Some(spec), Some(shared(request)?.in_flight.take(lane)?)))
}

fn shared(request: &ServiceRequest) -> Result<&Shared, ApiError> {
    request.app_data::<Shared>().ok_or_else(ApiError::internal_silent)
}

async fn admitted(
    request: ServiceRequest,
    spec: Option<&'static RouteSpec>,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match admit(&request, spec).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                tracing::Span::current().record("tenant_id", tracing::field::display(caller.tenant_id));
                request.extensions_mut().insert(caller);
            }
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(error) => Ok(request.error_response(error)),
    }
}

/// `None` for public routes.
async fn admit(request: &ServiceRequest, spec: Option<&'static RouteSpec>) -> Result<Option<Caller>, ApiError> {
    let Some(spec) = spec else { return Ok(None) };
    let any_of = match spec.access {
        Access::Public | Access::Signed => return Ok(None),
        Access::Authenticated => None,
        Access::Requires(any_of) => Some(any_of),
    };
    let shared = shared(request)?;
    let identity = authenticate(request, shared)?;
    said_once(request)?;
    not_revoked(shared, &identity).await?;
    same_tenant(request, identity.tenant_id)?;
    if let Some(any_of) = any_of
        && !any_of.iter().any(|capability| holds(&identity.actor.roles, *capability))
    {
        let needed: Vec<_> = any_of.iter().map(|capability| capability.as_str()).collect();
        return Err(ApiError::policy_denied(json!({ "capability": needed })));
    }
    well_formed(request, spec)?;
    caller(request, spec, identity).map(Some)
}

fn authenticate(request: &ServiceRequest, shared: &Shared) -> Result<Identity, ApiError> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, token) = header.split_once(' ').ok_or_else(ApiError::unauthenticated)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthenticated());
    }
    shared.verifier.verify(token.trim(), now_s()).map_err(|reason| {
        tracing::info!(%reason, "a token was refused");
        ApiError::unauthenticated()
    })
}

/// A header with two values means one thing to us and perhaps another to a proxy in front of us.
fn said_once(request: &ServiceRequest) -> Result<(), ApiError> {
    let twice = [AUTHORIZATION.as_str(), "X-Tenant-Id", "Idempotency-Key", "If-Match", "X-Min-Position"];
    match twice.into_iter().find(|name| request.headers().get_all(*name).nth(1).is_some()) {
        Some(name) => Err(ApiError::validation(name, "is there more than once")),
        None => Ok(()),
    }
}

/// The token says which tenant it is for; the header may only agree (IDN-80).
fn same_tenant(request: &ServiceRequest, tenant_id: TenantId) -> Result<(), ApiError> {
    let Some(header) = request.headers().get("X-Tenant-Id") else { return Ok(()) };
    let named: TenantId =
        header.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| ApiError::validation("X-Tenant-Id", "is not a UUID"))?;
    if named == tenant_id { Ok(()) } else { Err(ApiError::policy_denied(json!({ "header": "X-Tenant-Id" }))) }
}

/// The signature is checked once per token; this is asked for every request.
async fn not_revoked(shared: &Shared, identity: &Identity) -> Result<(), ApiError> {
    shared.revocations.check(identity.tenant_id, identity.session_id).await.map_err(|barred| match barred {
        Barred::Revoked => ApiError::session_revoked(),
        Barred::Unknown => ApiError::unavailable("it cannot be found out at the moment whether this session was revoked"),
    })
}

/// What every command must and must not carry, whatever its body.
fn well_formed(request: &ServiceRequest, spec: &RouteSpec) -> Result<(), ApiError> {
    if spec.kind != Kind::Command {
        return Ok(());
    }
    if !request.query_string().is_empty() {
        return Err(ApiError::validation("query", "commands take no query parameters"));
    }
    if spec.money && !request.headers().contains_key("Idempotency-Key") {
        return Err(ApiError::key_required());
    }
    Ok(())
}

fn caller(request: &ServiceRequest, spec: &'static RouteSpec, identity: Identity) -> Result<Caller, ApiError> {
    let headers = request.headers();
    let context = request.extensions().get::<EdgeContext>().copied().ok_or_else(ApiError::internal_silent)?;
    Caller::try_new(identity, spec, context, headers.get("Idempotency-Key"), headers.get("If-Match"))
}
