//! The contract's states (CTR-30..36).

use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractStatus {
    /// Before the first event.
    #[default]
    Unopened,
    Draft,
    Sent,
    PartiallySigned,
    Signed,
    Void,
}
