//! Sealing of personal data: once, while a request becomes a command; and opening, for effects. Each person has a key, wrapped by the master key.
//!
//! Stored shapes (final): value = AES-256-GCM of its JSON, associated data tenant ‖ subject ‖ key id; wrapped key =
//! nonce ‖ AES-256-GCM of the 32 key bytes under the master key, same associated data.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdfast_domain::kernel::{PartyId, Personal, Sealed, TenantId};
use holdfast_eventlog::db::Pool;
use lru::LruCache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

const CACHED_KEYS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
const NONCE_BYTES: usize = 12;

/// Seals values under their person's key, making the key when there is none.
#[derive(Clone)]
pub struct Sealer {
    pool: Pool,
    master: Arc<Aes256Gcm>,
    keys: Arc<Mutex<Keys>>,
}

/// The keys used last, by whose they are.
type Keys = LruCache<(TenantId, PartyId), Arc<SubjectKey>>;

struct SubjectKey {
    id: Uuid,
    cipher: Aes256Gcm,
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the keys of persons could not be read or written")]
    Database(#[from] sqlx::Error),
    #[error("the operating system gave no random bytes")]
    Random,
    #[error("a person's key cannot be unwrapped: was the master key changed?")]
    Unwrap,
    #[error("the value could not be sealed")]
    Seal,
    #[error("the value is not what was sealed")]
    Open,
}

impl Sealer {
    /// `pool`: the role `writer`; `master_key`: 32 bytes that live outside the database.
    #[must_use]
    pub fn new(pool: Pool, master_key: &[u8; 32]) -> Self {
        Self { pool, master: Arc::new(Aes256Gcm::new(master_key.into())), keys: Arc::new(Mutex::new(LruCache::new(CACHED_KEYS))) }
    }

    /// # Errors
    /// When the person's key cannot be had; nothing was sealed.
    pub async fn seal<T: Serialize>(&self, tenant_id: TenantId, subject: PartyId, value: &T) -> Result<Personal<T>, SealError> {
        let key = self.key(tenant_id, subject).await?;
        let plaintext = serde_json::to_vec(value).map_err(|_| SealError::Seal)?;
        let nonce = random::<NONCE_BYTES>()?;
        let data = associated_data(tenant_id, subject, key.id);
        let payload = Payload { msg: &plaintext, aad: &data };
        let ciphertext = key.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| SealError::Seal)?;
        Ok(Personal::from_sealed(Sealed { subject, key_id: key.id, nonce: BASE64.encode(nonce), ciphertext: BASE64.encode(ciphertext) }))
    }

    /// None when the person was erased.
    ///
    /// # Errors
    /// When the person's key cannot be had, or the value is not what was sealed.
    pub async fn open<T: DeserializeOwned>(&self, tenant_id: TenantId, value: &Personal<T>) -> Result<Option<T>, SealError> {
        let Sealed { subject, key_id, nonce, ciphertext } = value.sealed();
        // Asked every time: an erased key must not live on in a cache.
        let sql = "SELECT wrapped_key FROM subject_keys
                   WHERE tenant_id = $1 AND subject = $2 AND key_id = $3 AND destroyed_at IS NULL AND wrapped_key IS NOT NULL";
        let mut connection = self.pool.acquire().await?;
        let wrapped: Option<Vec<u8>> =
            sqlx::query_scalar(sql).bind(tenant_id.uuid()).bind(subject.uuid()).bind(key_id).fetch_optional(&mut *connection).await?;
        let Some(wrapped) = wrapped else { return Ok(None) };
        let cipher = self.unwrapped(tenant_id, *subject, *key_id, &wrapped)?;
        let nonce: [u8; NONCE_BYTES] = BASE64.decode(nonce).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(SealError::Open)?;
        let ciphertext = BASE64.decode(ciphertext).map_err(|_| SealError::Open)?;
        let data = associated_data(tenant_id, *subject, *key_id);
        let payload = Payload { msg: &ciphertext, aad: &data };
        let plaintext = cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| SealError::Open)?;
        serde_json::from_slice(&plaintext).map(Some).map_err(|_| SealError::Open)
    }

    async fn key(&self, tenant_id: TenantId, subject: PartyId) -> Result<Arc<SubjectKey>, SealError> {
        if let Some(key) = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant_id, subject)) {
            return Ok(Arc::clone(key));
        }
        let key = match self.stored_key(tenant_id, subject).await? {
            Some(key) => key,
            None => self.new_key(tenant_id, subject).await?,
        };
        let key = Arc::new(key);
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).put((tenant_id, subject), Arc::clone(&key));
        Ok(key)
    }

    async fn stored_key(&self, tenant_id: TenantId, subject: PartyId) -> Result<Option<SubjectKey>, SealError> {
        let sql = "SELECT key_id, wrapped_key FROM subject_keys
                   WHERE tenant_id = $1 AND subject = $2 AND destroyed_at IS NULL AND wrapped_key IS NOT NULL ORDER BY created_at DESC, key_id LIMIT 1";
        let row: Option<(Uuid, Vec<u8>)> =
            sqlx::query_as(sql).bind(tenant_id.uuid()).bind(subject.uuid()).fetch_optional(&mut *self.pool.acquire().await?).await?;
        let Some((id, wrapped)) = row else { return Ok(None) };
        Ok(Some(SubjectKey { id, cipher: self.unwrapped(tenant_id, subject, id, &wrapped)? }))
    }

    fn unwrapped(&self, tenant_id: TenantId, subject: PartyId, key_id: Uuid, wrapped: &[u8]) -> Result<Aes256Gcm, SealError> {
        let (nonce, ciphertext) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Unwrap)?;
        let data = associated_data(tenant_id, subject, key_id);
        let key = self.master.decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad: &data }).map_err(|_| SealError::Unwrap)?;
        Aes256Gcm::new_from_slice(&key).map_err(|_| SealError::Unwrap)
    }

    async fn new_key(&self, tenant_id: TenantId, subject: PartyId) -> Result<SubjectKey, SealError> {
        let key = random::<32>()?;
        let id = Uuid::from_bytes(random()?);
        let nonce = random::<NONCE_BYTES>()?;
        let data = associated_data(tenant_id, subject, id);
        let sealed = self.master.encrypt(&Nonce::from(nonce), Payload { msg: &key, aad: &data }).map_err(|_| SealError::Seal)?;
        let wrapped = [nonce.as_slice(), &sealed].concat();
        sqlx::query("INSERT INTO subject_keys (tenant_id, subject, key_id, wrapped_key, created_at) VALUES ($1, $2, $3, $4, now())")
            .bind(tenant_id.uuid())
            .bind(subject.uuid())
            .bind(id)
            .bind(wrapped)
            .execute(&mut *self.pool.acquire().await?)
            .await?;
        Ok(SubjectKey { id, cipher: Aes256Gcm::new(&key.into()) })
    }
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SealError::Random)?;
    Ok(bytes)
}

fn associated_data(tenant_id: TenantId, subject: PartyId, key_id: Uuid) -> Vec<u8> {
    [tenant_id.uuid().as_bytes().as_slice(), subject.uuid().as_bytes(), key_id.as_bytes()].concat()
}
