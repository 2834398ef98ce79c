//! The keys in the write database: wrapped, or destroyed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId};
use uuid::Uuid;

use crate::db::Pool;
use crate::keys::cipher::{Secret, of_person, of_tenant, random, unwrap, wrap};
use crate::keys::{KeyRef, KeysError, Kms, KmsError, SubjectKey};

/// The `key_id` of the row that stands for an erased person even when there never was a key.
pub const TOMBSTONE: Uuid = Uuid::nil();

/// Tenants' keys that are kept unwrapped; they are never destroyed, so they may stay.
const CACHED_TENANT_KEYS: usize = 10_000;

/// Cheap to clone; clones share what was unwrapped.
#[derive(Clone)]
pub struct KeyStore {
    pool: Pool,
    kms: Arc<dyn Kms>,
    tenant_keys: Arc<Mutex<HashMap<(TenantId, Uuid), Secret>>>,
}

/// What destroying a person's keys did, the same however often it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destroyed {
    /// Keys that there were, live before.
    pub keys: u32,
    /// When the last of them went.
    pub at: DateTime<Utc>,
}

/// A row of `subject_keys`: subject, key, tenant key, wrapped key, destroyed?
type Row = (Uuid, Uuid, Option<Uuid>, Option<Vec<u8>>, bool);

impl KeyStore {
    /// `pool`: `holdfast_writer`, or `holdfast_projector` to read only.
    #[must_use]
    pub fn new(pool: Pool, kms: Arc<dyn Kms>) -> Self {
        Self { pool, kms, tenant_keys: Arc::default() }
    }

