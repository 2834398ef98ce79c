//! Credits: units in lots that expire, sold or given (LED-21..24, MNY-53, MNY-54).

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::Credits;
pub use command::CreditsCommand;
pub use error::CreditsError;
pub use event::CreditsEvent;

#[cfg(test)]
mod tests;
