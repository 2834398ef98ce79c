//! The audit log: who did what, when, in which role (ESC-63, ANA-29).

mod queries;
mod view;

pub use queries::{AuditEntry, AuditFilter, list};
pub use view::{AuditRow, PROJECTION, projection};
