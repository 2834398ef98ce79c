//! Takes batches of events into one projection's tables (protocols 7).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::failpoint;
use holdfast_eventlog::subscription::{ConsumeError, Consumer, FeedEvent};
use uuid::Uuid;

use crate::personal::{Keys, KeysError, Opened};
use crate::runtime::checkpoint::{self, Locked, Side};
use crate::runtime::convoy::{CONVOY, Stragglers};
use crate::runtime::memory::{Stamp, Stretch};
use crate::runtime::projection::FoldError;
use crate::runtime::writes::Writes;
use crate::runtime::{ApplyError, Event, Projection};

/// One projection at work. Several processes may run the same one: the checkpoint's row lock decides who goes first.
pub struct Projector {
    projection: Projection,
    pool: Pool,
    keys: Arc<dyn Keys>,
    side: Side,
    /// Of a convoy it works only for tenants where it has fallen behind the others.
    convoy: Option<Arc<Stragglers>>,
    /// Tenants that it does not work for, as last read.
    idle: Mutex<Idle>,
}

/// Whom the projector does not work for.
#[derive(Debug, Default)]
struct Idle {
    /// Stopped at an event, paused, or with rows of another version of the projection.
    tenants: HashSet<TenantId>,
    everybody: bool,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    /// Somebody else has moved the checkpoint, or the projection has stopped for the tenant.
    #[error("the checkpoint was moved or stopped by somebody else")]
    Moved,
    /// They are rebuilt before this program goes on.
    #[error("the rows were made by another version of the projection")]
    OtherVersion,
    #[error("personal values cannot be opened now")]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl From<sqlx::Error> for BatchError {
    fn from(error: sqlx::Error) -> Self {
        Self::Fold(FoldError::Database(error))
    }
}

impl From<BatchError> for ConsumeError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Moved | BatchError::OtherVersion => Self::Moved, // another version: a rebuild will move it
            error @ (BatchError::Keys(_) | BatchError::Fold(_)) => Self::Failed(Box::new(error)),
        }
    }
}

impl Consumer for Projector {
    fn name(&self) -> &str {
        self.projection.name()
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        Box::pin(async move {
            let (name, ours) = (self.projection.name(), self.projection.version());
            let wanted = self.convoy.as_ref().map(|convoy| convoy.tenants_of(name));
            let rows: Vec<(Uuid, i64, bool, i32)> = sqlx::query_as(
                "SELECT c.tenant_id, c.position, f.position IS NOT NULL, c.version
                 FROM projection_checkpoints c LEFT JOIN projection_failures f USING (tenant_id, projection)
                 WHERE c.projection = $1 AND ($2::uuid[] IS NULL OR c.tenant_id = ANY($2))",
            )
            .bind(name)
            .bind(wanted)
            .fetch_all(&mut *self.pool.acquire().await?)
            .await?;
            let paused = match self.side {
                Side::Live => checkpoint::pauses(&self.pool, &[name]).await?,
                Side::Shadow => Vec::new(),
            };
            let mut tenants: HashSet<TenantId> =
                rows.iter().filter(|(_, _, stopped, version)| *stopped || *version != ours).map(|(tenant, ..)| TenantId(*tenant)).collect();
            let everybody = paused.iter().any(|(_, tenant)| tenant.is_nil());
            tenants.extend(paused.into_iter().map(|(_, tenant)| TenantId(tenant)));
            *self.idle() = Idle { tenants, everybody };
            Ok(rows.into_iter().map(|(tenant, position, ..)| (TenantId(tenant), position)).collect())
        })
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move {
            let taken = self.take(tenant_id, after, events).await;
            if matches!(taken, Err(BatchError::OtherVersion)) {
                self.idle().tenants.insert(tenant_id);
            }
            Ok(taken?)
        })
    }

    fn shares_with(&self) -> &str {
        if self.convoy.is_some() { CONVOY } else { self.name() }
    }

    fn owns(&self, tenant_id: TenantId) -> bool {
        if self.convoy.as_ref().is_some_and(|convoy| !convoy.has(self.projection.name(), tenant_id)) {
            return false;
        }
        let idle = self.idle();
        !idle.everybody && !idle.tenants.contains(&tenant_id)
    }
}

impl Projector {
    /// `pool`: the read database as `holdfast_projector`, committing lazily: lost in a crash, rows and checkpoint are lost together and
    /// come again from the log.
    #[must_use]
    pub fn new(projection: Projection, pool: Pool, keys: Arc<dyn Keys>) -> Self {
        Self { projection, pool, keys, side: Side::Live, convoy: None, idle: Mutex::default() }
    }

    /// One of those that move together as long as they can.
    pub(super) fn of_convoy(projection: Projection, pool: Pool, keys: Arc<dyn Keys>, convoy: Arc<Stragglers>) -> Self {
        Self { convoy: Some(convoy), ..Self::new(projection, pool, keys) }
    }

    /// Writes the shadow side. `pool`: as for [`Projector::new`], with `shadow` as its search path.
    #[must_use]
    pub(crate) fn of_shadow(projection: Projection, pool: Pool, keys: Arc<dyn Keys>) -> Self {
        Self { projection, pool, keys, side: Side::Shadow, convoy: None, idle: Mutex::default() }
    }

    pub(crate) fn projection(&self) -> &Projection {
        &self.projection
    }

    /// Of a convoy: its checkpoint was seen, and nothing holds it back.
    pub(super) fn resume(&self, tenant_id: TenantId) {
        let mut idle = self.idle();
        idle.tenants.remove(&tenant_id);
        idle.everybody = false;
    }

