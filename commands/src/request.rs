//! A command with all that it needs to be executed, and what may come of it.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{Actor, CorrelationId, ErrorKind, EventId, PartyId, RequestId, TenantAggregate, TenantId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One command for one stream of one tenant.
#[derive(Debug, Clone)]
pub struct Request<A: TenantAggregate> {
    pub tenant_id: TenantId,
    pub aggregate_id: Uuid,
    pub command: A::Command,
    pub actor: Actor,
    pub request_id: RequestId,
    pub correlation_id: CorrelationId,
    /// The event that a reaction answers.
    pub causation_id: Option<EventId>,
    pub hops: u8,
    pub key: Option<IdempotencyKey>,
    /// The version that the caller has seen; compared at every try.
    pub if_match: Option<i64>,
    /// `now` of the decision is at least this: deadlines carry their instant (the writer's clock may be behind).
    pub not_before: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    pub owner: KeyOwner,
    /// 1..=255 characters.
    pub key: String,
    /// HMAC of method, route and body under the server's key; empty for system keys.
    pub request_hash: Vec<u8>,
}

/// Whose key space it is. No request can name a system owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    Actor(PartyId),
    System(&'static str),
}

impl KeyOwner {
    /// As stored.
    #[must_use]
    pub fn stored(&self) -> String {
        match self {
            Self::Actor(id) => id.to_string(),
            Self::System(name) => format!("system:{name}"),
        }
    }
}

/// The answer to an accepted command; sent only after commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub id: Uuid,
    /// The stream's version after the command.
    pub version: i64,
    /// The tenant's position of its last event: what `X-Min-Position` takes.
    pub position: i64,
    /// The aggregate's state by name.
    pub status: String,
    pub events: Vec<AcceptedEvent>,
    /// True when this is the stored answer of an earlier request with the same key.
    pub replayed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedEvent {
    #[serde(rename = "type")]
    pub event_type: String,
    pub sequence: i64,
}

/// A refusal by the domain: final for its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    pub kind: ErrorKind,
    pub code: String,
    pub message: String,
    pub details: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("{}", rejection.message)]
    Rejected { rejection: Rejection, replayed: bool },
    /// No such tenant.
    #[error("this tenant does not exist")]
    TenantUnknown,
    /// IDN-57: commands of a suspended tenant are refused.
    #[error("this tenant is suspended")]
    TenantSuspended,
    /// `If-Match` named another version.
    #[error("the resource is at version {actual}, not {expected}")]
    VersionMismatch { expected: i64, actual: i64 },
    /// The key was used for another request. First 8 hex digits of both fingerprints.
    #[error("this idempotency key was used for another request")]
    KeyReused { stored: String, sent: String },
    #[error("a request with this idempotency key is being executed")]
    KeyInFlight,
    /// The queue is full, or the process may not write (clock offset).
    #[error("too busy to take the command")]
    Busy { retry_after_s: u32 },
    /// It may have been executed or not: repeat it with its key.
    #[error("the outcome is unknown: repeat the request with the same idempotency key")]
    OutcomeUnknown,
    /// More than 16 reactions between the request and this command.
    #[error("too many reactions follow on one request")]
    TooManyHops,
    #[error("the command could not be executed")]
    Internal,
}
