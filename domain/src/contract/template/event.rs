//! What happened to a template. Each event carries the whole of it: a version is one event.

use serde::{Deserialize, Serialize};

use crate::kernel::StoredEvent;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum TemplateEvent {
    Created { version: u32, name: String, body_md: String, variables: Vec<Variable>, status: TemplateStatus },
    Updated { version: u32, name: String, body_md: String, variables: Vec<Variable>, status: TemplateStatus },
}

/// `{{name}}` in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// Only published ones make contracts (CTR-30).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateStatus {
    Draft,
    #[default]
    Published,
    Archived,
}

impl StoredEvent for TemplateEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "template.created",
            Self::Updated { .. } => "template.updated",
        }
    }
}

crate::domain_event!(TemplateEvent);
