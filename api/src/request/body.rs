//! The body of a command: bounded in size and time, unknown fields refused, errors named by field.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpRequest};
use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::fingerprint::fingerprint;
use crate::state::Shared;

/// Covers what the server's own timer does not: that one stops at the head of the request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const MAX_JSON_BYTES: usize = 64 * 1024;

/// A parsed body with the fingerprint of the whole request. `T` must be `deny_unknown_fields`; no body at all is `{}`.
#[derive(Debug)]
pub(crate) struct CommandBody<T> {
    pub(crate) content: T,
    /// HMAC over method, route, path ids and canonical body, under the server's key.
    pub(crate) fingerprint: Vec<u8>,
}

/// Nothing but `{}`, or no body at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoContent {}

impl<T: DeserializeOwned + 'static> FromRequest for CommandBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload, MAX_JSON_BYTES).await?;
            let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
            let content = parse(text)?;
            let canonical: Value = serde_json::from_slice(text).map_err(|error| ApiError::validation("body", error))?;
            let shared = request.app_data::<Shared>().ok_or_else(ApiError::internal_silent)?;
            let fingerprint = fingerprint(&shared.request_hash_key, &request, &canonical);
            Ok(Self { content, fingerprint })
        })
    }
}

/// A body that is neither fingerprinted nor small.
pub(crate) async fn read_json<T: DeserializeOwned>(request: &HttpRequest, payload: Payload, limit_bytes: usize) -> Result<T, ApiError> {
    parse(&read(request, payload, limit_bytes).await?)
}

async fn read(request: &HttpRequest, payload: Payload, limit_bytes: usize) -> Result<BytesMut, ApiError> {
    let bytes = tokio::time::timeout(BODY_TIMEOUT, collect(payload, limit_bytes)).await.map_err(|_| ApiError::body_too_slow())??;
    if !bytes.is_empty() {
        must_be_json(request)?;
    }
    Ok(bytes)
}

async fn collect(mut payload: Payload, limit_bytes: usize) -> Result<BytesMut, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::validation("body", "broke off"))?;
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(ApiError::body_too_large(limit_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn must_be_json(request: &HttpRequest) -> Result<(), ApiError> {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_json = header(CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
    let is_plain = header(CONTENT_ENCODING).is_none_or(|value| value.eq_ignore_ascii_case("identity"));
    if is_json && is_plain { Ok(()) } else { Err(ApiError::not_json()) }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let content =
        serde_path_to_error::deserialize(&mut json).map_err(|error| named_error(&error.path().to_string(), error.inner(), "body"))?;
    json.end().map_err(|error| ApiError::validation("body", error))?;
    Ok(content)
}

/// The field that serde stopped at; for missing, unknown and doubled fields the one it names in its message.
pub(super) fn named_error(path: &str, error: &dyn std::fmt::Display, whole: &str) -> ApiError {
    let message = error.to_string();
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.split('`').next())
        .map(|name| if name.is_empty() { "\"\"" } else { name }); // a name all the same
    let path = if path == "." || path == "?" { None } else { Some(path) };
    let field = match (path, named) {
        (Some(""), named) => named.unwrap_or(whole).to_owned(),
        // An unknown field is already the end of its path.
        (Some(path), Some(named)) if path.ends_with(named) => path.to_owned(),
        (Some(path), Some(named)) => format!("{path}.{named}"),
        (Some(path), None) => path.to_owned(),
        (None, Some(named)) => named.to_owned(),
        (None, None) => whole.to_owned(),
    };
    ApiError::validation(&field, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::AmountText;

    #[test]
    fn a_field_with_an_empty_name_is_named_all_the_same() {
        // NFR-08
        let error = parse::<Pay>(br#"{"": 1}"#).unwrap_err();
        assert!(format!("{error:?}").contains(r#""field": String("\"\"")"#), "{error:?}");
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Pay {
        #[expect(dead_code, reason = "only parsing is tested")]
        amount: AmountText,
        #[serde(default)]
        #[expect(dead_code, reason = "only parsing is tested")]
        rules: Option<Rules>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Rules {
        #[expect(dead_code, reason = "only parsing is tested")]
        delivery_required: bool,
    }

    #[test]
    fn errors_name_the_field() {
        parse::<Pay>(br#"{"amount":"1.00"}"#).unwrap();
        let wrong = [
            (r#"{}"#, "amount:"),
            (r#"{"amount":1.00}"#, "amount:"),
            (r#"{"amount":"1","tenantId":"x"}"#, "tenantId:"),
            (r#"{"amount":"1","amount":"2"}"#, "amount:"),
            (r#"{"amount":"1","rules":{"deliveryRequired":"yes"}}"#, "rules.deliveryRequired:"),
            (r#"{"amount":"1","rules":{}}"#, "rules.deliveryRequired:"),
            (r#"{"amount":"1"} x"#, "body:"),
            ("[", "body:"),
            ("\u{0}", "body:"),
        ];
        for (text, field) in wrong {
            let error = parse::<Pay>(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("VALIDATION_FAILED: {field}")), "{text}: {error}");
        }
    }

    #[test]
    fn a_number_is_no_amount_and_the_message_says_what_is() {
        let error = parse::<Pay>(br#"{"amount":12.5}"#).unwrap_err().to_string();
        assert!(error.contains("decimal string"), "{error}");
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let text = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse::<Value>(text.as_bytes()).is_err());
    }
}
