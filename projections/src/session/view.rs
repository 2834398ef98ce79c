//! One row per revoked session.

use chrono::{DateTime, Utc};
use holdfast_domain::session::{RevocationReason, Session, SessionEvent};
use serde::Serialize;
use uuid::Uuid;

use crate::runtime::{ApplyError, Event, Facts, Projection, Table};

pub const PROJECTION: &str = "session";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, 1).facts::<RevokedRow>()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RevokedRow {
    pub session_id: Uuid,
    pub position: i64,
    pub reason: RevocationReason,
    pub revoked_by: Uuid,
    pub revoked_at: DateTime<Utc>,
    pub forget_at: DateTime<Utc>,
}

impl Facts for RevokedRow {
    const TABLE: Table = Table {
        name: "revoked_sessions",
        key: &["session_id"],
        columns: &["position", "reason", "revoked_by", "revoked_at", "forget_at"],
        exact: &[],
    };

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let Some(SessionEvent::Revoked { reason, until }) = event.event.of::<Session>() else { return Ok(Vec::new()) };
        Ok(vec![Self {
            session_id: event.origin.aggregate_id,
            position: event.position,
            reason: *reason,
            revoked_by: event.metadata.actor.id.uuid(),
            revoked_at: event.metadata.occurred_at,
            forget_at: *until,
        }])
    }
}
