//! Documents as PDF: contracts with their evidence of signing, wallet statements, call sheets.
//!
//! Pure functions: no clock, no files, no network, the fonts are part of the crate. The same input gives the same bytes.
//! Rules and limits: docs/documents.md.

mod call_sheet;
mod contract;
mod engine;
mod error;
mod input;
mod markdown;
mod statement;

pub use call_sheet::{CallSheetDocument, Contact, ScheduleLine, Section, call_sheet_pdf};
pub use contract::{ContractDocument, Signature, SignedWith, contract_pdf};
pub use error::RenderError;
pub use input::{MAX_PIECES, MAX_TEXT_BYTES};
pub use statement::{StatementDocument, StatementLine, statement_pdf};
