//! The write side: writers, idempotency, reactions, effects, deadlines. Nothing else appends events.

mod asset;
mod bank_receipt;
mod booking;
mod clock;
mod contract;
mod credits;
mod deadline;
mod dispute;
pub mod effect;
mod escrow;
pub mod esign;
pub mod person;
pub mod personal;
pub mod reaction;
mod request;
mod wallet;
mod writer;

pub use clock::Clock;
pub use deadline::{DeadlineTracker, DeadlineWorker};
pub use request::{Accepted, AcceptedEvent, IdempotencyKey, KeyOwner, Refusal, Rejection, Request};
pub use writer::{WriterSettings, Writers};