    /// Those that exist, live or destroyed.
    ///
    /// # Errors
    /// When a key cannot be read or unwrapped.
    pub async fn load(&self, tenant_id: TenantId, wanted: &[KeyRef]) -> Result<HashMap<KeyRef, SubjectKey>, KeysError> {
        let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = wanted.iter().map(|key| (key.subject.uuid(), key.key_id)).unzip();
        let sql = "SELECT subject, key_id, tenant_key_id, wrapped_key, destroyed_at IS NOT NULL FROM subject_keys
                   WHERE tenant_id = $1 AND (subject, key_id) IN (SELECT subject, key_id FROM unnest($2::uuid[], $3::uuid[]) AS wanted (subject, key_id))";
        let rows: Vec<Row> =
            sqlx::query_as(sql).bind(tenant_id.uuid()).bind(subjects).bind(ids).fetch_all(&mut *self.pool.acquire().await?).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            let (key, secret) = self.read(tenant_id, row).await?;
            found.insert(key, secret);
        }
        Ok(found)
    }

    /// The key under which the person's values are sealed from now on; makes it when there is none.
    ///
    /// # Errors
    /// `Erased`: a person whose keys were destroyed gets no new one.
    pub async fn current(&self, tenant_id: TenantId, subject: PartyId) -> Result<(KeyRef, Secret), KeysError> {
        if let Some(key) = self.newest(tenant_id, subject).await? {
            return Ok(key);
        }
        let key = KeyRef { subject, key_id: Uuid::from_bytes(random()?) };
        let secret = random::<32>()?;
        let (tenant_key_id, tenant_key) = self.current_tenant_key(tenant_id).await?;
        let wrapped = wrap(&tenant_key, &of_person(tenant_id, key), &secret)?;
        let sql = "INSERT INTO subject_keys (tenant_id, subject, key_id, tenant_key_id, wrapped_key, created_at) VALUES ($1, $2, $3, $4, $5, now())";
        let inserted = sqlx::query(sql)
            .bind(tenant_id.uuid())
            .bind(subject.uuid())
            .bind(key.key_id)
            .bind(tenant_key_id)
            .bind(wrapped)
            .execute(&mut *self.pool.acquire().await?)
            .await;
        match inserted {
            Ok(_) => Ok((key, secret)),
            Err(error) if is_erased(&error) => Err(KeysError::Erased),
            Err(error) => Err(error.into()),
        }
    }

    /// Destroys every key of the person and leaves a tombstone, in one transaction. Again changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn destroy(&self, tenant_id: TenantId, subject: PartyId) -> Result<Destroyed, KeysError> {
        let mut tx = self.pool.begin().await?;
        // The tombstone first: its trigger makes others who would make a key for this person wait, and then refuses them.
        let tombstone = "INSERT INTO subject_keys (tenant_id, subject, key_id, created_at, destroyed_at) VALUES ($1, $2, $3, now(), now())
                         ON CONFLICT DO NOTHING";
        sqlx::query(tombstone).bind(tenant_id.uuid()).bind(subject.uuid()).bind(TOMBSTONE).execute(&mut *tx).await?;
        let keys = "UPDATE subject_keys SET wrapped_key = NULL, destroyed_at = now()
                    WHERE tenant_id = $1 AND subject = $2 AND destroyed_at IS NULL";
        sqlx::query(keys).bind(tenant_id.uuid()).bind(subject.uuid()).execute(&mut *tx).await?;
        let outcome =
            "SELECT count(*) FILTER (WHERE key_id <> $3), max(destroyed_at) FROM subject_keys WHERE tenant_id = $1 AND subject = $2";
        let (keys, at): (i64, DateTime<Utc>) =
            sqlx::query_as(outcome).bind(tenant_id.uuid()).bind(subject.uuid()).bind(TOMBSTONE).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(Destroyed { keys: u32::try_from(keys).unwrap_or(u32::MAX), at })
    }

    /// None when the person never had a key.
    async fn newest(&self, tenant_id: TenantId, subject: PartyId) -> Result<Option<(KeyRef, Secret)>, KeysError> {
        // A destroyed key comes first: whoever has one was erased.
        let sql = "SELECT subject, key_id, tenant_key_id, wrapped_key, destroyed_at IS NOT NULL FROM subject_keys
                   WHERE tenant_id = $1 AND subject = $2 ORDER BY destroyed_at IS NULL, created_at DESC, key_id LIMIT 1";
        let row: Option<Row> =
            sqlx::query_as(sql).bind(tenant_id.uuid()).bind(subject.uuid()).fetch_optional(&mut *self.pool.acquire().await?).await?;
        let Some(row) = row else { return Ok(None) };
        match self.read(tenant_id, row).await? {
            (key, SubjectKey::Live(secret)) => Ok(Some((key, secret))),
            (_, SubjectKey::Destroyed) => Err(KeysError::Erased),
        }
    }

    async fn read(&self, tenant_id: TenantId, row: Row) -> Result<(KeyRef, SubjectKey), KeysError> {
        let (subject, key_id, tenant_key_id, wrapped, destroyed) = row;
        let key = KeyRef { subject: PartyId(subject), key_id };
        if destroyed {
            return Ok((key, SubjectKey::Destroyed));
        }
        let wrapped = wrapped.ok_or(KeysError::Missing(key))?;
        let data = of_person(tenant_id, key);
        let secret = match tenant_key_id {
            Some(id) => unwrap(&self.tenant_key(tenant_id, id).await?, &data, &wrapped).ok_or(KeysError::Unwrap(key))?,
            None => self.kms.unwrap(&data, &wrapped).await.map_err(|error| match error {
                KmsError::Refused => KeysError::Unwrap(key),
                error @ KmsError::Unreachable(_) => KeysError::Kms(error),
            })?,
        };
        Ok((key, SubjectKey::Live(secret)))
    }

    async fn current_tenant_key(&self, tenant_id: TenantId) -> Result<(Uuid, Secret), KeysError> {
        let sql = "SELECT key_id FROM tenant_keys WHERE tenant_id = $1 AND retired_at IS NULL";
        let current = || async {
            let id: Option<Uuid> = sqlx::query_scalar(sql).bind(tenant_id.uuid()).fetch_optional(&mut *self.pool.acquire().await?).await?;
            Ok::<_, sqlx::Error>(id)
        };
        let id = match current().await? {
            Some(id) => id,
            None => {
                let (id, secret) = (Uuid::from_bytes(random()?), random::<32>()?);
                let wrapped = self.kms.wrap(&of_tenant(tenant_id, id), &secret).await?;
                // Another process may be first: then its key is the tenant's.
                let insert = "INSERT INTO tenant_keys (tenant_id, key_id, created_at, wrapped_key) VALUES ($1, $2, now(), $3) ON CONFLICT DO NOTHING";
                let mut connection = self.pool.acquire().await?;
                sqlx::query(insert).bind(tenant_id.uuid()).bind(id).bind(wrapped).execute(&mut *connection).await?;
                drop(connection);
                current().await?.ok_or(sqlx::Error::RowNotFound)?
            }
        };
        Ok((id, self.tenant_key(tenant_id, id).await?))
    }

    async fn tenant_key(&self, tenant_id: TenantId, id: Uuid) -> Result<Secret, KeysError> {
        if let Some(secret) = self.tenant_keys.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant_id, id)) {
            return Ok(*secret);
        }
        let sql = "SELECT wrapped_key FROM tenant_keys WHERE tenant_id = $1 AND key_id = $2";
        let wrapped: Vec<u8> = sqlx::query_scalar(sql).bind(tenant_id.uuid()).bind(id).fetch_one(&mut *self.pool.acquire().await?).await?;
        let secret = self.kms.unwrap(&of_tenant(tenant_id, id), &wrapped).await?;
        let mut cached = self.tenant_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHED_TENANT_KEYS {
            cached.clear();
        }
        cached.insert((tenant_id, id), secret);
        metrics::gauge!("holdfast_keys_remembered", "of" => "tenants").set(f64::from(u32::try_from(cached.len()).unwrap_or(u32::MAX)));
        Ok(secret)
    }
}

/// The trigger of 0005 says so.
fn is_erased(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) == Some("subject_keys_erased")
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStore").finish_non_exhaustive()
    }
}