    /// Takes the batch as a whole; one that does not fit is halved until the guilty event stands alone, and there
    /// the projection stops for this tenant.
    pub(super) fn take<'a>(
        &'a self,
        tenant_id: TenantId,
        after: i64,
        events: &'a [Arc<FeedEvent>],
    ) -> BoxFuture<'a, Result<(), BatchError>> {
        Box::pin(async move {
            let Err(error) = self.write(tenant_id, after, events).await else { return Ok(()) };
            let BatchError::Fold(guilt) = &error else { return Err(error) };
            if !is_the_events_fault(guilt) {
                return Err(error);
            }
            match events {
                [] => Err(error),
                [guilty] => {
                    self.stop(tenant_id, guilty, guilt).await?;
                    Err(BatchError::Moved) // so that the feed asks again where we stand
                }
                events => {
                    let (first, second) = events.split_at(events.len() / 2);
                    self.take(tenant_id, after, first).await?;
                    let middle = first.last().map_or(after, |event| event.position);
                    self.take(tenant_id, middle, second).await
                }
            }
        })
    }

    /// One transaction: lock the checkpoint, load, fold, write back, move the checkpoint.
    async fn write(&self, tenant_id: TenantId, after: i64, events: &[Arc<FeedEvent>]) -> Result<(), BatchError> {
        let Some(last) = events.last() else { return Ok(()) };
        let recorded = events
            .iter()
            .map(|event| event.recorded().map_err(|_| FoldError::Apply(ApplyError::Unreadable)))
            .collect::<Result<Vec<_>, _>>()?;
        let opened = Opened::of_batch(self.keys.as_ref(), tenant_id, &recorded).await?;
        let events: Vec<Event<'_>> = recorded.into_iter().map(|recorded| Event::new(recorded, &opened)).collect();
        if after == 0 {
            checkpoint::begin(&self.pool, tenant_id, &[(self.projection.name(), self.projection.version())]).await?;
        }
        let mut tx = self.pool.begin().await?;
        match self.write_in(&mut tx, tenant_id, after, last.position, &events).await {
            Ok((written, stretch)) => {
                failpoint::reached("projector.before_commit");
                tx.commit().await?;
                self.projection.keep(tenant_id, written, stretch);
                failpoint::reached("projector.after_commit");
            }
            Err(error) => {
                tx.rollback().await?; // gives the connection back; a dropped transaction would close it
                return Err(error);
            }
        }
        metrics::counter!("holdfast_projection_events_total", "projection" => self.projection.name()).increment(events.len() as u64);
        Ok(())
    }

    async fn write_in(
        &self,
        tx: &mut Tx,
        tenant_id: TenantId,
        after: i64,
        last: i64,
        events: &[Event<'_>],
    ) -> Result<(Stamp, Stretch), BatchError> {
        let found = self.lock_checkpoint(tx, tenant_id, after).await?;
        let stretch = self.projection.resume(tenant_id, found);
        let mut writes = Writes::default();
        self.projection.fold(&mut **tx, tenant_id, events, stretch, &mut writes).await?;
        let written = checkpoint::advance(tx, self.side, tenant_id, &[self.projection.name()], last, writes).await?;
        Ok((written, stretch))
    }

    async fn lock_checkpoint(&self, tx: &mut Tx, tenant_id: TenantId, after: i64) -> Result<Stamp, BatchError> {
        let ours = self.projection.version();
        match checkpoint::lock(tx, self.side, tenant_id, &[self.projection.name()], Locked::Wait).await?.pop() {
            Some(found) if found.version != ours => Err(BatchError::OtherVersion),
            Some(found) if found.position == after && !found.waits => Ok(found.stamp()),
            Some(_) | None => Err(BatchError::Moved),
        }
    }

    /// Puts the reference on record; nothing of this tenant is taken until it is cleared.
    async fn stop(&self, tenant_id: TenantId, guilty: &FeedEvent, error: &FoldError) -> Result<(), BatchError> {
        let event_id = holdfast_domain::kernel::event_id(tenant_id, &guilty.aggregate_type, guilty.aggregate_id, guilty.sequence);
        let reason = reason(error);
        tracing::error!(
            projection = self.projection.name(), %tenant_id, position = guilty.position, %event_id, reason,
            "the projection has stopped for this tenant"
        );
        let mut tx = self.pool.begin().await?;
        self.lock_checkpoint(&mut tx, tenant_id, guilty.position - 1).await?;
        sqlx::query(
            "INSERT INTO projection_failures (tenant_id, projection, position, event_id, error, failed_at)
             VALUES ($1, $2, $3, $4, $5, clock_timestamp())",
        )
        .bind(tenant_id.uuid())
        .bind(self.projection.name())
        .bind(guilty.position)
        .bind(event_id.uuid())
        .bind(reason)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.idle().tenants.insert(tenant_id);
        Ok(())
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Projector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projector").field("projection", &self.projection).finish_non_exhaustive()
    }
}

/// True when trying again cannot help: data exceptions, violated constraints, raised exceptions, limits. Everything
/// else (no connection, no lock, a table that a migration has yet to bring) passes.
fn is_the_events_fault(error: &FoldError) -> bool {
    match error {
        FoldError::Apply(_) => true,
        FoldError::Moved => false,
        FoldError::Database(error) => error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| matches!(code.get(..2), Some("22" | "23" | "54" | "P0"))),
    }
}

/// Never the database's own sentence, which may quote values.
pub(crate) fn reason(error: &FoldError) -> String {
    match error {
        error @ (FoldError::Apply(_) | FoldError::Moved) => error.to_string(),
        FoldError::Database(error) => {
            let refused = error.as_database_error();
            let code = refused.and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
            let constraint = refused.and_then(sqlx::error::DatabaseError::constraint).unwrap_or("none");
            format!("refused by the database: SQLSTATE {code}, constraint {constraint}")
        }
    }
}
