//! The state machine as data (ESC-30..48): every legal move, and who may ask for it (ESC-50).

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EscrowStatus {
    /// Not created yet: the honest default.
    #[default]
    Unopened,
    Created,
    FundingPending,
    Funded,
    Locked,
    InProgress,
    DeliverySubmitted,
    Releasable,
    PartialReleased,
    Disputed,
    Released,
    ResolvedRelease,
    ResolvedRefund,
    ResolvedSplit,
    Refunded,
    Cancelled,
    Closed,
}

/// How it ended, over its whole life (MNY-29).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Settled,
    Refunded,
    Split,
    Cancelled,
    ChargedBack,
}

/// What can be asked; one column of the machine each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EscrowAction {
    Create,
    Fund,
    AcceptFunding,
    FailFunding,
    Lock,
    StartWork,
    SubmitDelivery,
    Approve,
    MakeReleasable,
    Release,
    ReleasePartial,
    Refund,
    DeclineRefund,
    Cancel,
    Dispute,
    WidenDispute,
    ResolveRelease,
    ResolveRefund,
    ResolveSplit,
    Redo,
    Dismiss,
    Concede,
    WithdrawDispute,
    MeetDeadline,
    RecordLanding,
}

/// In which role somebody acts on this escrow: a question of who they are here, not of capabilities (ESC-50).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hat {
    Talent,
    Payer,
    Tenant,
    Platform,
    System,
}

/// Every legal move. Source: docs/domain/escrow.md, "Lifecycle".
pub const TRANSITIONS: &[(EscrowStatus, EscrowAction, EscrowStatus)] = &[];

/// Who may ask for what (ESC-50, ESC-50a..f).
pub const MATRIX: &[(EscrowAction, &[Hat])] = &[];
