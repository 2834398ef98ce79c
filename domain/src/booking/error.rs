//! Why a command about a booking is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BookingError {
    #[error("this booking does not exist")]
    NotFound,
}

impl DomainError for BookingError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "BOOKING_NOT_FOUND"),
        }
    }
}
