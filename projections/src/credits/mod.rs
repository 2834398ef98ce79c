//! Credits as their owners and the tenant's staff see them (LED-23, LED-24).

mod entries;
mod queries;
mod view;

pub use entries::{CreditsEntry, EntryFilter, EntryKind, EntryRow, entries};
pub(crate) use queries::PARTIES;
pub use queries::{CreditsBalance, CreditsLot, CreditsReservation, UnitsByKind, balance};
pub use view::{PROJECTION, projection};
