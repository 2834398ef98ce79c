//! Wallets as their owners and the tenant's staff see them (LED-15..18).

mod balances; // of now and of earlier
mod lines; // the ledger of a wallet
mod queries;
mod transfers; // that needed a second person
mod view;

pub use balances::{AsOf, WalletBalance, balance_as_of};
pub(crate) use balances::{Held, held_before};
pub use lines::{EntryFilter, WalletEntry, entries};
pub(crate) use lines::{Positions, lines};
pub(crate) use queries::{PARTIES, find};
pub use queries::{WalletFilter, WalletSummary, balance, list};
pub use transfers::{NoTransferId, RequestedTransfer, TransferId, TransferRow, TransferStatus, transfers};
pub use view::{PROJECTION, WalletRow, projection};
