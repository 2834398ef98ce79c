//! What happened to a credits. Stored for ever.

use serde::{Deserialize, Serialize};

use crate::kernel::StoredEvent;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum CreditsEvent {}

impl StoredEvent for CreditsEvent {
    fn name(&self) -> &'static str {
        match *self {}
    }
}

crate::domain_event!(CreditsEvent);
