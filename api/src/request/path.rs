//! The id in a path.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::error::ApiError;

/// The one id that our paths have at most. What is no UUID is a malformed request, not a missing resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.match_info().iter().next();
        let Some((name, value)) = found else { return ready(Err(ApiError::internal_silent())) };
        ready(value.parse().map(Self).map_err(|_| ApiError::validation(name, "is not a UUID")))
    }
}
