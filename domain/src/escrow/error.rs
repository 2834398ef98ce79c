//! Why a command is refused.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::escrow::{EscrowAction, EscrowStatus};
use crate::kernel::{Currency, DisputeId, DomainError, ErrorKind, EscrowId, Money};

/// In order of precedence: existence, status, who asks, state, values. The first that applies is the one reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EscrowError {
    #[error("this escrow does not exist")]
    NotFound,
    /// MNY-05.
    #[error("this milestone, booking or order already has escrow {escrow_id}")]
    Exists { escrow_id: EscrowId },
    // Status: no row in `TRANSITIONS`, with the reason where there is a better one than "not now".
    #[error("an escrow that is {status} cannot {action}")]
    NotAllowed { status: EscrowStatus, action: EscrowAction },
    /// MNY-14.
    #[error("work has started: only a dispute can give the money back")]
    WorkStarted,
    /// ESC-22, ESC-56, CNF-58.
    #[error("the delivery is approved: only a dispute can give the money back")]
    RefundAfterApproval,
    /// MNY-26.
    #[error("dispute {dispute_id} is open already")]
    DisputeAlreadyOpen { dispute_id: DisputeId },
    /// MNY-20. `settled_at`: when the money went; none when only the window has passed.
    #[error("the time to object is over")]
    DisputeWindowClosed { settled_at: Option<DateTime<Utc>> },
    // Who asks.
    /// ESC-50.
    #[error("you may not {action} here")]
    Denied { action: EscrowAction },
    /// MNY-33.
    #[error("a party's side, or who gains by it, cannot decide this dispute")]
    ConflictOfInterest,
    // State.
    /// MNY-14.
    #[error("a refund has been requested and awaits its answer")]
    RefundRequested,
    /// MNY-32.
    #[error("this objection was dismissed or withdrawn for this round of work")]
    DisputeAlreadyDecided,
    /// MNY-31.
    #[error("work can be ordered anew at most {limit} times")]
    RedoLimitReached { limit: u32 },
    /// ESC-39.
    #[error("the contract is not signed")]
    ContractNotSigned,
    // Values.
    /// ESC-35.
    #[error("a delivery needs at least one artifact")]
    DeliveryEmpty,
    /// MNY-02.
    #[error("an amount must be above zero")]
    AmountInvalid,
    /// MNY-08.
    #[error("this escrow is in {expected}, not {found}")]
    CurrencyMismatch { expected: Currency, found: Currency },
    /// ESC-76: rules may only be made stricter than the tenant's.
    #[error("{rule} may only be stricter than the tenant's own rule")]
    RuleNotStricter { rule: &'static str },
    /// MNY-04.
    #[error("the {party}'s part is {missing} short of the taxes it bears")]
    SplitBelowTax { party: &'static str, missing: Money },
    /// MNY-03.
    #[error("a milestone's shares must be its amount, without negative parts")]
    ShareMismatch,
    #[error("only {open} is open")]
    AmountExceedsEscrow { open: Money },
    /// MNY-22.
    #[error("a release takes all that is open, {open}")]
    AmountBelowRemainder { open: Money },
    /// ESC-16, ESC-71.
    #[error("this escrow is released as a whole")]
    PartialReleaseNotAllowed,
    /// MNY-27.
    #[error("only all of it can be contested here")]
    PartialDisputeNotAllowed,
    /// MNY-29.
    #[error("a decision must dispose of exactly {contested}, without negative parts")]
    DecisionAmountInvalid { contested: Money },
    /// MNY-30.
    #[error("a penalty may not exceed {cap}")]
    PenaltyAboveCap { cap: Money },
    /// IDN-70: last, so that it is asked for only where it would help.
    #[error("{amount} is above your limit: somebody with a higher one must approve")]
    ApprovalRequired { amount: Money },
}

impl DomainError for EscrowError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        use ErrorKind::{Conflict, Forbidden, Invalid};
        match self {
            Self::NotFound => (ErrorKind::NotFound, "ESCROW_NOT_FOUND"),
            Self::Exists { .. } => (Conflict, "ESCROW_EXISTS"),
            Self::NotAllowed { .. } => (Conflict, "INVALID_ESCROW_TRANSITION"),
            Self::WorkStarted => (Conflict, "WORK_STARTED"),
            Self::RefundAfterApproval => (Conflict, "REFUND_AFTER_APPROVAL"),
            Self::DisputeAlreadyOpen { .. } => (Conflict, "DISPUTE_ALREADY_OPEN"),
            Self::DisputeWindowClosed { .. } => (Conflict, "DISPUTE_WINDOW_CLOSED"),
            Self::Denied { .. } => (Forbidden, "POLICY_DENIED"),
            Self::ConflictOfInterest => (Forbidden, "CONFLICT_OF_INTEREST"),
            Self::RefundRequested => (Conflict, "REFUND_REQUESTED"),
            Self::DisputeAlreadyDecided => (Conflict, "DISPUTE_ALREADY_DECIDED"),
            Self::RedoLimitReached { .. } => (Invalid, "REDO_LIMIT_REACHED"),
            Self::ContractNotSigned => (Conflict, "CONTRACT_NOT_SIGNED"),
            Self::DeliveryEmpty => (Invalid, "DELIVERY_EMPTY"),
            Self::AmountInvalid => (Invalid, "AMOUNT_INVALID"),
            Self::CurrencyMismatch { .. } => (Invalid, "CURRENCY_MISMATCH"),
            Self::RuleNotStricter { .. } => (Invalid, "RULE_NOT_STRICTER"),
            Self::SplitBelowTax { .. } => (Invalid, "SPLIT_BELOW_TAX"),
            Self::ShareMismatch => (Invalid, "SHARE_MISMATCH"),
            Self::AmountExceedsEscrow { .. } => (Invalid, "AMOUNT_EXCEEDS_ESCROW"),
            Self::AmountBelowRemainder { .. } => (Invalid, "AMOUNT_BELOW_REMAINDER"),
            Self::PartialReleaseNotAllowed => (Invalid, "PARTIAL_RELEASE_NOT_ALLOWED"),
            Self::PartialDisputeNotAllowed => (Invalid, "PARTIAL_DISPUTE_NOT_ALLOWED"),
            Self::DecisionAmountInvalid { .. } => (Invalid, "DECISION_AMOUNT_INVALID"),
            Self::PenaltyAboveCap { .. } => (Invalid, "PENALTY_ABOVE_CAP"),
            Self::ApprovalRequired { .. } => (Forbidden, "APPROVAL_REQUIRED"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::Exists { escrow_id } => json!({ "escrowId": escrow_id }),
            Self::NotAllowed { status, action } => json!({ "status": status, "action": action }),
            Self::DisputeAlreadyOpen { dispute_id } => json!({ "disputeId": dispute_id }),
            Self::DisputeWindowClosed { settled_at } => json!({ "settledAt": settled_at }),
            Self::Denied { action } => json!({ "action": action }),
            Self::RedoLimitReached { limit } => json!({ "limit": limit }),
            Self::CurrencyMismatch { expected, found } => json!({ "expected": expected, "found": found }),
            Self::RuleNotStricter { rule } => json!({ "rule": rule }),
            Self::SplitBelowTax { party, missing } => json!({ "party": party, "missing": missing }),
            Self::AmountExceedsEscrow { open } | Self::AmountBelowRemainder { open } => json!({ "open": open }),
            Self::DecisionAmountInvalid { contested } => json!({ "contested": contested }),
            Self::PenaltyAboveCap { cap } => json!({ "cap": cap }),
            Self::ApprovalRequired { amount } => json!({ "amount": amount }),
            Self::NotFound
            | Self::WorkStarted
            | Self::RefundAfterApproval
            | Self::ConflictOfInterest
            | Self::RefundRequested
            | Self::DisputeAlreadyDecided
            | Self::ContractNotSigned
            | Self::ShareMismatch
            | Self::DeliveryEmpty
            | Self::AmountInvalid
            | Self::PartialReleaseNotAllowed
            | Self::PartialDisputeNotAllowed => json!({}),
        }
    }
}
