//! The write side: writers, idempotency, reactions, deadlines. Nothing else appends events.

mod clock;
mod request;
mod writer;

pub use clock::Clock;
pub use request::{Accepted, AcceptedEvent, IdempotencyKey, KeyOwner, Refusal, Rejection, Request};
pub use writer::{WriterSettings, Writers};
