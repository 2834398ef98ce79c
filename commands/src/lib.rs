//! The write side: writers, idempotency, reactions, deadlines.

mod request;

pub use request::{Accepted, AcceptedEvent, IdempotencyKey, KeyOwner, Refusal, Rejection, Request};
