//! Around every request: its ids, its metrics, the headers that every answer carries, and errors in one format.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use holdfast_domain::kernel::{CorrelationId, RequestId};
use uuid::Uuid;

use crate::connection::Busy;
use crate::error::ApiError;
use crate::kept_body::keep;
use crate::routes;

/// Made here for every request; in its logs, errors and events (NFR-105).
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeContext {
    pub(crate) request_id: RequestId,
    /// The client's `X-Request-Id` when it is a UUID: what it wants its own requests tied together by.
    pub(crate) correlation_id: CorrelationId,
}

impl EdgeContext {
    fn of(headers: &HeaderMap) -> Self {
        let request_id = Uuid::now_v7();
        let named = headers.get("X-Request-Id").and_then(|value| value.to_str().ok()).and_then(|text| Uuid::parse_str(text).ok());
        Self { request_id: RequestId(request_id), correlation_id: CorrelationId(named.unwrap_or(request_id)) }
    }
}

/// For routes without a caller.
impl FromRequest for EdgeContext {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().copied().ok_or_else(ApiError::internal_silent))
    }
}

/// The route's template, found once for all who ask: to find it is to match the path all over again.
struct Pattern(Option<Rc<str>>);

/// `None`: no route is reached by this path.
pub(crate) fn pattern(request: &impl HttpMessage) -> Option<Rc<str>> {
    request.extensions().get::<Pattern>().and_then(|pattern| pattern.0.clone())
}

/// The outermost layer.
pub(crate) async fn edge(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let busy = Busy::with(&request);
    let context = EdgeContext::of(request.headers());
    request.extensions_mut().insert(context);
    let method = request.method().clone();
    let matched: Option<Rc<str>> = request.match_pattern().map(Rc::from);
    request.extensions_mut().insert(Pattern(matched.clone()));
    let route = matched.as_deref().filter(|pattern| routes::is_known(pattern)).unwrap_or("other").to_owned();
    let mut response = in_our_format(next.call(request).await?.map_into_boxed_body(), context.request_id);
    add_headers(response.headers_mut(), context, &route);
    measure(&method, route, response.status(), started);
    Ok(match busy {
        Some(busy) => response.map_body(|_, body| keep(body, busy)),
        None => response,
    })
}

/// Whatever went wrong on the way, the body is the documented one and names the request.
fn in_our_format(response: ServiceResponse, request_id: RequestId) -> ServiceResponse {
    let Some(error) = response.response().error() else { return response };
    let rendered = match error.as_error::<ApiError>() {
        Some(error) => error.render(Some(request_id)),
        None => ApiError::from_status(response.status()).render(Some(request_id)),
    };
    let from_layers: Vec<_> =
        response.headers().iter().filter(|(name, _)| is_for_browsers(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
    let mut response = response.into_response(rendered);
    for (name, value) in from_layers {
        response.headers_mut().append(name, value);
    }
    response
}

/// What the CORS layer has said stays, or no browser could read the error.
fn is_for_browsers(name: &HeaderName) -> bool {
    name.as_str().starts_with("access-control-") || *name == VARY
}

fn add_headers(headers: &mut HeaderMap, context: EdgeContext, route: &str) {
    let content_policy = if routes::is_documentation(route) {
        // Swagger UI brings its own scripts and sets styles inline.
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
        (CONTENT_SECURITY_POLICY, content_policy),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for (name, id) in [("x-request-id", context.request_id.0), ("x-correlation-id", context.correlation_id.0)] {
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// NFR-106. Labels are templates, never ids: their number is bounded and they name nobody.
fn measure(method: &actix_web::http::Method, route: String, status: StatusCode, started: Instant) {
    let method = if routes::METHODS.contains(&method.as_str()) { method.to_string() } else { "other".to_owned() };
    let labels = [("method", method), ("route", route), ("status", status.as_str().to_owned())];
    metrics::counter!("holdfast_http_requests_total", &labels).increment(1);
    metrics::histogram!("holdfast_http_request_duration_seconds", &labels).record(started.elapsed());
}
