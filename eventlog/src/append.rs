//! The append: one statement, one commit.

use crate::types::{Appended, Batch, LoadRequest, Loaded};
use crate::{AppendError, EventLog, LogError, db};
use holdfast_domain::kernel::TenantId;

/// A transaction that holds one tenant's head row: nobody else can write to that tenant until it ends.
/// Dropped without `commit`, it writes nothing.
#[derive(Debug)]
pub struct LockedTenant {
    tx: db::Tx,
    tenant_id: TenantId,
    position: i64,
}

impl EventLog {
    /// Writes the batch in one statement in autocommit.
    ///
    /// # Errors
    /// `Unknown` when the answer was lost, `Failed` when nothing was written. Refusals are not errors: see [`Appended`].
    pub async fn append(&self, _batch: &Batch) -> Result<Appended, AppendError> {
        todo!()
    }

    /// Locks the tenant's head row, which is made if it is missing.
    ///
    /// # Errors
    /// When the database does not answer or the lock is not free in time.
    pub async fn lock(&self, _tenant_id: TenantId) -> Result<LockedTenant, LogError> {
        todo!()
    }
}

impl LockedTenant {
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    /// The head's position under the lock.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.position
    }

    /// # Errors
    /// When the database does not answer.
    pub async fn load(&mut self, _request: &LoadRequest) -> Result<Loaded, LogError> {
        todo!()
    }

    /// Only units of the locked tenant. What is taken is reported, as by [`EventLog::append`].
    ///
    /// # Errors
    /// As [`EventLog::append`]; the transaction is then of no more use.
    pub async fn append(&mut self, _batch: &Batch) -> Result<Appended, AppendError> {
        todo!()
    }

    /// # Errors
    /// `Unknown` when the answer was lost.
    pub async fn commit(self) -> Result<(), AppendError> {
        self.tx.commit().await.map_err(AppendError::Unknown)
    }

    /// # Errors
    /// When the database does not answer; the transaction is undone all the same.
    pub async fn rollback(self) -> Result<(), LogError> {
        Ok(self.tx.rollback().await?)
    }
}
