//! What "the same request" means for an idempotency key (docs/protocols.md, 3).

use actix_web::HttpRequest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::edge::pattern;

/// HMAC-SHA256 over method, route template, path ids and canonical body. Keyed, so that nobody can guess an erased
/// person's data from a stored fingerprint.
pub(crate) fn fingerprint(key: &[u8; 32], request: &HttpRequest, body: &Value) -> Vec<u8> {
    let route = pattern(request).unwrap_or_default();
    let ids: Vec<&str> = request.match_info().iter().map(|(_, value)| value).collect();
    of_parts(key, request.method().as_str(), &route, &ids, body)
}

fn of_parts(key: &[u8; 32], method: &str, route: &str, ids: &[&str], body: &Value) -> Vec<u8> {
    let mut message = String::new();
    for part in [method, route].iter().chain(ids) {
        message.push_str(part);
        message.push('\n');
    }
    write_canonical(body, &mut message);
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Object keys sorted, no spaces: the same content has one text, whoever wrote it.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (i, (name, value)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(&Value::String(name.clone()), out);
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(route: &str, ids: &[&str], body: &str) -> Vec<u8> {
        of_parts(&[1; 32], "POST", route, ids, &serde_json::from_str(body).unwrap())
    }

    #[test]
    fn order_and_spaces_do_not_matter_and_everything_else_does() {
        let one = print("/v1/escrows/{escrowId}/fund", &["a"], r#"{"a":[1,{"x":"1","y":null}],"b":true}"#);
        assert_eq!(one.len(), 32);
        assert_eq!(one, print("/v1/escrows/{escrowId}/fund", &["a"], r#"{ "b":true, "a":[1,{"y":null,"x":"1"}] }"#));
        assert_ne!(one, print("/v1/escrows/{escrowId}/fund", &["b"], r#"{"a":[1,{"x":"1","y":null}],"b":true}"#));
        assert_ne!(one, print("/v1/escrows/{escrowId}/lock", &["a"], r#"{"a":[1,{"x":"1","y":null}],"b":true}"#));
        assert_ne!(one, print("/v1/escrows/{escrowId}/fund", &["a"], r#"{"a":[1,{"x":"1","y":null}],"b":false}"#));
        assert_ne!(one, print("/v1/escrows/{escrowId}/fund", &["a"], r#"{"a":[{"x":"1","y":null},1],"b":true}"#));
    }
}
