//! The span of one request: what every log line and trace of it carries (NFR-105, NFR-107).

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage as _};
use opentelemetry::trace::Status;
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_actix_web::RootSpanBuilder;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::edge::{EdgeContext, pattern};

/// Route templates, never paths or queries: ids and personal data stay out of logs.
///
/// A field that is recorded later is written into the text of the span again, with all others; so that only what log lines
/// need is a field. The rest are attributes, which cost nothing when no traces leave the process.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let context = request.extensions().get::<EdgeContext>().copied();
        let route = pattern(request);
        let route = route.as_deref().unwrap_or("other");
        tracing::info_span!(
            "request",
            otel.name = %format_args!("{} {route}", request.method()),
            otel.kind = "server",
            http.request.method = request.method().as_str(),
            http.route = route,
            request_id = context.map(|context| display(context.request_id)),
            correlation_id = context.map(|context| display(context.correlation_id)),
            tenant_id = Empty,
            error_code = Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let Ok(response) = outcome else {
            span.set_status(Status::error(""));
            return;
        };
        let status = response.status().as_u16();
        span.set_attribute("http.response.status_code", i64::from(status));
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        if let Some(error) = response.response().error() {
            span.record("error_code", display(error));
        }
        span.in_scope(|| if status >= 500 { tracing::warn!(status, "answered") } else { tracing::debug!(status, "answered") });
    }
}
