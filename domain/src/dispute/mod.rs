//! Dispute: the case about contested money of one escrow, from its opening to the enforced decision (DSP).
//! Rules in prose, each with its source: docs/domain/dispute.md.
//!
//! The escrow freezes first and knows the money; the dispute knows the procedure: evidence, resolver, decision.
//! Read on in this order: `status` (the machine as a table, and who may do what), `command`, `event`, `error`, `aggregate`,
//! `view`, `permit` (may this be asked now, by this actor?), `decide`.

mod aggregate;
mod command;
mod decide;
mod error;
mod event;
mod permit;
mod status;
mod view;

pub use aggregate::{Case, Closing, Dispute, Outcome};
pub use command::{DisputeCommand, OpenCase, OutcomeOfCase};
pub use error::DisputeError;
pub use event::{CaseDecision, CaseFacts, DisputeEvent, DisputeFact, Evidence, Resolution};
pub use status::{DisputeAction, DisputeStatus, MATRIX, TRANSITIONS};

#[cfg(test)]
mod tests;
