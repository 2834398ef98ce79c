//! The rules of `docs/domain/dispute.md`, one sentence each. `tables` walks every status, action and hat.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for what it is about and passes over the rest")]

mod case;
mod decisions;
mod procedure;
mod stored;
mod tables;
