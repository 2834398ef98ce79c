//! PDFs of `holdfast-documents`: contracts with their evidence of signing, wallet statements, call sheets.
//!
//! Pure functions: no clock, no files, no network, the fonts are part of the crate. The same input gives the same bytes.
//! Rules and limits: docs/documents.md.

mod call_sheet;
mod contract;
mod engine;
mod input;
mod markdown;
mod statement;

pub use call_sheet::call_sheet_pdf;
pub use contract::contract_pdf;
pub use statement::statement_pdf;
