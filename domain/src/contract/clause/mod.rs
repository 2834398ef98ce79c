//! Clause: a text of the library, by its key (CTR-02, CTR-14, CTR-15).

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::{Clause, ClauseText};
pub use command::ClauseCommand;
pub use error::ClauseError;
pub use event::{ClauseEvent, clause_id};
