//! An event with all that is known about how it came to be.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{Actor, CorrelationId, EventId, RequestId, TenantId, event_id};

/// Where an event stands: known before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub tenant_id: TenantId,
    pub aggregate_type: &'static str,
    pub aggregate_id: Uuid,
    /// 1, 2, 3 … within the stream.
    pub sequence: i64,
}

impl Origin {
    #[must_use]
    pub fn event_id(&self) -> EventId {
        event_id(self.tenant_id, self.aggregate_type, self.aggregate_id, self.sequence)
    }
}

/// Stored beside every event (NFR-18, invariant 9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub event_id: EventId,
    pub actor: Actor,
    pub request_id: RequestId,
    pub correlation_id: CorrelationId,
    /// The event that a reaction answered; none for a request from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<EventId>,
    /// How many reactions lie between the outside request and this event.
    #[serde(default)]
    pub hops: u8,
    pub occurred_at: DateTime<Utc>,
}

/// A stored event.
#[derive(Debug, Clone)]
pub struct Recorded<E> {
    pub origin: Origin,
    /// 1, 2, 3 … within the tenant, without gap.
    pub position: i64,
    /// Strictly rising with the batches of a tenant: what "as of a time" means.
    pub recorded_at: DateTime<Utc>,
    pub metadata: Metadata,
    pub event: E,
}
