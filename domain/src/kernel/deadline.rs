//! Deadlines are derived from events and kept by the command side; the domain decides what they do.

use chrono::{DateTime, Utc};

/// One row of the deadlines table: set when `at` is some instant, closed when it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadlineChange {
    /// Distinguishes the deadlines of one stream: `progress`, `dispute`, `clear:<reference>`.
    pub key: String,
    pub at: Option<DateTime<Utc>>,
}
