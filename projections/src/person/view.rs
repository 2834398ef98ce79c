//! One row per erased person; nothing personal but ids.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::PartyId;
use holdfast_domain::person::{ErasureReason, Person, PersonEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::runtime::{ApplyError, Event, Projection, Table, View};

pub const PROJECTION: &str = "person";

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, 1).view::<ErasureRow>()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErasureRow {
    pub subject: Uuid,
    /// None only before the first event.
    pub requested_by: Option<PartyId>,
    pub reason: Option<ErasureReason>,
    pub erased_event_id: Option<Uuid>,
    pub erased_position: Option<i64>,
    pub erased_at: Option<DateTime<Utc>>,
    pub keys: Option<u32>,
    pub destroyed_event_id: Option<Uuid>,
    pub destroyed_position: Option<i64>,
    pub destroyed_at: Option<DateTime<Utc>>,
}

impl View for ErasureRow {
    const TABLE: Table = Table {
        name: "erasures",
        key: &["subject"],
        columns: &[
            "requested_by",
            "reason",
            "erased_event_id",
            "erased_position",
            "erased_at",
            "keys",
            "destroyed_event_id",
            "destroyed_position",
            "destroyed_at",
        ],
        exact: &[],
    };

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        Ok(event.event.of::<Person>().map(|_| event.origin.aggregate_id).into_iter().collect())
    }

    fn new(id: Uuid) -> Self {
        Self {
            subject: id,
            requested_by: None,
            reason: None,
            erased_event_id: None,
            erased_position: None,
            erased_at: None,
            keys: None,
            destroyed_event_id: None,
            destroyed_position: None,
            destroyed_at: None,
        }
    }

    fn id(&self) -> Uuid {
        self.subject
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        match event.event.of::<Person>() {
            Some(PersonEvent::Erased { requested_by, reason, .. }) => {
                (self.requested_by, self.reason) = (Some(*requested_by), Some(*reason));
                (self.erased_event_id, self.erased_position) = (Some(event.id().uuid()), Some(event.position));
                self.erased_at = Some(event.metadata.occurred_at);
            }
            Some(PersonEvent::KeysDestroyed { keys, at, .. }) => {
                (self.keys, self.destroyed_at) = (Some(*keys), Some(*at));
                (self.destroyed_event_id, self.destroyed_position) = (Some(event.id().uuid()), Some(event.position));
            }
            None => {}
        }
        Ok(())
    }
}
