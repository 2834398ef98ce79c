//! The rules of `docs/domain/contract.md`, one sentence each.

mod case;
mod contracts;
mod milestones;
mod stored;
mod tables;
mod texts;
