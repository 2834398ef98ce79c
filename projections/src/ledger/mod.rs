//! The double-entry ledger: accounts, entries and lines, by the domain's `post` (LED-02..04, LED-25, LED-60..66).

mod balances;
mod queries;
mod view;

pub use balances::WalletBalanceRow;
pub(crate) use queries::entries_of;
pub use queries::{
    AccountTotals, CurrencyTotals, JournalEntryView, JournalLineView, LedgerHealth, TrialBalance, entries_of_aggregate, health,
    trial_balance,
};
pub use view::{AccountRow, EntryRow, LineRow, PROJECTION, WalletPlace, account_id, entry_id, projection, wallet_account};
pub(crate) use view::{LineIds, side_name};
