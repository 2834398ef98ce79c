//! The keys of persons: the only place where personal data is sealed and opened, and where its keys are kept and destroyed
//! (protocols 10, ADM-25, CNF-33; docs/privacy.md).
//!
//! Three levels: a key per person seals their values; a key per tenant wraps those; the [`Kms`] wraps the tenants' keys
//! with a master key that is never in the database.

mod cipher; // AES-256-GCM and the shapes that it is stored in
mod kms;
mod store;
mod vault;

use holdfast_domain::kernel::{PartyId, Sealed};
use uuid::Uuid;

pub use cipher::{Secret, open, seal};
pub use kms::{Kms, KmsError, LocalKms};
pub use store::{Destroyed, KeyStore, TOMBSTONE};
pub use vault::{VaultKms, VaultSettings};

/// Names one key of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRef {
    pub subject: PartyId,
    pub key_id: Uuid,
}

impl KeyRef {
    #[must_use]
    pub fn of(sealed: &Sealed) -> Self {
        Self { subject: sealed.subject, key_id: sealed.key_id }
    }
}

/// A key, or the proof that it was destroyed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SubjectKey {
    Live(Secret),
    Destroyed,
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Live(_) => "Live(..)",
            Self::Destroyed => "Destroyed",
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("the keys cannot be read or written")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Kms(#[from] KmsError),
    #[error("key {} of a person is neither there nor destroyed", .0.key_id)]
    Missing(KeyRef),
    #[error("key {} of a person cannot be unwrapped: another master key?", .0.key_id)]
    Unwrap(KeyRef),
    #[error("a value sealed with key {} cannot be opened", .0.key_id)]
    Open(KeyRef),
    /// There is no key for this person any more, and there will be none.
    #[error("the person was erased")]
    Erased,
    #[error("the operating system gave no random bytes")]
    Random,
    #[error("a value could not be sealed")]
    Seal,
}
