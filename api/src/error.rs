//! How refusals look to a client: the only place that knows status numbers (NFR-08).

use std::borrow::Cow;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use holdfast_commands::{Refusal, Rejection};
use holdfast_domain::kernel::{DomainError, ErrorKind, RequestId};
use holdfast_eventlog::LogError;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Every answer that is not a success: `{"error": {"code", "message", "details", "requestId"}}`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorDetail {
    /// Stable: programs may rely on it.
    #[schema(example = "INVALID_ESCROW_TRANSITION")]
    pub code: String,
    /// A sentence for people; may change.
    pub message: String,
    /// Values that help a program to react.
    #[schema(value_type = Object)]
    pub details: Value,
    /// Names this request in logs and events.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub request_id: Option<RequestId>,
}

/// A refusal on its way to the client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    kind: Kind,
    code: Cow<'static, str>,
    message: String,
    details: Value,
    retry_after_s: Option<u32>,
    /// The stored answer of an earlier request with the same key.
    replayed: bool,
    /// Methods that the path does take, for `Allow`.
    allow: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Malformed,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooSlow,
    Conflict,
    OtherVersion,
    TooLarge,
    WrongMediaType,
    Invalid,
    TooMany,
    Internal,
    Unavailable,
}

impl ApiError {
    fn new(kind: Kind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), message: message.into(), details: json!({}), retry_after_s: None, replayed: false, allow: None }
    }

    fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The request is not of the documented shape; `field` is what to look at.
    pub(crate) fn validation(field: &str, problem: impl std::fmt::Display) -> Self {
        let details = json!({ "field": field, "problem": problem.to_string() });
        Self::new(Kind::Malformed, "VALIDATION_FAILED", format!("{field}: {problem}")).with(details)
    }

    pub(crate) fn key_required() -> Self {
        Self::new(Kind::Malformed, "IDEMPOTENCY_KEY_REQUIRED", "this command needs an Idempotency-Key header")
            .with(json!({ "field": "Idempotency-Key" }))
    }

    /// Says nothing about why, so that nothing can be learnt from probing.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(Kind::Unauthenticated, "UNAUTHENTICATED", "a valid bearer token is needed")
    }

    /// The token would count if its session did.
    pub(crate) fn session_revoked() -> Self {
        Self::new(Kind::Unauthenticated, "SESSION_REVOKED", "this session was ended: sign in again")
    }

    pub(crate) fn policy_denied(details: Value) -> Self {
        Self::new(Kind::Forbidden, "POLICY_DENIED", "you may not do this").with(details)
    }

    /// Missing, or another's: the two look alike.
    pub(crate) fn not_found(code: &'static str, what: &str) -> Self {
        Self::new(Kind::NotFound, code, format!("this {what} does not exist"))
    }

    pub(crate) fn route_not_found() -> Self {
        Self::new(Kind::NotFound, "ROUTE_NOT_FOUND", "there is nothing at this path")
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let mut error = Self::new(Kind::MethodNotAllowed, "METHOD_NOT_ALLOWED", format!("this path takes {allow}"));
        error.allow = Some(allow);
        error
    }

    pub(crate) fn body_too_slow() -> Self {
        Self::new(Kind::TooSlow, "REQUEST_TIMEOUT", "the body did not arrive in time")
    }

    pub(crate) fn body_too_large(limit_bytes: usize) -> Self {
        Self::new(Kind::TooLarge, "PAYLOAD_TOO_LARGE", format!("a body may have {limit_bytes} bytes"))
            .with(json!({ "limitBytes": limit_bytes }))
    }

    pub(crate) fn not_json() -> Self {
        Self::new(Kind::WrongMediaType, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json, not compressed")
    }

    /// A rule of the edge refuses these values (MNY-02).
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self::new(Kind::Invalid, code, message).with(details)
    }

    /// What the request is about is not in a state for it, or something else decides.
    pub(crate) fn conflict(code: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self::new(Kind::Conflict, code, message).with(details)
    }

    /// Altered, ended, or made elsewhere: they look alike.
    pub(crate) fn signing_link_invalid() -> Self {
        Self::new(Kind::Forbidden, "SIGNING_LINK_INVALID", "this link is not valid, or has ended")
    }

    /// CTR-25. Says nothing about why.
    pub(crate) fn webhook_signature_invalid() -> Self {
        Self::new(Kind::Unauthenticated, "WEBHOOK_SIGNATURE_INVALID", "the signature of this message is not valid")
    }

    /// A read model has not reached the asked position: the command was accepted and is not visible yet.
    pub(crate) fn projection_behind(asked: i64, reached: i64) -> Self {
        Self::new(Kind::Unavailable, "PROJECTION_BEHIND", "accepted, but not visible yet: ask again")
            .with(json!({ "minPosition": asked, "position": reached }))
            .retry_after(1)
    }

    pub(crate) fn unavailable(message: &'static str) -> Self {
        Self::new(Kind::Unavailable, "UNAVAILABLE", message).retry_after(1)
    }

    /// As many requests of this kind are in work as there are places.
    pub(crate) fn overloaded() -> Self {
        Self::new(Kind::Unavailable, "OVERLOADED", "too many requests of this kind are in work: try again in a moment").retry_after(1)
    }

    /// The database answers and the file storage does not.
    pub(crate) fn files_unavailable() -> Self {
        Self::new(Kind::Unavailable, "FILES_UNAVAILABLE", "files cannot be reached at the moment").retry_after(1)
    }

    /// TAL-44.
    pub(crate) fn rate_limited(retry_after_s: u32) -> Self {
        Self::new(Kind::TooMany, "RATE_LIMITED", "too many requests of this sort: wait a little").retry_after(retry_after_s)
    }

    /// This user reads so many streams already.
    pub(crate) fn too_many_streams(limit: usize) -> Self {
        Self::new(Kind::TooMany, "TOO_MANY_STREAMS", format!("you have {limit} streams open: close one first"))
            .with(json!({ "limit": limit }))
            .retry_after(5)
    }

    /// The cause goes to the log, once; never to the client.
    pub(crate) fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = cause, "a request failed");
        Self::internal_silent()
    }

    /// The log was not read: 503 while the database does not answer, else a mistake of ours.
    pub(crate) fn log_not_read(error: &LogError) -> Self {
        match error {
            LogError::Database(_) => {
                tracing::warn!(error = error as &dyn std::error::Error, "the log was not read");
                Self::unavailable("the log cannot be reached at the moment")
            }
            LogError::Unreadable(_) => Self::internal(error),
        }
    }

    /// For causes that were logged where they arose.
    pub(crate) fn internal_silent() -> Self {
        Self::new(Kind::Internal, "INTERNAL", "something went wrong on our side")
    }

    /// Any error that did not start as ours (the web framework's own), in our format.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::route_not_found(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Kind::TooLarge, "PAYLOAD_TOO_LARGE", "the body is too large"),
            StatusCode::REQUEST_TIMEOUT => Self::body_too_slow(),
            status if status.is_client_error() => Self::validation("request", "cannot be read"),
            _ => Self::internal_silent(),
        }
    }

    /// The answer, naming the request.
    pub(crate) fn render(&self, request_id: Option<RequestId>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        if self.kind == Kind::Unauthenticated {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.replayed {
            response.insert_header(("Idempotency-Replayed", "true"));
        }
        let (code, message, details) = (self.code.to_string(), self.message.clone(), self.details.clone());
        response.json(ErrorBody { error: ErrorDetail { code, message, details, request_id } })
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &str {
        &self.code
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self.kind {
            Kind::Malformed => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::OtherVersion => StatusCode::PRECONDITION_FAILED,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::WrongMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.render(None)
    }
}

impl From<ErrorKind> for Kind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Forbidden => Self::Forbidden,
        }
    }
}

