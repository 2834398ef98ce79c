//! The span of one request: what every log line and trace of it carries (NFR-105, NFR-107).

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage as _};
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_actix_web::RootSpanBuilder;

use crate::edge::EdgeContext;

/// Route templates, never paths or queries: ids and personal data stay out of logs.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let route = request.match_pattern().unwrap_or_else(|| "other".to_owned());
        let span = tracing::info_span!(
            "request",
            otel.name = %format!("{} {route}", request.method()),
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = %request.method(),
            http.route = %route,
            http.response.status_code = Empty,
            request_id = Empty,
            correlation_id = Empty,
            tenant_id = Empty,
            error_code = Empty,
        );
        if let Some(context) = request.extensions().get::<EdgeContext>() {
            span.record("request_id", display(context.request_id));
            span.record("correlation_id", display(context.correlation_id));
        }
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let Ok(response) = outcome else {
            span.record("otel.status_code", "ERROR");
            return;
        };
        span.record("http.response.status_code", response.status().as_u16());
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        if let Some(error) = response.response().error() {
            span.record("error_code", display(error));
        }
        let status = response.status().as_u16();
        span.in_scope(|| if status >= 500 { tracing::warn!(status, "answered") } else { tracing::debug!(status, "answered") });
    }
}
