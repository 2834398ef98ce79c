//! What an accepted command answers: sent only after commit.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, Responder};
use holdfast_commands::Accepted;
use holdfast_domain::kernel::DisputeId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommandAnswer {
    /// Always true.
    pub ok: bool,
    /// The escrow, wallet, receipt or tenant.
    pub id: Uuid,
    /// Its version after the command: what `If-Match` takes.
    pub version: i64,
    /// The tenant's position of the last event: what `X-Min-Position` takes.
    pub position: i64,
    /// The state it is in now.
    #[schema(example = "funded")]
    pub status: String,
    pub events: Vec<AnsweredEvent>,
    /// Of a dispute that was raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub dispute_id: Option<DisputeId>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnsweredEvent {
    #[serde(rename = "type")]
    #[schema(example = "escrow.funding_requested")]
    pub event_type: String,
    pub sequence: i64,
}

/// The answer with its status and headers.
pub(crate) struct Answered<B = CommandAnswer> {
    status: StatusCode,
    replayed: bool,
    position: i64,
    version: i64,
    body: B,
}

impl Answered {
    pub(crate) fn ok(accepted: Accepted) -> Self {
        let events = accepted.events.into_iter().map(|event| AnsweredEvent { event_type: event.event_type, sequence: event.sequence });
        let body = CommandAnswer {
            ok: true,
            id: accepted.id,
            version: accepted.version,
            position: accepted.position,
            status: accepted.status,
            events: events.collect(),
            dispute_id: None,
        };
        Self { status: StatusCode::OK, replayed: accepted.replayed, position: accepted.position, version: accepted.version, body }
    }

    pub(crate) fn created(accepted: Accepted) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(accepted) }
    }

    pub(crate) fn with_dispute(mut self, dispute_id: Option<DisputeId>) -> Self {
        self.body.dispute_id = dispute_id;
        self
    }
}

impl<B> Answered<B> {
    /// With more, or other things, to say.
    pub(crate) fn map<C>(self, say: impl FnOnce(B) -> C) -> Answered<C> {
        let Self { status, replayed, position, version, body } = self;
        Answered { status, replayed, position, version, body: say(body) }
    }

    /// Done, and nothing is left to say: headers only.
    pub(crate) fn no_content(self) -> Self {
        Self { status: StatusCode::NO_CONTENT, ..self }
    }
}

impl<B: Serialize> Responder for Answered<B> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header(("X-Position", self.position.to_string()));
        response.insert_header((ETAG, format!("\"{}\"", self.version)));
        if self.replayed {
            response.insert_header(("Idempotency-Replayed", "true"));
        }
        if self.status == StatusCode::NO_CONTENT { response.finish() } else { response.json(self.body) }
    }
}
