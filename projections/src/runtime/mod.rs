//! From events to rows: what a projection says about itself, and the projector that does the rest.

mod event;
mod failures;
mod projection;
mod projector;
mod table;
mod verify;

pub use event::{ApplyError, Event};
pub use failures::{Failure, clear_failure, failures};
pub use projection::Projection;
pub use projector::Projector;
pub use table::{Facts, Table, View};
pub use verify::{TableCheck, VerifyError, verify};
