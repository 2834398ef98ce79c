//! Routes that every process serves, to anyone: health, metrics, keys, and the OpenAPI document.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpResponse, web};
use futures::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Jwks;
use crate::health::CheckResult;
use crate::openapi;
use crate::routes::{OPENAPI_DOCUMENT, RouteSpec};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::platform("/healthz", || web::get().to(healthz)),
    RouteSpec::platform("/readyz", || web::get().to(readyz)),
    RouteSpec::platform("/metrics", || web::get().to(prometheus)),
    RouteSpec::platform("/.well-known/jwks.json", || web::get().to(published_keys)),
    RouteSpec::platform(OPENAPI_DOCUMENT, || web::get().to(openapi_document)),
];

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `ok`.
    pub status: &'static str,
}

/// The process runs. Says nothing about what it needs: that is `/readyz`.
#[utoipa::path(get, path = "/healthz", tag = "platform", responses((status = 200, body = Alive)))]
pub(crate) async fn healthz() -> web::Json<Alive> {
    web::Json(Alive { status: "ok" })
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    pub ready: bool,
    /// `production`, `dev` or `test`; in `test` nothing is safe.
    pub profile: String,
    pub checks: Vec<CheckResult>,
}

/// Everything that this process needs answers; 503 names what does not.
#[utoipa::path(get, path = "/readyz", tag = "platform",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness, description = "Something that is required does not answer")))]
pub(crate) async fn readyz(shared: Shared) -> HttpResponse {
    let runtime = shared.tasks.runtime();
    let checks = join_all(shared.checks.iter().map(|check| check.run(runtime))).await;
    let ready = checks.iter().all(|check| check.ok || !check.required);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(Readiness { ready, profile: shared.profile.clone(), checks })
}

/// Metrics in Prometheus' text format (NFR-106).
#[utoipa::path(get, path = "/metrics", tag = "platform", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn prometheus(shared: Shared) -> HttpResponse {
    let text = shared.metrics.as_ref().map(metrics_exporter_prometheus::PrometheusHandle::render).unwrap_or_default();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

/// The public keys of the tokens that this server accepts (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "platform", responses((status = 200, body = Jwks)))]
pub(crate) async fn published_keys(shared: Shared) -> HttpResponse {
    // Rotation drills ask for no more than five minutes.
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(shared.keys.jwks())
}

/// This document.
#[utoipa::path(get, path = "/docs/openapi.json", tag = "platform", responses((status = 200, body = Object)))]
pub(crate) async fn openapi_document() -> web::Json<utoipa::openapi::OpenApi> {
    web::Json(openapi::document())
}

pub(crate) async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}
