//! Sealing of personal data: once, while a request becomes a command; and opening, for effects. The keys and the cipher are
//! [`holdfast_eventlog::keys`].

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_domain::kernel::{PartyId, Personal, TenantId};
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::keys::{self, Destroyed, KeyRef, KeyStore, KeysError, Kms, Secret, SubjectKey};
use lru::LruCache;
use serde::Serialize;
use serde::de::DeserializeOwned;

const CACHED_KEYS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// How long a key is used without asking whether it still lives. What another process seals with a destroyed key in that time
/// can be opened by nobody: every reader asks the database.
pub const CACHED_FOR: Duration = Duration::from_secs(10);

/// Seals values under their person's key, making the key when there is none.
#[derive(Clone)]
pub struct Sealer {
    store: KeyStore,
    cached: Arc<Mutex<Cached>>,
}

/// The keys used last, by whose they are, with when they were read.
type Cached = LruCache<(TenantId, PartyId), (KeyRef, Secret, Instant)>;

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the keys of persons cannot be had")]
    Keys(#[source] KeysError),
    /// Their keys were destroyed, and there will be no new one.
    #[error("the person was erased: nothing personal can be kept about them any more")]
    Erased,
    #[error("the value could not be sealed")]
    Seal,
    #[error("the value is not what was sealed")]
    Open,
}

impl From<KeysError> for SealError {
    fn from(error: KeysError) -> Self {
        if matches!(error, KeysError::Erased) { Self::Erased } else { Self::Keys(error) }
    }
}

impl Sealer {
    /// `pool`: the role `writer`.
    #[must_use]
    pub fn new(pool: Pool, kms: Arc<dyn Kms>) -> Self {
        Self { store: KeyStore::new(pool, kms), cached: Arc::new(Mutex::new(LruCache::new(CACHED_KEYS))) }
    }

    /// # Errors
    /// `Erased`, or when the person's key cannot be had; nothing was sealed.
    pub async fn seal<T: Serialize>(&self, tenant_id: TenantId, subject: PartyId, value: &T) -> Result<Personal<T>, SealError> {
        let (key, secret) = self.key(tenant_id, subject).await?;
        let plaintext = serde_json::to_vec(value).map_err(|_| SealError::Seal)?;
        Ok(Personal::from_sealed(keys::seal(tenant_id, key, &secret, &plaintext)?))
    }

    /// None when the person was erased.
    ///
    /// # Errors
    /// When the person's key cannot be had, or the value is not what was sealed.
    pub async fn open<T: DeserializeOwned>(&self, tenant_id: TenantId, value: &Personal<T>) -> Result<Option<T>, SealError> {
        // Asked every time: an erased key must not live on in a cache.
        let key = KeyRef::of(value.sealed());
        match self.store.load(tenant_id, &[key]).await?.get(&key) {
            Some(SubjectKey::Destroyed) => Ok(None),
            None => Err(KeysError::Missing(key).into()),
            Some(SubjectKey::Live(secret)) => {
                let plaintext = keys::open(tenant_id, value.sealed(), secret)?;
                serde_json::from_slice(&plaintext).map(Some).map_err(|_| SealError::Open)
            }
        }
    }

    /// Destroys all keys of a person, for ever. Again changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn destroy(&self, tenant_id: TenantId, subject: PartyId) -> Result<Destroyed, SealError> {
        let destroyed = self.store.destroy(tenant_id, subject).await?;
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).pop(&(tenant_id, subject));
        Ok(destroyed)
    }

    async fn key(&self, tenant_id: TenantId, subject: PartyId) -> Result<(KeyRef, Secret), SealError> {
        if let Some((key, secret, read_at)) = self.cached.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant_id, subject))
            && read_at.elapsed() < CACHED_FOR
        {
            return Ok((*key, *secret));
        }
        // Before the question: a key is never used longer after its destruction than said.
        let read_at = Instant::now();
        let (key, secret) = self.store.current(tenant_id, subject).await?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.put((tenant_id, subject), (key, secret, read_at));
        metrics::gauge!("holdfast_keys_remembered", "of" => "persons").set(f64::from(u32::try_from(cached.len()).unwrap_or(u32::MAX)));
        drop(cached);
        Ok((key, secret))
    }
}
