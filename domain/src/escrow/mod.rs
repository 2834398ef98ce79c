//! Escrow: holds a payer's money until the work is approved, the deadline passes or a dispute is decided.
//! Rules in prose, each with its source: docs/domain/escrow.md.
//!
//! Read on in this order: `status` (the machine as a table, and who may do what), `terms` (what is agreed at creation),
//! `command`, `event`, `error`, `aggregate` (state and how events change it), `view` (what is shown of it), `permit` (may
//! this be asked now, by this actor?), `decide` (one short method per command, one file per story).

mod aggregate;
mod command;
mod decide;
mod error;
mod event;
mod permit;
mod status;
mod terms;
mod view;

#[cfg(test)]
mod tests;

pub use aggregate::{Escrow, OpenDispute};
pub use command::{
    Artifact, ArtifactKind, CreateEscrow, Decision, DisputeKind, EscrowCommand, FundingFailure, FundingSource, RefundReason,
};
pub use error::EscrowError;
pub use event::{
    CaseLeg, Deadline, DeadlineAction, Deadlines, DecisionKind, EscrowEvent, EscrowFact, FundingPart, Landing, Leg, LegParty, MoneySource,
    ReleaseMode,
};
pub use status::{EscrowAction, EscrowStatus, Hat, LegacyStatus, MATRIX, Outcome, TRANSITIONS};
pub use terms::{Entitlements, Reference, Rules, Terms};
pub use view::{Amounts, FundingView, PartyShare, SettledCaseView};
