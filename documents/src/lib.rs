//! What documents say: contracts with their evidence of signing, wallet statements, call sheets. Plain values, so that
//! whoever needs a document does not wait for the typesetting to compile (`holdfast-typesetting` makes PDFs of them).

mod call_sheet;
mod contract;
mod error;
mod statement;

pub use call_sheet::{CallSheetDocument, Contact, ScheduleLine, Section};
pub use contract::{ContractDocument, Signature, SignedWith};
pub use error::{MAX_PIECES, MAX_TEXT_BYTES, RenderError};
pub use statement::{StatementDocument, StatementLine};
