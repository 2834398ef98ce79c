//! From events to rows: what a projection says about itself, and the projector that does the rest.

mod checkpoint;
mod columns; // rows taken apart
mod convoy;
mod document;
mod erase; // what earlier batches wrote about a person who is erased
mod event;
mod failures;
mod memory; // of the rows that were written last
mod projection;
mod projector;
mod reads; // rows that nobody remembers
mod series;
mod table;
mod verify;
mod writes; // all rows of a batch, in one statement

pub use convoy::convoy;
pub use document::{Document, Documented, Stored, Texts, document_version};
pub(crate) use document::{find, list};
pub use event::{ApplyError, Event};
pub use failures::{Failure, clear_failure, failures};
pub(crate) use memory::Stretch;
pub(crate) use projection::FoldError;
pub use projection::Projection;
pub use projector::Projector;
pub(crate) use projector::reason;
pub use series::Series;
pub use table::{Facts, Table, View};
pub use verify::{TableCheck, VerifyError, verify};
pub(crate) use writes::Writes;
