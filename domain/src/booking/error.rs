//! Why a command about a booking is refused.

use chrono::NaiveDate;
use serde_json::json;

use crate::booking::{BookingAction, BookingStatus, SlotProblem};
use crate::escrow::EscrowError;
use crate::kernel::{DisputeId, DomainError, ErrorKind, FreeJsonProblem, PartyId};

/// In order of precedence: the first that applies is the one reported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BookingError {
    #[error("this booking does not exist")]
    NotFound,
    #[error("a booking that is {status} cannot {action}")]
    NotAllowed { status: BookingStatus, action: BookingAction },
    #[error("you may not {action} here")]
    Denied { action: BookingAction },
    // State.
    #[error("the hold has expired")]
    HoldExpired,
    #[error("the hold is for another {field}")]
    HoldDiffers { field: &'static str },
    #[error("the time to answer is over")]
    AnswerOverdue,
    #[error("the booking was moved meanwhile: read it again")]
    OfferChanged,
    /// JOB-47.
    #[error("the escrow of this booking is not funded")]
    EscrowNotFunded,
    #[error("dispute {dispute_id} about it is open")]
    DisputeOpen { dispute_id: DisputeId },
    #[error("there is no call sheet that is not published")]
    CallSheetUnchanged,
    #[error("a booking has {limit} completion codes at most")]
    TooManyCodes { limit: u32 },
    // Values.
    #[error("schedule {0}")]
    SlotInvalid(SlotProblem),
    #[error("a hold must end after now and before the time that it holds")]
    ExpiryInvalid,
    #[error("the price must be above zero")]
    PriceInvalid,
    #[error("nobody books themselves")]
    PayerIsTalent,
    #[error("terms {0}")]
    TermsInvalid(FreeJsonProblem),
    /// MNY-04: the price cannot be divided by the rules in force.
    #[error(transparent)]
    NotDivisible(#[from] EscrowError),
    /// JOB-33.
    #[error("this completion code is not right")]
    OtpInvalid,
    #[error("this completion code does not count any more")]
    OtpExpired,
    // Other streams.
    /// JOB-20, JOB-23, JOB-69. `date`: of the first time that is taken, in UTC.
    #[error("the talent is not free on {date}")]
    AvailabilityConflict { talent_id: PartyId, date: NaiveDate },
}

impl DomainError for BookingError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        use ErrorKind::{Conflict, Forbidden, Invalid, NotFound};
        match self {
            Self::NotFound => (NotFound, "BOOKING_NOT_FOUND"),
            Self::NotAllowed { .. } => (Conflict, "INVALID_BOOKING_TRANSITION"),
            Self::Denied { .. } => (Forbidden, "POLICY_DENIED"),
            Self::HoldExpired => (Conflict, "HOLD_EXPIRED"),
            Self::HoldDiffers { .. } => (Conflict, "HOLD_DIFFERS"),
            Self::AnswerOverdue => (Conflict, "ANSWER_OVERDUE"),
            Self::OfferChanged => (Conflict, "OFFER_CHANGED"),
            Self::EscrowNotFunded => (Conflict, "ESCROW_NOT_FUNDED"),
            Self::DisputeOpen { .. } => (Conflict, "DISPUTE_OPEN"),
            Self::CallSheetUnchanged => (Conflict, "CALL_SHEET_UNCHANGED"),
            Self::TooManyCodes { .. } => (Conflict, "TOO_MANY_CODES"),
            Self::SlotInvalid(_) => (Invalid, "SCHEDULE_INVALID"),
            Self::ExpiryInvalid => (Invalid, "HOLD_EXPIRY_INVALID"),
            Self::PriceInvalid => (Invalid, "AMOUNT_INVALID"),
            Self::PayerIsTalent => (Invalid, "PARTIES_INVALID"),
            Self::TermsInvalid(_) => (Invalid, "TERMS_INVALID"),
            Self::NotDivisible(error) => error.describe(),
            Self::OtpInvalid => (Invalid, "OTP_INVALID"),
            Self::OtpExpired => (Invalid, "OTP_EXPIRED"),
            Self::AvailabilityConflict { .. } => (Conflict, "AVAILABILITY_CONFLICT"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::NotAllowed { status, action } => json!({ "status": status, "action": action }),
            Self::Denied { action } => json!({ "action": action }),
            Self::DisputeOpen { dispute_id } => json!({ "disputeId": dispute_id }),
            Self::HoldDiffers { field } => json!({ "field": field }),
            Self::TooManyCodes { limit } => json!({ "limit": limit }),
            Self::SlotInvalid(problem) => json!({ "field": "schedule", "problem": problem.to_string() }),
            Self::ExpiryInvalid => json!({ "field": "expiresAt" }),
            Self::PriceInvalid => json!({ "field": "price" }),
            Self::PayerIsTalent => json!({ "field": "payerId" }),
            Self::TermsInvalid(problem) => json!({ "field": "terms", "problem": problem.to_string() }),
            Self::NotDivisible(error) => error.details(),
            Self::OtpInvalid | Self::OtpExpired => json!({ "field": "otp" }),
            Self::AvailabilityConflict { talent_id, date } => json!({ "talentId": talent_id, "date": date }),
            Self::NotFound
            | Self::HoldExpired
            | Self::AnswerOverdue
            | Self::OfferChanged
            | Self::EscrowNotFunded
            | Self::CallSheetUnchanged => json!({}),
        }
    }
}
