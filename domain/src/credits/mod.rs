//! Credits: units in lots that expire, given or sold (LED-06..08, LED-21..24, LED-70, MNY-53, MNY-54).
//! Rules: docs/domain/credits.md.

mod aggregate; // state and `apply`
mod command;
mod decide; // one short method per command
mod error;
mod event;
mod lot; // units, and the money behind those that were sold

pub use aggregate::{Credits, Liability, Units};
pub use command::{CreditsCommand, LotFilter, Sale, Usage};
pub use error::CreditsError;
pub use event::{CreditsEvent, CreditsFact, CreditsLeg, CreditsOwner, Drawn, Provider, Reference, credits_id};
pub use lot::{LotKind, LotPart, MAX_UNITS, Worth};

#[cfg(test)]
mod tests;
