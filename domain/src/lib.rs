//! The business of Holdfast: ids, money, aggregates and posting rules. Pure: no I/O, no clock, no randomness.
//!
//! One folder per bounded context; each has the same name in every other crate. Start at [`escrow`].

pub mod access;
pub mod asset;
pub mod bank_receipt;
pub mod booking;
pub mod contract;
pub mod credits;
pub mod dispute;
pub mod escrow;
pub mod event;
pub mod job;
pub mod kernel;
pub mod ledger;
pub mod person;
pub mod session;
pub mod tenant;
pub mod wallet;
