//! The audit log: who did what, when, in which role (ESC-63, ANA-29).

mod explain;
mod queries;
mod view;

pub use explain::{Explained, ExplainedBalance, ExplainedEvent, ExplainedLine, Explanation, explain};
pub use queries::{AuditEntry, AuditFilter, list};
pub use view::{AuditRow, PROJECTION, projection};
