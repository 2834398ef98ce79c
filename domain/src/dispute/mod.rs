//! Dispute: the case about contested money of one escrow, from its opening to the enforced decision (DSP).
//!
//! The escrow freezes first and knows the money; the dispute knows the procedure: evidence, resolver, decision.

mod aggregate;
mod command;
mod error;
mod event;
mod status;

pub use aggregate::Dispute;
pub use command::{DisputeCommand, OpenCase, OutcomeOfCase};
pub use error::DisputeError;
pub use event::{CaseDecision, CaseFacts, DisputeEvent, DisputeFact, Evidence, Resolution};
pub use status::DisputeStatus;

#[cfg(test)]
mod tests;
