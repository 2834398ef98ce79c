//! Opens sealed personal values before a projection sees them (protocols 10).
//!
//! *Erased* is only what has a tombstone. A key that is missing, or does not open its value, fails the batch, which
//! is tried again: an outage of keys must never look like an erasure.

use std::collections::{HashMap, HashSet};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use holdfast_domain::kernel::{PartyId, Sealed, TenantId};
use holdfast_eventlog::db::Pool;
use uuid::Uuid;

/// Names one key of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRef {
    pub subject: PartyId,
    pub key_id: Uuid,
}

/// A key, or the proof that it was destroyed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SubjectKey {
    Live([u8; 32]),
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
    #[error("the keys cannot be read")]
    Database(#[from] sqlx::Error),
    #[error("key {} of a person is neither there nor destroyed", .0.key_id)]
    Missing(KeyRef),
    #[error("key {} of a person cannot be unwrapped: another master key?", .0.key_id)]
    Unwrap(KeyRef),
    #[error("a value sealed with key {} cannot be opened", .0.key_id)]
    Open(KeyRef),
}

/// Where people's keys are.
pub trait Keys: Send + Sync + 'static {
    /// Those that exist, live or destroyed.
    fn load<'a>(&'a self, tenant_id: TenantId, wanted: &'a [KeyRef]) -> BoxFuture<'a, Result<HashMap<KeyRef, SubjectKey>, KeysError>>;
}

/// Keys in the write database, wrapped with a master key.
pub struct StoredKeys {
    pool: Pool,
    master: Aes256Gcm,
}

impl StoredKeys {
    /// `pool`: the write database as `holdfast_projector`.
    #[must_use]
    pub fn new(pool: Pool, master_key: &[u8; 32]) -> Self {
        Self { pool, master: cipher(master_key) }
    }

    fn unwrap_key(&self, tenant_id: TenantId, key: KeyRef, wrapped: &[u8]) -> Result<[u8; 32], KeysError> {
        let (nonce, ciphertext) = wrapped.split_at_checked(12).ok_or(KeysError::Unwrap(key))?;
        let plain = decrypt(&self.master, nonce, ciphertext, &associated_data(tenant_id, key)).ok_or(KeysError::Unwrap(key))?;
        plain.try_into().map_err(|_| KeysError::Unwrap(key))
    }
}

impl Keys for StoredKeys {
    fn load<'a>(&'a self, tenant_id: TenantId, wanted: &'a [KeyRef]) -> BoxFuture<'a, Result<HashMap<KeyRef, SubjectKey>, KeysError>> {
        Box::pin(async move {
            let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = wanted.iter().map(|key| (key.subject.uuid(), key.key_id)).unzip();
            let mut connection = self.pool.acquire().await?;
            let rows: Vec<(Uuid, Uuid, Option<Vec<u8>>, bool)> = sqlx::query_as(
                "SELECT subject, key_id, wrapped_key, destroyed_at IS NOT NULL FROM subject_keys
                 WHERE tenant_id = $1 AND (subject, key_id) IN (SELECT subject, key_id FROM unnest($2::uuid[], $3::uuid[]) AS wanted (subject, key_id))",
            )
            .bind(tenant_id.uuid())
            .bind(subjects)
            .bind(ids)
            .fetch_all(&mut *connection)
            .await?;
            let key = |(subject, key_id, wrapped, destroyed): (Uuid, Uuid, Option<Vec<u8>>, bool)| {
                let key = KeyRef { subject: PartyId(subject), key_id };
                if destroyed {
                    return Ok((key, SubjectKey::Destroyed));
                }
                let wrapped = wrapped.ok_or(KeysError::Missing(key))?;
                Ok((key, SubjectKey::Live(self.unwrap_key(tenant_id, key, &wrapped)?)))
            };
            rows.into_iter().map(key).collect()
        })
    }
}

impl std::fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKeys").finish_non_exhaustive()
    }
}

/// The plain values of one batch, by the nonce that sealed them.
#[derive(Debug, Default)]
pub struct Opened {
    values: HashMap<(KeyRef, String), Option<serde_json::Value>>,
}

impl Opened {
    /// Opens everything with one look-up of keys.
    ///
    /// # Errors
    /// When a key cannot be had or a value cannot be opened.
    pub async fn open_all(keys: &dyn Keys, tenant_id: TenantId, sealed: &[&Sealed]) -> Result<Self, KeysError> {
        if sealed.is_empty() {
            return Ok(Self::default());
        }
        let wanted: HashSet<KeyRef> = sealed.iter().map(|value| key_ref(value)).collect();
        let found = keys.load(tenant_id, &wanted.into_iter().collect::<Vec<_>>()).await?;
        let mut values = HashMap::new();
        for value in sealed {
            let key = key_ref(value);
            let plain = match found.get(&key).ok_or(KeysError::Missing(key))? {
                SubjectKey::Destroyed => None,
                SubjectKey::Live(secret) => Some(open(tenant_id, value, secret).ok_or(KeysError::Open(key))?),
            };
            values.insert((key, value.nonce.clone()), plain);
        }
        Ok(Self { values })
    }

    /// Outer `None`: not one of this batch. Inner `None`: erased.
    pub(crate) fn value(&self, sealed: &Sealed) -> Option<Option<serde_json::Value>> {
        self.values.get(&(key_ref(sealed), sealed.nonce.clone())).cloned()
    }
}

fn key_ref(sealed: &Sealed) -> KeyRef {
    KeyRef { subject: sealed.subject, key_id: sealed.key_id }
}

fn open(tenant_id: TenantId, sealed: &Sealed, key: &[u8; 32]) -> Option<serde_json::Value> {
    let nonce = STANDARD.decode(&sealed.nonce).ok()?;
    let ciphertext = STANDARD.decode(&sealed.ciphertext).ok()?;
    let plain = decrypt(&cipher(key), &nonce, &ciphertext, &associated_data(tenant_id, key_ref(sealed)))?;
    serde_json::from_slice(&plain).ok()
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
}

fn decrypt(cipher: &Aes256Gcm, nonce: &[u8], ciphertext: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let nonce: [u8; 12] = nonce.try_into().ok()?;
    cipher.decrypt(&Nonce::from(nonce), Payload { msg: ciphertext, aad }).ok()
}

/// Tenant, subject and key id: a value moved to another person or tenant does not open.
fn associated_data(tenant_id: TenantId, key: KeyRef) -> Vec<u8> {
    [tenant_id.uuid().as_bytes().as_slice(), key.subject.uuid().as_bytes(), key.key_id.as_bytes()].concat()
}
