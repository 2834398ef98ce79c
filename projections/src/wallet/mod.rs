//! Wallets as their owners and the tenant's staff see them (LED-15..17).

mod queries;
mod view;

pub use queries::{EntryFilter, WalletBalance, WalletEntry, WalletFilter, WalletSummary, balance, entries, list};
pub use view::{PROJECTION, WalletRow, projection};
