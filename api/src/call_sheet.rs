//! What stands in a call sheet, on its way in and as a document.

use chrono::{DateTime, Utc};
use holdfast_documents::{CallSheetDocument, Contact, ScheduleLine, Section};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::request::Text;

const MOST_LINES: usize = 200;

/// JOB-05. Every part may be left out; each list has 200 entries at most.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CallSheetContent {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Text>,
    #[serde(default)]
    schedule: Vec<PlannedTime>,
    #[serde(default)]
    sections: Vec<TextSection>,
    #[serde(default)]
    contacts: Vec<ContactPerson>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlannedTime {
    /// As people on site read it.
    #[schema(value_type = String, example = "07:30")]
    time: Text,
    #[schema(value_type = String, example = "Hair and make-up")]
    what: Text,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TextSection {
    heading: Text,
    text: Text,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContactPerson {
    name: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Text>,
    /// Telephone, e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<Text>,
}

impl CallSheetContent {
    /// # Errors
    /// Names the list that is too long.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let lists = [("schedule", self.schedule.len()), ("sections", self.sections.len()), ("contacts", self.contacts.len())];
        match lists.into_iter().find(|(_, length)| *length > MOST_LINES) {
            Some((list, _)) => Err(ApiError::validation(&format!("content.{list}"), format!("has at most {MOST_LINES} entries"))),
            None => Ok(()),
        }
    }

    /// As a page to print. `tenant`: whose call sheet it is.
    pub(crate) fn document(self, tenant: String, booking_id: String, version: u32, dated: DateTime<Utc>) -> CallSheetDocument {
        let optional = |text: Option<Text>| text.map(Text::into_string).unwrap_or_default();
        let line = |planned: PlannedTime| ScheduleLine { time: planned.time.into_string(), what: planned.what.into_string() };
        let section = |section: TextSection| Section { heading: section.heading.into_string(), text: section.text.into_string() };
        let contact = |contact: ContactPerson| Contact {
            name: contact.name.into_string(),
            role: optional(contact.role),
            reach: optional(contact.reach),
        };
        CallSheetDocument {
            title: self.title.map_or_else(|| "Call sheet".to_owned(), Text::into_string),
            tenant,
            booking_id,
            version,
            published_at: dated,
            location: optional(self.location),
            schedule: self.schedule.into_iter().map(line).collect(),
            sections: self.sections.into_iter().map(section).collect(),
            contacts: self.contacts.into_iter().map(contact).collect(),
        }
    }
}
