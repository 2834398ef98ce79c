//! What was looked at. Who, in which role, when and in which request stand in the event's metadata, as with every event.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{PartyId, StoredEvent};

crate::named! {
    /// What kind of access it was.
    #[derive(schemars::JsonSchema)]
    AccessKind {
        /// The events of one stream.
        StreamEvents = "stream_events",
        /// The state of one stream at some time.
        StreamState = "stream_state",
        /// The chain behind a balance or a status.
        Explanation = "explanation",
        /// A page of the audit log.
        AuditLog = "audit_log",
        /// The audit log as a file.
        AuditExport = "audit_export",
        /// The log itself as a file.
        LogExport = "log_export",
        /// An order about read models: `target` is the run, `action` what it does, `entityType` the projection, `entityId` the tenant.
        ProjectionOrder = "projection_order",
    }
}

/// What narrowed the answer: ids, stored names, numbers and times; never text of a person.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<PartyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// Names of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// The first version that is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_version: Option<i64>,
    /// The state after this event of the stream …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// … at this position of the log …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// … or at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum AccessEvent {
    Recorded {
        what: AccessKind,
        /// None: the whole tenant.
        target: Option<Uuid>,
        filter: AccessFilter,
    },
}

impl StoredEvent for AccessEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Recorded { .. } => "access.recorded",
        }
    }
}

crate::domain_event!(AccessEvent);
