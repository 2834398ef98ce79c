//! A call sheet: who is where when, for one booking.

use chrono::{DateTime, Utc};
use serde::Serialize;

// No `Debug`: names and telephone numbers stay out of logs.
#[derive(Clone, Serialize)]
pub struct CallSheetDocument {
    pub title: String,
    /// The tenant's name; the author of the PDF.
    pub tenant: String,
    pub booking_id: String,
    pub version: u32,
    /// Also the date of the PDF.
    pub published_at: DateTime<Utc>,
    pub location: String,
    pub schedule: Vec<ScheduleLine>,
    pub sections: Vec<Section>,
    pub contacts: Vec<Contact>,
}

#[derive(Clone, Serialize)]
pub struct ScheduleLine {
    /// As people on site read it: "07:30", "Tue 07:30–08:00".
    pub time: String,
    pub what: String,
}

#[derive(Clone, Serialize)]
pub struct Section {
    pub heading: String,
    /// Plain text; line breaks are kept.
    pub text: String,
}

#[derive(Clone, Serialize)]
pub struct Contact {
    pub name: String,
    pub role: String,
    /// Telephone, e-mail.
    pub reach: String,
}
