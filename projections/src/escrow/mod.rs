//! Escrows as parties and staff see them: lists, detail page, timeline, transactions, what is due (ESC-11, 12, 28, 85).

mod detail;
mod queries;
mod summary;
mod timeline;
mod transactions;
mod view;

pub use detail::{DisputeView, EscrowDetail, FundingState, PartyAmounts, detail};
pub use queries::{
    AccountFilter, DueFilter, DueKind, EscrowAccount, EscrowFilter, EscrowLedger, EscrowSort, EscrowSortField, EscrowTransaction,
    TransactionFilter, UnknownSort, accounts, due, ledger, list, transactions,
};
pub use summary::{EscrowSummary, LegacyStatusView, NextDeadline, Settlement};
pub use timeline::{EscrowEventRow, TimelineEntry};
pub use transactions::{EscrowTransactionRow, TransactionKind};
pub use view::{EscrowRow, PROJECTION, projection};
