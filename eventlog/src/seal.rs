//! Seals: a Merkle tree (RFC 6962) over each tenant's log, and its heads under our signature. docs/proof.md has every byte.
//!
//! Whoever has kept one signed head can prove that the log of then is still the beginning of the log of today.

mod announce; // on NATS
mod certificate; // of erasures
mod check; // log, tiles, seals and file against each other
mod head; // what is signed
mod leaf; // an event as bytes
mod patrol; // sealed events, read again
mod proof; // inclusion and consistency, from tiles
mod sealer;
mod sink; // the file outside the database
mod store;
mod tiles; // how the tree is kept
mod tree;

pub use certificate::{CertificateError, ErasureCertificate, erasure_certificate};
pub use check::{CheckReport, check};
pub use head::{KeyError, Seal, SealKeys, SealingKey, Stamp};
pub use leaf::{Leaf, leaf_hash};
pub use proof::{Consistency, Inclusion, ProofError, consistency, inclusion};
pub use sealer::{Refused, Sealer, SealerSettings, run};
pub use sink::{SinkError, read_seals};
pub(crate) use store::page;
pub(crate) use store::stored_prefix;
pub use store::{newest_seal, seals, tenants_with_seals};
pub use tree::{Frontier, Hash, hex_hash};
