//! Access: an auditor has read the log (ANA-38, NFR-128). One stream per access with one event, so that who looked at what is
//! kept, listed and sealed like everything else. Written down before anything is read.

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::Access;
pub use command::{AccessCommand, is_name};
pub use error::AccessError;
pub use event::{AccessEvent, AccessFilter, AccessKind};

#[cfg(test)]
mod tests;
