//! Who sends this request, in full. Made once by the guard; handlers take it as an argument.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use holdfast_domain::kernel::{Actor, CorrelationId, PartyId, RequestId, TenantId};
use uuid::Uuid;

use crate::auth::{Capability, Identity, holds};
use crate::edge::EdgeContext;
use crate::error::ApiError;
use crate::routes::{Kind, RouteSpec};

/// Tenant, actor, roles, ids and idempotency key of a request that was let in (IDN-83).
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub tenant_id: TenantId,
    pub actor: Actor,
    /// By which its tokens are revoked.
    pub session_id: Uuid,
    /// When the token expires, in seconds since 1970.
    pub expires_at_s: u64,
    pub request_id: RequestId,
    pub correlation_id: CorrelationId,
    /// Commands only.
    pub idempotency_key: Option<String>,
    /// The version that the client has seen; commands only.
    pub if_match: Option<i64>,
}

impl Caller {
    pub(crate) fn try_new(
        identity: Identity,
        spec: &RouteSpec,
        context: EdgeContext,
        key: Option<&HeaderValue>,
        if_match: Option<&HeaderValue>,
    ) -> Result<Self, ApiError> {
        let command = spec.kind == Kind::Command;
        Ok(Self {
            tenant_id: identity.tenant_id,
            actor: identity.actor,
            session_id: identity.session_id,
            expires_at_s: identity.expires_at_s,
            request_id: context.request_id,
            correlation_id: context.correlation_id,
            idempotency_key: key.filter(|_| command).map(idempotency_key).transpose()?,
            if_match: if_match.filter(|_| command).map(version).transpose()?,
        })
    }

    #[must_use]
    pub(crate) fn holds(&self, capability: Capability) -> bool {
        holds(&self.actor.roles, capability)
    }

    /// Whose rows this caller may see: everybody's (`None`) with `read_all`, else its own.
    #[must_use]
    pub(crate) fn restricted_to(&self, read_all: Capability) -> Option<PartyId> {
        if self.holds(read_all) { None } else { Some(self.actor.id) }
    }
}

fn idempotency_key(header: &HeaderValue) -> Result<String, ApiError> {
    let wrong = || ApiError::validation("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
    let key = header.to_str().map_err(|_| wrong())?;
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=255).contains(&key.len()) { Ok(key.to_owned()) } else { Err(wrong()) }
}

/// `7`, `"7"` or `W/"7"`.
fn version(header: &HeaderValue) -> Result<i64, ApiError> {
    let text = header.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| ApiError::validation("If-Match", "must be the version number of the resource"))
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// A handler of a public route that asks for a caller is a mistake of ours.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(ApiError::internal_silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_takes_a_version_quoted_or_not() {
        for text in ["7", "\"7\"", "W/\"7\"", " 7 "] {
            assert_eq!(version(&HeaderValue::from_str(text).unwrap()).unwrap(), 7);
        }
        for text in ["", "*", "-1", "+1", "\"7", "seven", "99999999999999999999"] {
            assert!(version(&HeaderValue::from_str(text).unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_1_to_255_visible_characters() {
        assert!(idempotency_key(&HeaderValue::from_static("a-1_b")).is_ok());
        assert!(idempotency_key(&HeaderValue::from_str(&"k".repeat(255)).unwrap()).is_ok());
        for text in [String::new(), "k".repeat(256), "a b".to_owned(), "a\tb".to_owned()] {
            assert!(idempotency_key(&HeaderValue::from_str(&text).unwrap()).is_err(), "{text:?}");
        }
    }
}
