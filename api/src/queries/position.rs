//! `X-Min-Position`: show me at least what I have written.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::error::ApiError;

/// The position that the client got from a command's answer; none: whatever is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MinPosition(pub(crate) Option<i64>);

impl FromRequest for MinPosition {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(header) = request.headers().get("X-Min-Position") else { return ready(Ok(Self(None))) };
        let position = header.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok()).filter(|position| *position >= 0);
        ready(position.map(|position| Self(Some(position))).ok_or_else(|| ApiError::validation("X-Min-Position", "is not a position")))
    }
}
