//! One row per event, of every aggregate.

use chrono::{DateTime, Utc};
use holdfast_domain::booking::Booking;
use holdfast_domain::contract::Contract;
use holdfast_domain::dispute::Dispute;
use holdfast_domain::escrow::Escrow;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{ActorKind, Roles};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::runtime::{ApplyError, Event, Facts, Projection, Table};

pub const PROJECTION: &str = "audit";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, 1).facts::<AuditRow>()
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRow {
    pub position: i64,
    pub event_id: Uuid,
    pub action: &'static str,
    pub entity_type: &'static str,
    pub entity_id: Uuid,
    pub sequence: i64,
    pub actor_id: Uuid,
    pub actor_kind: ActorKind,
    pub actor_roles: Roles,
    pub request_id: Uuid,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    pub change: Option<serde_json::Value>,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

impl Facts for AuditRow {
    const TABLE: Table = Table {
        name: "audit_log",
        key: &["position"],
        columns: &[
            "event_id",
            "action",
            "entity_type",
            "entity_id",
            "sequence",
            "actor_id",
            "actor_kind",
            "actor_roles",
            "request_id",
            "correlation_id",
            "causation_id",
            "change",
            "occurred_at",
            "recorded_at",
        ],
        exact: &[],
    };

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let metadata = &event.metadata;
        Ok(vec![Self {
            position: event.position,
            event_id: event.id().uuid(),
            action: event.event.name(),
            entity_type: event.origin.aggregate_type,
            entity_id: event.origin.aggregate_id,
            sequence: event.origin.sequence,
            actor_id: metadata.actor.id.uuid(),
            actor_kind: metadata.actor.kind,
            actor_roles: metadata.actor.roles.clone(),
            request_id: metadata.request_id.uuid(),
            correlation_id: metadata.correlation_id.uuid(),
            causation_id: metadata.causation_id.map(holdfast_domain::kernel::EventId::uuid),
            change: change(&event.event),
            occurred_at: metadata.occurred_at,
            recorded_at: event.recorded_at,
        }])
    }
}

/// Before and after, where the event itself says so: nothing is looked up, nothing personal is copied.
fn change(event: &AnyEvent) -> Option<serde_json::Value> {
    let (from, to) = if let Some(escrow) = event.of::<Escrow>() {
        (json!(escrow.from), json!(escrow.to))
    } else if let Some(booking) = event.of::<Booking>() {
        (json!(booking.from), json!(booking.to))
    } else if let Some(contract) = event.of::<Contract>() {
        (json!(contract.from), json!(contract.to))
    } else if let Some(dispute) = event.of::<Dispute>() {
        (json!(dispute.from), json!(dispute.to))
    } else {
        return None;
    };
    Some(json!({"before": {"status": from}, "after": {"status": to}}))
}
