//! Sessions that were revoked (IDN-11): what every process compares tokens with.

mod queries;
mod view;

pub use queries::{MAX_REVOKED, RevokedSession, revoked_after};
pub use view::{PROJECTION, RevokedRow, projection};
