//! Booking: a talent's time for one job, from the hold to the completed work (JOB-20, JOB-23..34, JOB-44..49).
//!
//! A hold is the first state of a booking's stream, so that turning it into a booking never lets go of the talent's time.

mod aggregate;
mod command;
mod error;
mod event;
mod slot;
mod status;

pub use aggregate::Booking;
pub use command::{Accept, BookingCommand, CreateBooking, OtpProof};
pub use error::BookingError;
pub use event::{Agreement, BookingEvent, BookingFact, BookingParties, CallSheet, DisputeMark, Otp, Pricing};
pub use slot::Slot;
pub use status::BookingStatus;

#[cfg(test)]
mod tests;
