//! Query parameters: unknown ones are refused, errors name the parameter.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// `T` must be `deny_unknown_fields`.
#[derive(Debug)]
pub(crate) struct QueryParameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for QueryParameters<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

/// Every parameter is one too many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    let pairs = serde_urlencoded::Deserializer::new(form_pairs(text));
    serde_path_to_error::deserialize(pairs).map_err(|error| super::body::named_error(&error.path().to_string(), error.inner(), "query"))
}

fn form_pairs(text: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct List {
        page_limit: Option<u16>,
        status: Option<String>,
    }

    #[test]
    fn parameters_are_typed_and_unknown_ones_are_refused_by_name() {
        let list: List = parse("pageLimit=5&status=a%20b").unwrap();
        assert_eq!((list.page_limit, list.status.as_deref()), (Some(5), Some("a b")));
        let wrong = [("pageLimit=five", "pageLimit"), ("tenantId=1", "tenantId"), ("pageLimit=1&pageLimit=2", "pageLimit")];
        for (text, field) in wrong {
            let error = parse::<List>(text).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
