//! Double-entry ledger: chart of accounts and the one pure function that maps an event to its balanced entry.
//! Accounts and postings in prose: docs/domain/ledger.md.

mod account;
mod entry;
mod post;
mod post_credits;

pub use account::{Account, AccountCode};
pub use entry::{JournalEntry, JournalLine, Side, UnbalancedEntry};
pub use post::post;

#[cfg(test)]
pub(crate) mod tests;
