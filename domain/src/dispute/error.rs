//! Why a command about a dispute is refused.

use serde_json::json;

use crate::dispute::{DisputeAction, DisputeStatus};
use crate::kernel::{Currency, DomainError, ErrorKind, Money};

/// In order of precedence: existence, status, who asks, state, values. The first that applies is the one reported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DisputeError {
    #[error("this dispute does not exist")]
    NotFound,
    #[error("a dispute that is {status} cannot {action}")]
    NotAllowed { status: DisputeStatus, action: DisputeAction },
    /// DSP-13, MNY-17.
    #[error("the time for evidence is over")]
    EvidenceClosed,
    // Who asks.
    #[error("you may not {action} here")]
    Denied { action: DisputeAction },
    /// MNY-33.
    #[error("a party's side, or who gains by it, cannot decide this dispute")]
    ConflictOfInterest,
    // State.
    /// DSP-17.
    #[error("the platform has this dispute already")]
    AlreadyEscalated,
    /// MNY-31.
    #[error("work has been ordered anew as often as it can be")]
    RedoLimitReached,
    /// MNY-36: the money has been released, there is nothing left to work for.
    #[error("released money cannot be worked for again")]
    RedoAfterSettlement,
    // Values.
    #[error("this file is evidence in this dispute already")]
    EvidenceExists,
    #[error("a dispute takes {limit} pieces of evidence")]
    EvidenceLimit { limit: u32 },
    /// MNY-08.
    #[error("this dispute is about {expected}, not {found}")]
    CurrencyMismatch { expected: Currency, found: Currency },
    /// MNY-29.
    #[error("a decision must dispose of exactly {contested}, without negative parts")]
    DecisionAmountInvalid { contested: Money },
    /// MNY-30.
    #[error("a penalty may not exceed {cap}")]
    PenaltyAboveCap { cap: Money },
}

impl DomainError for DisputeError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        use ErrorKind::{Conflict, Forbidden, Invalid};
        match self {
            Self::NotFound => (ErrorKind::NotFound, "DISPUTE_NOT_FOUND"),
            Self::NotAllowed { .. } => (Conflict, "INVALID_DISPUTE_TRANSITION"),
            Self::EvidenceClosed => (Conflict, "EVIDENCE_CLOSED"),
            Self::Denied { .. } => (Forbidden, "POLICY_DENIED"),
            Self::ConflictOfInterest => (Forbidden, "CONFLICT_OF_INTEREST"),
            Self::AlreadyEscalated => (Conflict, "DISPUTE_ESCALATED"),
            Self::RedoLimitReached => (Invalid, "REDO_LIMIT_REACHED"),
            Self::RedoAfterSettlement => (Conflict, "REDO_AFTER_SETTLEMENT"),
            Self::EvidenceExists => (Conflict, "EVIDENCE_EXISTS"),
            Self::EvidenceLimit { .. } => (Invalid, "EVIDENCE_LIMIT"),
            Self::CurrencyMismatch { .. } => (Invalid, "CURRENCY_MISMATCH"),
            Self::DecisionAmountInvalid { .. } => (Invalid, "DECISION_AMOUNT_INVALID"),
            Self::PenaltyAboveCap { .. } => (Invalid, "PENALTY_ABOVE_CAP"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::NotAllowed { status, action } => json!({ "status": status, "action": action }),
            Self::Denied { action } => json!({ "action": action }),
            Self::EvidenceLimit { limit } => json!({ "limit": limit }),
            Self::CurrencyMismatch { expected, found } => json!({ "expected": expected, "found": found }),
            Self::DecisionAmountInvalid { contested } => json!({ "contested": contested }),
            Self::PenaltyAboveCap { cap } => json!({ "cap": cap }),
            Self::NotFound
            | Self::EvidenceClosed
            | Self::ConflictOfInterest
            | Self::AlreadyEscalated
            | Self::RedoLimitReached
            | Self::RedoAfterSettlement
            | Self::EvidenceExists => json!({}),
        }
    }
}
