//! Where a request comes from: kept only as evidence of a signature, sealed.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{Error, FromRequest, HttpRequest};

/// The address of the other end of the connection (behind a proxy that is the proxy) and what the client calls itself.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
}

impl FromRequest for Traces {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ip = request.peer_addr().map(|address| address.ip().to_string());
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        ready(Ok(Self { ip, user_agent: user_agent.map(|text| text.chars().take(500).collect()) }))
    }
}
