//! Monthly statements of wallets (LED-09, LED-19, LED-20, LED-71, MNY-55). Computed from the ledger read model, never stored:
//! docs/decisions/0010-statements-are-computed.md.

mod month;
mod queries;

pub use month::{Month, NoMonth, NoStatementId, StatementId};
pub use queries::{Place, Statement, StatementSummary, StatementTotal, StatementsWanted, line_page, list, statement};
