//! The booking's states (JOB-44..49).

use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookingStatus {
    /// Before the first event.
    #[default]
    Unopened,
    /// A hold: the talent's time is kept, nothing is agreed (JOB-44 `active`).
    Held,
    Released,
    Expired,
    /// Offered to the talent.
    Pending,
    /// Accepted; the escrow waits for money.
    AwaitingPayment,
    Confirmed,
    InProgress,
    Completed,
    Cancelled,
}
