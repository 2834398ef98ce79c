//! Who calls and what they may do: tokens, keys, capabilities, and the guard that asks on every route.

mod capabilities;
mod guard; // in front of every route
mod keys;
mod revocation;
mod token;

pub use capabilities::{Capability, granted, holds};
pub(crate) use guard::guard;
pub use keys::{Jwk, Jwks, KeyError, Keyring};
pub(crate) use revocation::Barred;
pub use revocation::{RevocationPolicy, Revocations};
pub use token::{Claims, Identity, IssueError, Issuer, Subject, TokenError, TokenPolicy, Verifier, now_s};
