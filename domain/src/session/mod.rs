//! Session: a sign-in whose tokens no longer count (IDN-11, IDN-22). One stream per revoked session, under the id that its tokens
//! carry as `sid`; a session that was never revoked has none.

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::{MAX_SESSION_DAYS, Session};
pub use command::SessionCommand;
pub use error::SessionError;
pub use event::{RevocationReason, SessionEvent};

#[cfg(test)]
mod tests;
