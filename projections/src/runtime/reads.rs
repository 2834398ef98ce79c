//! Where a fold reads the rows that nobody remembers.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::failpoint;
use sqlx::PgConnection;

use crate::runtime::checkpoint::{self, Locked, Side};
use crate::runtime::memory::Stamp;
use crate::runtime::projection::FoldError;
use crate::runtime::writes::Writes;

/// Gives a connection in a transaction that holds the locks of the checkpoints.
pub(crate) trait Reads: Send {
    fn connection(&mut self) -> BoxFuture<'_, Result<&mut PgConnection, FoldError>>;
}

impl Reads for PgConnection {
    fn connection(&mut self) -> BoxFuture<'_, Result<&mut PgConnection, FoldError>> {
        async { Ok(self) }.boxed()
    }
}

/// A batch of one tenant whose checkpoints are taken to be as this process left them. When all rows that it needs are remembered, it is one
/// statement; when some must be read, the transaction begins there. Either way nothing is written unless the checkpoints are those.
pub(super) struct Expecting<'a> {
    pool: &'a Pool,
    tenant_id: TenantId,
    projections: &'a [&'static str],
    expected: Stamp,
    tx: Option<Tx>,
}

impl<'a> Expecting<'a> {
    pub(super) fn new(pool: &'a Pool, tenant_id: TenantId, projections: &'a [&'static str], expected: Stamp) -> Self {
        Self { pool, tenant_id, projections, expected, tx: None }
    }

    /// The last statement, and the commit.
    ///
    /// # Errors
    /// When somebody else has written, or the database refuses: then nothing is.
    pub(super) async fn write(self, position: i64, writes: Writes) -> Result<Stamp, FoldError> {
        let Self { pool, tenant_id, projections, expected, tx } = self;
        match tx {
            Some(mut tx) => {
                match checkpoint::advance(&mut tx, Side::Live, tenant_id, projections, position, writes).await {
                    Ok(written) => {
                        failpoint::reached("projector.before_commit");
                        tx.commit().await?;
                        Ok(written)
                    }
                    Err(error) => {
                        tx.rollback().await?; // gives the connection back; a dropped transaction would close it
                        Err(error.into())
                    }
                }
            }
            None => {
                failpoint::reached("projector.before_commit");
                Ok(checkpoint::advance_from(pool, tenant_id, projections, expected, position, writes).await?)
            }
        }
    }

    /// Nothing is to be written.
    pub(super) async fn give_up(self) -> Result<(), sqlx::Error> {
        match self.tx {
            Some(tx) => tx.rollback().await,
            None => Ok(()),
        }
    }

    async fn begin(&self) -> Result<Tx, FoldError> {
        let mut tx = self.pool.begin().await?;
        let found = checkpoint::lock(&mut tx, Side::Live, self.tenant_id, self.projections, Locked::Skip).await?;
        let as_expected = found.iter().filter(|found| !found.waits && found.stamp() == self.expected).count();
        if as_expected == self.projections.len() {
            return Ok(tx);
        }
        tx.rollback().await?;
        Err(FoldError::Moved)
    }
}

impl Reads for Expecting<'_> {
    fn connection(&mut self) -> BoxFuture<'_, Result<&mut PgConnection, FoldError>> {
        async {
            let begun = match self.tx.take() {
                Some(begun) => begun,
                None => self.begin().await?,
            };
            Ok(&mut **self.tx.insert(begun))
        }
        .boxed()
    }
}
