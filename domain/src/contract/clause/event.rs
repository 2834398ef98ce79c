//! What happened to a clause.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ClauseText;
use crate::kernel::{ClauseId, StoredEvent, TenantId, derived_uuid};

/// The stream of a clause's key: one per key and tenant.
#[must_use]
pub fn clause_id(tenant_id: TenantId, key: &str) -> ClauseId {
    ClauseId(derived_uuid(tenant_id, Uuid::nil(), &format!("clause:{key}"), 0))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClauseEvent {
    Created(ClauseText),
}

impl StoredEvent for ClauseEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Created(_) => "clause.created",
        }
    }
}

crate::domain_event!(ClauseEvent);
