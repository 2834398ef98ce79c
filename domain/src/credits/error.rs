//! Why a command is refused, in order of precedence: the first that applies is the one reported.

use serde_json::json;

use crate::credits::MAX_UNITS;
use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    #[error("this actor may not do this to credits")]
    NotPermitted,
    #[error("units must be a whole number from 1 to {MAX_UNITS}")]
    UnitsInvalid,
    /// The id follows from the owner, so this is a caller that mixed two owners up.
    #[error("the named owner is not the owner of these credits")]
    OwnerMismatch,
    #[error("an expiry must lie in the future")]
    ExpiryInvalid,
    #[error("a reservation must end in the future and at most {days} days from now")]
    UntilInvalid { days: i64 },
    #[error("the value of a unit must be above zero and the sum within what can be booked")]
    UnitValueInvalid,
    #[error("credits that were given must be valued when the tenant is to be paid for them")]
    UnitValueMissing,
    #[error("this reservation does not exist or is over")]
    ReservationNotFound,
    #[error("this reservation has ended")]
    ReservationEnded,
    #[error("a reservation with this id has other content or is over")]
    ReservationExists,
    #[error("at most {limit} lots can be open at a time")]
    TooManyLots { limit: usize },
    #[error("at most {limit} reservations can be open at a time")]
    TooManyReservations { limit: usize },
    #[error("{requested} credits requested, {available} available")]
    InsufficientCredits { available: i64, requested: i64 },
    #[error("this {kind} belongs to another stream")]
    ClaimTaken { kind: &'static str },
}

impl DomainError for CreditsError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotPermitted => (ErrorKind::Forbidden, "POLICY_DENIED"),
            Self::UnitsInvalid => (ErrorKind::Invalid, "AMOUNT_INVALID"),
            Self::OwnerMismatch => (ErrorKind::Invalid, "CREDITS_OWNER_MISMATCH"),
            Self::ExpiryInvalid => (ErrorKind::Invalid, "EXPIRY_INVALID"),
            Self::UntilInvalid { .. } => (ErrorKind::Invalid, "RESERVATION_END_INVALID"),
            Self::UnitValueInvalid => (ErrorKind::Invalid, "UNIT_VALUE_INVALID"),
            Self::UnitValueMissing => (ErrorKind::Invalid, "UNIT_VALUE_MISSING"),
            Self::ReservationNotFound => (ErrorKind::NotFound, "RESERVATION_NOT_FOUND"),
            Self::ReservationEnded => (ErrorKind::Conflict, "RESERVATION_ENDED"),
            Self::ReservationExists => (ErrorKind::Conflict, "RESERVATION_EXISTS"),
            Self::TooManyLots { .. } => (ErrorKind::Conflict, "TOO_MANY_LOTS"),
            Self::TooManyReservations { .. } => (ErrorKind::Conflict, "TOO_MANY_RESERVATIONS"),
            Self::InsufficientCredits { .. } => (ErrorKind::Invalid, "INSUFFICIENT_CREDITS"),
            Self::ClaimTaken { .. } => (ErrorKind::Conflict, "ALREADY_TAKEN"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::UntilInvalid { days } => json!({ "days": days }),
            Self::TooManyLots { limit } | Self::TooManyReservations { limit } => json!({ "limit": limit }),
            Self::InsufficientCredits { available, requested } => json!({ "available": available, "requested": requested }),
            Self::ClaimTaken { kind } => json!({ "kind": kind }),
            Self::NotPermitted
            | Self::UnitsInvalid
            | Self::OwnerMismatch
            | Self::ExpiryInvalid
            | Self::UnitValueInvalid
            | Self::UnitValueMissing
            | Self::ReservationNotFound
            | Self::ReservationEnded
            | Self::ReservationExists => json!({}),
        }
    }
}
