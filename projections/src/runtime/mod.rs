//! From events to rows: what a projection says about itself, and the projector that does the rest.

mod event;
mod projection;
mod projector;
mod table;

pub use event::{ApplyError, Event};
pub use projection::Projection;
pub use projector::Projector;
pub use table::{Facts, Table, View};
