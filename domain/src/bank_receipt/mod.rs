//! Bank receipt: money that arrived on the client account, by bank reference (postings rows 1, 2, 28 of docs/domain/ledger.md; MNY-10, MNY-12).
//! Its stream id follows from the bank reference, so that recording it twice records it once.

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::{BankReceipt, BankReceiptStatus};
pub use command::BankReceiptCommand;
pub use error::BankReceiptError;
pub use event::{BankReceiptEvent, bank_receipt_id};

#[cfg(test)]
mod tests;
