//! What was done in a case: one row per event, for ever (DSP-03, DSP-33).

use chrono::{DateTime, Utc};
use holdfast_domain::dispute::{Dispute, DisputeFact, DisputeStatus};
use holdfast_domain::kernel::{ActorKind, Personal, Roles, StoredEvent};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::runtime::{ApplyError, Event, Facts, Table};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DisputeActionRow {
    pub dispute_id: Uuid,
    pub sequence: i64,
    pub event_id: Uuid,
    pub position: i64,
    pub action_type: &'static str,
    pub from_status: DisputeStatus,
    pub to_status: DisputeStatus,
    pub actor_id: Uuid,
    pub actor_kind: ActorKind,
    pub actor_roles: Roles,
    pub at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub request_id: Uuid,
    pub details: Value,
    pub personal: Value,
}

/// One line of the case's timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct DisputeAction {
    pub event_id: Uuid,
    pub sequence: i64,
    /// `dispute.decided`
    #[serde(rename = "type")]
    pub action_type: String,
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

impl Facts for DisputeActionRow {
    const TABLE: Table = Table {
        name: "dispute_actions",
        key: &["dispute_id", "sequence"],
        columns: &[
            "event_id",
            "position",
            "action_type",
            "from_status",
            "to_status",
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
        let Some(dispute) = event.event.of::<Dispute>() else { return Ok(Vec::new()) };
        let mut details = details(&dispute.fact)?;
        let mut opened = Map::new();
        if let Some((name, value)) = personal(&dispute.fact) {
            details.remove(name);
            opened.insert(name.to_owned(), json!({"subject": value.sealed().subject, "value": event.open(value)?}));
        }
        Ok(vec![Self {
            dispute_id: event.origin.aggregate_id,
            sequence: event.origin.sequence,
            event_id: event.id().uuid(),
            position: event.position,
            action_type: dispute.name(),
            from_status: dispute.from,
            to_status: dispute.to,
            actor_id: event.metadata.actor.id.uuid(),
            actor_kind: event.metadata.actor.kind,
            actor_roles: event.metadata.actor.roles.clone(),
            at: dispute.at,
            recorded_at: event.recorded_at,
            request_id: event.metadata.request_id.uuid(),
            details: Value::Object(details),
            personal: Value::Object(opened),
        }])
    }
}

/// The fields of the fact; none for those that only have a name. Evidence shows its own fields.
fn details(fact: &DisputeFact) -> Result<Map<String, Value>, ApplyError> {
    let Value::Object(tagged) = serde_json::to_value(fact)? else { return Ok(Map::new()) };
    let Some((_, Value::Object(mut fields))) = tagged.into_iter().next() else { return Ok(Map::new()) };
    Ok(match fields.remove("evidence") {
        Some(Value::Object(evidence)) => evidence,
        Some(_) | None => fields,
    })
}

/// What a person wrote, by the field's name.
fn personal(fact: &DisputeFact) -> Option<(&'static str, &Personal<String>)> {
    let (name, value) = match fact {
        DisputeFact::Opened { reason, .. } | DisputeFact::Escalated { reason, .. } => ("reason", reason),
        DisputeFact::EvidenceAdded { evidence } => ("note", &evidence.note),
        DisputeFact::Decided { rationale, .. } => ("rationale", rationale),
        DisputeFact::ContestedChanged { .. }
        | DisputeFact::EvidenceClosed { .. }
        | DisputeFact::Assigned { .. }
        | DisputeFact::ReviewStarted
        | DisputeFact::DecisionRequested
        | DisputeFact::DecisionReturned { .. }
        | DisputeFact::Enforced { .. }
        | DisputeFact::Closed { .. } => return None,
    };
    Some((name, value.as_ref()?))
}

impl DisputeAction {
    pub(super) const COLUMNS: &str = "event_id, sequence, action_type, from_status, to_status, actor_id, actor_kind, actor_roles, at, \
                                      request_id, details, personal";

    /// With the personal values among the details, where readers look for them.
    pub(super) fn joined(mut self) -> Self {
        if let Value::Object(details) = &mut self.details.0 {
            for (name, mut held) in std::mem::take(&mut self.personal.0) {
                details.insert(name, held["value"].take());
            }
        }
        self
    }

    /// A text among its details.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.details.0[name].as_str().map(str::to_owned)
    }
}
