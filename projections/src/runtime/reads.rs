//! Where a fold reads the rows that nobody remembers.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Tx;
use holdfast_eventlog::failpoint;
use sqlx::PgConnection;

use crate::runtime::checkpoint::{self, Going, Locked, Side};
use crate::runtime::gathering::Gathering;
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

/// A batch of one tenant whose checkpoints are taken to be as this process left them. When all rows that it needs are remembered, one
/// statement writes it, with what other tenants have just then; when some must be read, the transaction begins there. Either way nothing is
/// written unless the checkpoints are those.
pub(super) struct Expecting<'a> {
    gathering: &'a Gathering,
    tenant_id: TenantId,
    expected: Stamp,
    tx: Option<Tx>,
}

impl<'a> Expecting<'a> {
    pub(super) fn new(gathering: &'a Gathering, tenant_id: TenantId, expected: Stamp) -> Self {
        Self { gathering, tenant_id, expected, tx: None }
    }

    /// The last statement, and the commit.
    ///
    /// # Errors
    /// When somebody else has written, or the database refuses: then nothing is.
    pub(super) async fn write(self, position: i64, writes: Writes) -> Result<Stamp, FoldError> {
        let Self { gathering, tenant_id, expected, tx } = self;
        match tx {
            Some(mut tx) => {
                match checkpoint::advance(&mut tx, Side::Live, tenant_id, &gathering.projections, position, writes).await {
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
                Ok(gathering.go(Going { tenant_id, from: expected, to: position, writes }).await?)
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
        let mut tx = self.gathering.pool.begin().await?;
        let found = checkpoint::lock(&mut tx, Side::Live, self.tenant_id, &self.gathering.projections, Locked::Skip).await?;
        let as_expected = found.iter().filter(|found| !found.waits && found.stamp() == self.expected).count();
        if as_expected == self.gathering.projections.len() {
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
