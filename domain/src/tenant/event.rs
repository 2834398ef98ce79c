//! What happened to a tenant.

use serde::{Deserialize, Serialize};

use crate::kernel::StoredEvent;
use crate::tenant::TenantSettings;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum TenantEvent {
    Created { name: String, slug: String, settings: TenantSettings },
    SettingsChanged { settings: TenantSettings },
    Suspended { reason: String },
    Activated,
    ReactionRedriven { dead_letter_id: uuid::Uuid, reason: String },
}

impl StoredEvent for TenantEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "tenant.created",
            Self::SettingsChanged { .. } => "tenant.settings_changed",
            Self::Suspended { .. } => "tenant.suspended",
            Self::Activated => "tenant.activated",
            Self::ReactionRedriven { .. } => "tenant.reaction_redriven",
        }
    }
}

crate::domain_event!(TenantEvent);
