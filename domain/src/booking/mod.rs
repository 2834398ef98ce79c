//! Booking: a talent's time for one job, from the hold to the completed work (JOB-20, JOB-23..34, JOB-44..49).
//!
//! A hold is the first state of a booking's stream, so that turning it into a booking never lets go of the talent's time.

mod aggregate;
mod command;
mod decide;
mod error;
mod event;
mod permit;
mod slot;
mod status;
mod view;

pub use aggregate::{Agreed, Booking, Cancellation, Dispute, Offer, PublishedCallSheet, Work};
pub use command::{Accept, BookingCommand, CreateBooking, Evidence, OtpProof};
pub use error::BookingError;
pub use event::{
    Agreement, Attendance, BookingEvent, BookingFact, BookingParties, BookingRules, CallSheet, CancelCause, DisputeMark, Otp, Pricing,
};
pub use permit::MOST_CODES;
pub use slot::{Slot, SlotProblem};
pub use status::{BookingAction, BookingStatus, MATRIX, PayoutStatus, TRANSITIONS};

#[cfg(test)]
mod tests;
