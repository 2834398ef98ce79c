//! Escrow: holds a payer's money until the work is approved, the deadline passes or a dispute is decided.
//! Rules in prose, each with its source: docs/domain/escrow.md. Read on in this order.

mod aggregate; // state and `apply`
mod command;
mod decide;
mod error;
mod event;
mod status; // the state machine as a table, and who may do what
mod terms; // what is agreed at creation: amount, parties, rules, entitlements // one short method per command

pub use aggregate::Escrow;
pub use command::{
    Artifact, ArtifactKind, CreateEscrow, Decision, DisputeKind, EscrowCommand, FundingFailure, FundingSource, RefundReason,
};
pub use error::EscrowError;
pub use event::{
    Deadline, DeadlineAction, Deadlines, DecisionKind, EscrowEvent, EscrowFact, FundingPart, Landing, Leg, LegParty, MoneySource,
    ReleaseMode,
};
pub use status::{EscrowAction, EscrowStatus, Hat, MATRIX, Outcome, TRANSITIONS};
pub use terms::{Entitlements, Reference, Rules, Terms};
