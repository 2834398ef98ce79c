//! Opens sealed personal values before a projection sees them (protocols 10).
//!
//! *Erased* is only what has a tombstone, and what was sealed before its person's erasure. A key that is missing, or does
//! not open its value, fails the batch, which is tried again: an outage of keys must never look like an erasure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{PartyId, Recorded, Sealed, TenantId};
use holdfast_domain::person::Person;
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::keys::{self, KeyStore, Kms};
pub use holdfast_eventlog::keys::{KeyRef, KeysError, SubjectKey};

/// Where people's keys are.
pub trait Keys: Send + Sync + 'static {
    /// Those that exist, live or destroyed.
    fn load<'a>(&'a self, tenant_id: TenantId, wanted: &'a [KeyRef]) -> BoxFuture<'a, Result<HashMap<KeyRef, SubjectKey>, KeysError>>;
}

/// Keys in the write database, wrapped.
#[derive(Debug)]
pub struct StoredKeys {
    store: KeyStore,
}

impl StoredKeys {
    /// `pool`: the write database as `holdfast_projector`.
    #[must_use]
    pub fn new(pool: Pool, kms: Arc<dyn Kms>) -> Self {
        Self { store: KeyStore::new(pool, kms) }
    }
}

impl Keys for StoredKeys {
    fn load<'a>(&'a self, tenant_id: TenantId, wanted: &'a [KeyRef]) -> BoxFuture<'a, Result<HashMap<KeyRef, SubjectKey>, KeysError>> {
        Box::pin(self.store.load(tenant_id, wanted))
    }
}

/// Whose data ends with the event: the person was erased, or their keys are gone.
pub(crate) fn ends(event: &AnyEvent) -> Option<PartyId> {
    event.of::<Person>().map(|event| event.subject())
}

/// The plain values of one batch, by the nonce that sealed them.
#[derive(Debug, Default)]
pub struct Opened {
    values: HashMap<(KeyRef, String), Option<serde_json::Value>>,
    /// Persons whom the batch erases, with the position of the last event that does.
    erased: HashMap<PartyId, i64>,
}

impl Opened {
    /// Opens every value of the batch with one look-up of keys.
    ///
    /// # Errors
    /// As [`Opened::open_all`].
    pub async fn of_batch(keys: &dyn Keys, tenant_id: TenantId, batch: &[&Recorded<AnyEvent>]) -> Result<Self, KeysError> {
        let sealed: Vec<_> = batch.iter().flat_map(|recorded| recorded.event.personal()).collect();
        let mut opened = Self::open_all(keys, tenant_id, &sealed).await?;
        opened.erased = batch.iter().filter_map(|recorded| Some((ends(&recorded.event)?, recorded.position))).collect();
        Ok(opened)
    }

    /// Opens everything with one look-up of keys.
    ///
    /// # Errors
    /// When a key cannot be had or a value cannot be opened.
    pub async fn open_all(keys: &dyn Keys, tenant_id: TenantId, sealed: &[&Sealed]) -> Result<Self, KeysError> {
        if sealed.is_empty() {
            return Ok(Self::default());
        }
        let wanted: HashSet<KeyRef> = sealed.iter().map(|value| KeyRef::of(value)).collect();
        let found = keys.load(tenant_id, &wanted.into_iter().collect::<Vec<_>>()).await?;
        let mut values = HashMap::new();
        for value in sealed {
            let key = KeyRef::of(value);
            let plain = match found.get(&key).ok_or(KeysError::Missing(key))? {
                SubjectKey::Destroyed => None,
                SubjectKey::Live(secret) => Some(open(tenant_id, value, secret)?),
            };
            values.insert((key, value.nonce.clone()), plain);
        }
        Ok(Self { values, erased: HashMap::new() })
    }

    /// As an event at `position` may know it. Outer `None`: not one of this batch. Inner `None`: erased, by then or later in
    /// the batch.
    pub(crate) fn value(&self, sealed: &Sealed, position: i64) -> Option<Option<serde_json::Value>> {
        let value = self.values.get(&(KeyRef::of(sealed), sealed.nonce.clone()))?;
        let ended = self.erased.get(&sealed.subject).is_some_and(|erased_at| position < *erased_at);
        Some(value.clone().filter(|_| !ended))
    }

    /// Persons whom the batch erases: nothing that earlier batches wrote about them may stay.
    pub(crate) fn erased(&self) -> impl Iterator<Item = PartyId> {
        self.erased.keys().copied()
    }
}

fn open(tenant_id: TenantId, sealed: &Sealed, secret: &keys::Secret) -> Result<serde_json::Value, KeysError> {
    let plain = keys::open(tenant_id, sealed, secret)?;
    serde_json::from_slice(&plain).map_err(|_| KeysError::Open(KeyRef::of(sealed)))
}
