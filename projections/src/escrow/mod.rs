//! Escrows as parties and staff see them: lists, detail page, timeline, transactions, what is due (ESC-11, 12, 28, 85).

mod detail;
mod money;
mod queries;
mod summary;
mod timeline;
mod transactions;
mod view;

pub use detail::{DisputeView, EscrowDetail, FundingState, PartyAmounts, detail};
pub use money::{AccountFilter, EscrowAccount, EscrowLedger, EscrowTransaction, TransactionFilter, accounts, ledger, transactions};
pub(crate) use queries::PARTIES;
pub use queries::{DueFilter, DueKind, EscrowFilter, EscrowSort, EscrowSortField, UnknownSort, due, list};
pub use summary::{EscrowSummary, LegacyStatusView, NextDeadline, Settlement};
pub use timeline::{EscrowEventRow, TimelineEntry};
pub use transactions::{EscrowTransactionRow, TransactionKind};
pub use view::{EscrowRow, PROJECTION, projection};