impl ApiError {
    /// What came of a command that was not accepted. `keyed`: it was sent with an idempotency key.
    pub(crate) fn refused(refusal: Refusal, keyed: bool) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Rejected { rejection, replayed } => Self::rejected(rejection, replayed, keyed),
            Refusal::TenantUnknown => Self::new(Kind::NotFound, "TENANT_NOT_FOUND", message),
            Refusal::TenantSuspended => Self::new(Kind::Forbidden, "TENANT_DISABLED", message),
            Refusal::VersionMismatch { expected, actual } => {
                Self::new(Kind::OtherVersion, "VERSION_CONFLICT", message).with(json!({ "expected": expected, "actual": actual }))
            }
            Refusal::KeyReused { stored, sent } => {
                Self::new(Kind::Invalid, "IDEMPOTENCY_KEY_REUSED", message).with(json!({ "stored": stored, "sent": sent }))
            }
            Refusal::KeyInFlight => Self::new(Kind::Conflict, "IDEMPOTENCY_KEY_IN_FLIGHT", message).retry_after(1),
            Refusal::Busy { retry_after_s } => Self::new(Kind::Unavailable, "UNAVAILABLE", message).retry_after(retry_after_s.max(1)),
            Refusal::OutcomeUnknown => Self::new(Kind::Unavailable, "OUTCOME_UNKNOWN", message).retry_after(1),
            Refusal::TooManyHops | Refusal::Internal => Self::internal_silent(),
        }
    }

    /// A rule of the domain that the edge applies itself, before there is a command.
    pub(crate) fn by_rule(refusal: &impl DomainError) -> Self {
        let (kind, code) = refusal.describe();
        Self::new(kind.into(), code, refusal.to_string()).with(refusal.details())
    }

    /// A rejection by the domain is final for its key: trying again needs a new one (protocols 3.3).
    fn rejected(rejection: Rejection, replayed: bool, keyed: bool) -> Self {
        let mut details = match rejection.details {
            Value::Object(details) => details,
            Value::Null => serde_json::Map::new(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                serde_json::Map::from_iter([("value".to_owned(), other)])
            }
        };
        if keyed {
            details.insert("retryWithNewKey".to_owned(), Value::Bool(true));
        }
        let mut error = Self::new(rejection.kind.into(), rejection.code, rejection.message).with(Value::Object(details));
        error.replayed = replayed;
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_cannot_be_reached_is_no_mistake_of_ours() {
        // Found by the torture scenario postgres_backends: 500 while Postgres recovered.
        let error = ApiError::log_not_read(&LogError::Database(sqlx::Error::PoolTimedOut));
        assert_eq!(error.status_code(), StatusCode::SERVICE_UNAVAILABLE);
    }

    fn rejection(kind: ErrorKind) -> Refusal {
        let rejection =
            Rejection { kind, code: "SOME_CODE".to_owned(), message: "because".to_owned(), details: json!({ "status": "created" }) };
        Refusal::Rejected { rejection, replayed: true }
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let cases = [
            (rejection(ErrorKind::Invalid), 422, "SOME_CODE"),
            (rejection(ErrorKind::Conflict), 409, "SOME_CODE"),
            (rejection(ErrorKind::NotFound), 404, "SOME_CODE"),
            (rejection(ErrorKind::Forbidden), 403, "SOME_CODE"),
            (Refusal::TenantUnknown, 404, "TENANT_NOT_FOUND"),
            (Refusal::TenantSuspended, 403, "TENANT_DISABLED"),
            (Refusal::VersionMismatch { expected: 1, actual: 2 }, 412, "VERSION_CONFLICT"),
            (Refusal::KeyReused { stored: "aa".to_owned(), sent: "bb".to_owned() }, 422, "IDEMPOTENCY_KEY_REUSED"),
            (Refusal::KeyInFlight, 409, "IDEMPOTENCY_KEY_IN_FLIGHT"),
            (Refusal::Busy { retry_after_s: 2 }, 503, "UNAVAILABLE"),
            (Refusal::OutcomeUnknown, 503, "OUTCOME_UNKNOWN"),
            (Refusal::Internal, 500, "INTERNAL"),
        ];
        for (refusal, status, code) in cases {
            let error = ApiError::refused(refusal, true);
            assert_eq!((error.status_code().as_u16(), error.code()), (status, code));
        }
    }

    #[test]
    fn a_rejection_with_a_key_says_that_a_new_try_needs_a_new_key() {
        let error = ApiError::refused(rejection(ErrorKind::Conflict), true);
        assert_eq!(error.details, json!({ "status": "created", "retryWithNewKey": true }));
        assert_eq!(error.render(None).headers().get("Idempotency-Replayed").unwrap(), "true");
        assert_eq!(ApiError::refused(rejection(ErrorKind::Conflict), false).details, json!({ "status": "created" }));
    }

    #[test]
    fn what_may_be_repeated_says_when() {
        for refusal in [Refusal::KeyInFlight, Refusal::Busy { retry_after_s: 0 }, Refusal::OutcomeUnknown] {
            let answer = ApiError::refused(refusal, true).render(None);
            assert_eq!(answer.headers().get(header::RETRY_AFTER).unwrap(), "1");
        }
    }
}
