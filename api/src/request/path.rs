//! The id in a path.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::error::ApiError;

/// The first id of the path. What is no UUID is a malformed request, not a missing resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.match_info().iter().next();
        let Some(id) = found else { return ready(Err(ApiError::internal_silent())) };
        ready(parsed(id).map(Self))
    }
}

/// Both ids of a path that has two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathIds<A, B>(pub(crate) A, pub(crate) B);

impl<A: FromStr, B: FromStr> FromRequest for PathIds<A, B> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut ids = request.match_info().iter();
        let (Some(first), Some(second)) = (ids.next(), ids.next()) else { return ready(Err(ApiError::internal_silent())) };
        ready(parsed(first).and_then(|first| Ok(Self(first, parsed(second)?))))
    }
}

fn parsed<T: FromStr>((name, value): (&str, &str)) -> Result<T, ApiError> {
    value.parse().map_err(|_| ApiError::validation(name, "is not a UUID"))
}
