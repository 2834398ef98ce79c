//! The case's states (DSP-20..26).

use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// Before the first event.
    #[default]
    Unopened,
    Opened,
    Evidence,
    Review,
    DecisionPending,
    /// Decided, not enforced yet.
    Decided,
    Closed,
}
