//! Person: the end of what is kept about one, who is otherwise only an id here (ADM-25, CNF-33). The rules are in
//! docs/domain/person.md; what an erasure does to stored data is in docs/privacy.md.

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::{Erasure, Person, PersonStatus};
pub use command::{ErasureReason, PersonCommand};
pub use error::PersonError;
pub use event::PersonEvent;

#[cfg(test)]
mod tests;
