//! Disputes as parties and staff see them: the queue, the detail page, evidence and what was done (DSP-11, DSP-12, DSP-45).

mod actions;
mod detail;
mod evidence;
mod queries;
mod view;

pub use actions::{DisputeAction, DisputeActionRow};
pub use detail::{DecisionView, DisputeDetail, detail};
pub use evidence::{DisputeEvidence, DisputeEvidenceRow};
pub(crate) use queries::PARTIES;
pub use queries::{DisputeFilter, DisputeSummary, list};
pub use view::{PROJECTION, projection};
