//! What happened to a template. Each event carries the whole of it: a version is one event.

use serde::{Deserialize, Serialize};

use super::TemplateVersion;
use crate::kernel::StoredEvent;
use crate::named;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateEvent {
    Created(TemplateVersion),
    Updated(TemplateVersion),
}

/// `{{name}}` in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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

named! {
    /// Only published ones make contracts (CTR-30).
    #[derive(Default)]
    #[derive(schemars::JsonSchema)]
    TemplateStatus {
        Draft = "draft",
        #[default]
        Published = "published",
        Archived = "archived",
    }
}

impl StoredEvent for TemplateEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Created(_) => "template.created",
            Self::Updated(_) => "template.updated",
        }
    }
}

crate::domain_event!(TemplateEvent);
