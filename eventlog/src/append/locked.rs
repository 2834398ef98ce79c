//! Deciding under the head row's lock: cannot conflict, for tenants that others write to all the time.

use std::time::Duration;

use holdfast_domain::kernel::TenantId;

use crate::error::{Failure, failure};
use crate::types::{Appended, Batch, LoadRequest, Loaded};
use crate::{AppendError, EventLog, LogError, db, load, retry};

/// A transaction that holds one tenant's head row: nobody else can write to that tenant until it ends.
/// Dropped without `commit`, it writes nothing.
#[derive(Debug)]
pub struct LockedTenant {
    tx: db::Tx,
    tenant_id: TenantId,
    position: i64,
}

impl EventLog {
    /// Locks the tenant's head row, which is made if it is missing.
    ///
    /// # Errors
    /// When the database does not answer or the lock is not free in time.
    pub async fn lock(&self, tenant_id: TenantId) -> Result<LockedTenant, LogError> {
        let mut retries = retry::Retries::new(Duration::from_secs(8));
        loop {
            match self.try_lock(tenant_id).await {
                Err(error) if failure(&error) == Failure::Transient && retries.again().await => {}
                locked => return Ok(locked?),
            }
        }
    }

    async fn try_lock(&self, tenant_id: TenantId) -> Result<LockedTenant, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let mut position = lock_head(&mut tx, tenant_id).await?;
        if position.is_none() {
            make_head(&mut tx, tenant_id).await?;
            position = lock_head(&mut tx, tenant_id).await?;
        }
        Ok(LockedTenant { tx, tenant_id, position: position.ok_or(sqlx::Error::RowNotFound)? })
    }
}

async fn make_head(tx: &mut db::Tx, tenant_id: TenantId) -> Result<(), sqlx::Error> {
    if let Some(port) = tx.port() {
        return port.make_head(tenant_id).await;
    }
    sqlx::query(
        "INSERT INTO tenant_heads (tenant_id, position, previous, recorded_at) VALUES ($1, 0, 0, clock_timestamp()) ON CONFLICT DO NOTHING",
    )
    .bind(tenant_id.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn lock_head(tx: &mut db::Tx, tenant_id: TenantId) -> Result<Option<i64>, sqlx::Error> {
    if let Some(port) = tx.port() {
        return port.lock_head(tenant_id).await;
    }
    sqlx::query_scalar("SELECT position FROM tenant_heads WHERE tenant_id = $1 FOR UPDATE")
        .bind(tenant_id.uuid())
        .fetch_optional(&mut **tx)
        .await
}

impl LockedTenant {
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    /// The head's position under the lock; after [`append`](Self::append) the new one.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.position
    }

    /// # Errors
    /// When the database does not answer.
    pub async fn load(&mut self, request: &LoadRequest) -> Result<Loaded, LogError> {
        load::load(self.tx.session(), request).await
    }

    /// Only units of the locked tenant. What is taken is reported, as by [`EventLog::append`].
    ///
    /// # Errors
    /// `Failed`: nothing is committed, and the transaction is of no more use.
    pub async fn append(&mut self, batch: &Batch) -> Result<Appended, AppendError> {
        if batch.units.iter().any(|unit| unit.stream.tenant_id != self.tenant_id) {
            return Err(AppendError::Failed(sqlx::Error::Protocol("a unit of another tenant than the locked one".into())));
        }
        let appended = super::append_under_lock(&mut self.tx, batch).await?;
        if let Some(moved) = appended.heads.get(&self.tenant_id) {
            self.position = moved.after;
        }
        Ok(appended)
    }

    /// # Errors
    /// `Unknown` when the answer was lost.
    pub async fn commit(self) -> Result<(), AppendError> {
        self.tx.commit().await.map_err(|error| match failure(&error) {
            Failure::Lost => AppendError::Unknown(error),
            Failure::KeyTaken | Failure::Transient | Failure::Definite => AppendError::Failed(error),
        })
    }

    /// # Errors
    /// When the database does not answer; the transaction is undone all the same.
    pub async fn rollback(self) -> Result<(), LogError> {
        Ok(self.tx.rollback().await?)
    }
}
