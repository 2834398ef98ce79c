//! The timeline: one row per event of an escrow, for ever (ESC-02, ESC-57).

use chrono::{DateTime, Utc};
use holdfast_domain::escrow::{EscrowFact, EscrowStatus};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{ActorKind, Personal, Roles};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::runtime::{ApplyError, Event, Facts, Table};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EscrowEventRow {
    pub escrow_id: Uuid,
    pub sequence: i64,
    pub event_id: Uuid,
    pub position: i64,
    pub from_status: EscrowStatus,
    pub to_status: EscrowStatus,
    pub event_type: &'static str,
    pub documented_name: Option<&'static str>,
    pub actor_id: Uuid,
    pub actor_kind: ActorKind,
    pub actor_roles: Roles,
    pub at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub request_id: Uuid,
    pub details: Value,
    pub personal: Value,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    pub event_id: Uuid,
    pub sequence: i64,
    pub position: i64,
    /// `escrow.funded`
    #[serde(rename = "type")]
    pub event_type: String,
    /// The name that the sources use (`ESCROW_FUNDED`), where they have one.
    pub documented_name: Option<String>,
    pub from_status: String,
    pub to_status: String,
    pub actor_id: Uuid,
    /// `user` or `system`.
    pub actor_kind: String,
    /// The roles that the actor had then.
    #[schema(value_type = Vec<String>)]
    pub actor_roles: Json<Vec<String>>,
    pub at: DateTime<Utc>,
    pub request_id: Uuid,
    /// The event's own values; what a person wrote is null once that person is erased.
    #[schema(value_type = Object)]
    pub details: Json<Value>,
    #[serde(skip)]
    #[schema(ignore)]
    personal: Json<Map<String, Value>>,
}

impl Facts for EscrowEventRow {
    const TABLE: Table = Table {
        name: "escrow_events",
        key: &["escrow_id", "sequence"],
        columns: &[
            "event_id",
            "position",
            "from_status",
            "to_status",
            "event_type",
            "documented_name",
            "actor_id",
            "actor_kind",
            "actor_roles",
            "at",
            "recorded_at",
            "request_id",
            "details",
            "personal",
        ],
        exact: &[],
    };
    const PERSONAL: &'static [&'static str] = &["personal"];

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let AnyEvent::Escrow(escrow) = &event.event else { return Ok(Vec::new()) };
        let personal = personal(&escrow.fact);
        let mut details = details(&escrow.fact)?;
        let mut opened = Map::new();
        for (name, value) in personal {
            details.remove(name);
            opened.insert(name.to_owned(), json!({"subject": value.sealed().subject, "value": event.open(value)?}));
        }
        Ok(vec![Self {
            escrow_id: event.origin.aggregate_id,
            sequence: event.origin.sequence,
            event_id: event.id().uuid(),
            position: event.position,
            from_status: escrow.from,
            to_status: escrow.to,
            event_type: escrow.fact.name(),
            documented_name: documented_name(&escrow.fact),
            actor_id: event.metadata.actor.id.uuid(),
            actor_kind: event.metadata.actor.kind,
            actor_roles: event.metadata.actor.roles.clone(),
            at: escrow.at,
            recorded_at: event.recorded_at,
            request_id: event.metadata.request_id.uuid(),
            details: Value::Object(details),
            personal: Value::Object(opened),
        }])
    }
}

/// The fields of the fact; none for those that only have a name.
fn details(fact: &EscrowFact) -> Result<Map<String, Value>, ApplyError> {
    let Value::Object(tagged) = serde_json::to_value(fact)? else { return Ok(Map::new()) };
    match tagged.into_iter().next() {
        Some((_, Value::Object(fields))) => Ok(fields),
        Some(_) | None => Ok(Map::new()),
    }
}

/// What a person wrote or where they were, by the field's name.
fn personal(fact: &EscrowFact) -> Vec<(&'static str, &Personal<String>)> {
    let fields: Vec<(&'static str, Option<&Personal<String>>)> = match fact {
        EscrowFact::DeliverySubmitted { note, gps, .. } => vec![("note", note.as_ref()), ("gps", gps.as_ref())],
        EscrowFact::DeliveryApproved { note, .. } => vec![("note", note.as_ref())],
        EscrowFact::Disputed { reason, .. } | EscrowFact::SettlementDisputed { reason, .. } => vec![("reason", reason.as_ref())],
        EscrowFact::DisputeResolved { rationale, .. }
        | EscrowFact::RedoOrdered { rationale, .. }
        | EscrowFact::DisputeDismissed { rationale, .. } => vec![("rationale", rationale.as_ref())],
        EscrowFact::Created { .. }
        | EscrowFact::FundingRequested { .. }
        | EscrowFact::FundingFailed { .. }
        | EscrowFact::FundingShort { .. }
        | EscrowFact::FundingReturned { .. }
        | EscrowFact::Funded { .. }
        | EscrowFact::Locked
        | EscrowFact::WorkStarted { .. }
        | EscrowFact::MadeReleasable { .. }
        | EscrowFact::ReleaseAuthorized { .. }
        | EscrowFact::PartiallyReleased { .. }
        | EscrowFact::Released { .. }
        | EscrowFact::RefundRequested { .. }
        | EscrowFact::RefundDeclined { .. }
        | EscrowFact::Refunded { .. }
        | EscrowFact::PenaltyTaken { .. }
        | EscrowFact::Cancelled { .. }
        | EscrowFact::DisputeWidened { .. }
        | EscrowFact::DisputeConceded { .. }
        | EscrowFact::EvidenceClosed { .. }
        | EscrowFact::DisputeEscalated { .. }
        | EscrowFact::DecisionDeclined { .. }
        | EscrowFact::CaseFrozen { .. }
        | EscrowFact::SettledCaseReleased { .. }
        | EscrowFact::SettledCaseRefunded { .. }
        | EscrowFact::ContractSigned
        | EscrowFact::StartMoved { .. }
        | EscrowFact::LegLanded { .. }
        | EscrowFact::Closed { .. } => Vec::new(),
    };
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// ESC-32..45, last column.
fn documented_name(fact: &EscrowFact) -> Option<&'static str> {
    match fact.name() {
        "escrow.funded" => Some("ESCROW_FUNDED"),
        "escrow.work_started" => Some("WORK_STARTED"),
        "escrow.delivery_submitted" => Some("DELIVERY_SUBMITTED"),
        "escrow.delivery_approved" => Some("DELIVERY_APPROVED"),
        "escrow.released" => Some("SETTLED"),
        "escrow.disputed" | "escrow.settlement_disputed" => Some("DISPUTE_RAISED"),
        "escrow.refunded" => Some("REFUNDED"),
        _ => None,
    }
}

impl TimelineEntry {
    pub(crate) const COLUMNS: &str = "event_id, sequence, position, event_type, documented_name, from_status, to_status, actor_id, actor_kind, \
                                      actor_roles, at, request_id, details, personal";

    /// With the personal values among the details, where readers look for them.
    pub(crate) fn joined(mut self) -> Self {
        if let Value::Object(details) = &mut self.details.0 {
            for (name, mut held) in std::mem::take(&mut self.personal.0) {
                details.insert(name, held["value"].take());
            }
        }
        self
    }
}
