//! One run, from its lock to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Tx;
use serde_json::Value;
use sqlx::{Decode, PgConnection, Postgres, Type};
use uuid::Uuid;

use crate::rebuild::compare::{Comparison, Diff};
use crate::rebuild::fold::{Folder, Progress, live_positions};
use crate::rebuild::runs::{self, Kind, RunRow};
use crate::rebuild::{Order, RebuildError, Rebuilder, passes, projection};
use crate::runtime::{Projector, Table};

/// A rebuild or a swap back at work. Only one per projection at a time; dropped, it lets the next one begin.
pub struct Run {
    pub(super) rebuilder: Rebuilder,
    pub(super) folder: Folder,
    pub(super) tables: Vec<Table>,
    /// None: all of them.
    pub(super) tenant: Option<TenantId>,
    /// Go on to the end of the log before the swap: the side that is read does not move meanwhile.
    pub(super) to_heads: bool,
    pub(super) id: Uuid,
    lock: PgConnection,
}

impl Rebuilder {
    /// Takes the projection's lock and puts the run on record. Nothing has been changed yet.
    ///
    /// # Errors
    /// [`RebuildError::Busy`] when another one is at work; when there is no such projection.
    pub async fn begin(&self, name: &str, tenant: Option<TenantId>, kind: Kind, requested_by: &str) -> Result<Run, RebuildError> {
        let order = Order { swap: true, ..Order::new(projection(name)?.name(), tenant, kind, requested_by) };
        let lock = self.lock(order.projection).await?.ok_or(RebuildError::Busy(order.projection))?;
        runs::insert(&self.live, &order).await?;
        self.begun(order.projection, tenant, order.id, lock).await
    }

    /// A run that was ordered; none when another process has begun it.
    pub(super) async fn begin_ordered(&self, name: &'static str, run: &RunRow) -> Result<Option<Run>, RebuildError> {
        let Some(lock) = self.lock(name).await? else { return Ok(None) };
        if !runs::start(&self.live, run.id).await? {
            return Ok(None);
        }
        self.begun(name, run.tenant_id.map(TenantId), run.id, lock).await.map(Some)
    }

    /// Whoever holds it is the only one who works on the projection; none when somebody else does. It ends with its session.
    pub(super) async fn lock(&self, projection: &'static str) -> Result<Option<PgConnection>, RebuildError> {
        let mut lock = self.live.session().await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended('holdfast rebuild ' || $1, 0))")
            .bind(projection)
            .fetch_one(&mut lock)
            .await?;
        Ok(taken.then_some(lock))
    }

    async fn begun(&self, name: &'static str, tenant: Option<TenantId>, id: Uuid, lock: PgConnection) -> Result<Run, RebuildError> {
        runs::end_interrupted(&self.live, name, Some(id)).await?;
        let projection = projection(name)?;
        let tables = projection.tables();
        let folder = Folder {
            projector: Arc::new(Projector::of_shadow(projection, self.shadow.clone(), Arc::clone(&self.keys))),
            shadow: self.shadow.clone(),
            log: self.log.clone(),
            progress: Arc::default(),
        };
        Ok(Run { rebuilder: self.clone(), folder, tables, tenant, to_heads: false, id, lock })
    }

    /// Rebuilds and swaps, whatever the comparison says; it is on record.
    ///
    /// # Errors
    /// As [`Run::prepare`] and [`Run::swap`].
    pub async fn rebuild(&self, name: &str, tenant: Option<TenantId>, requested_by: &str) -> Result<Diff, RebuildError> {
        let mut run = self.begin(name, tenant, Kind::Rebuild, requested_by).await?;
        let diff = run.prepare().await?;
        run.swap().await?;
        Ok(diff)
    }

    /// Puts the rows that the last swap has kept aside back in their place, after taking them to where the others stand.
    ///
    /// # Errors
    /// [`RebuildError::NothingKept`], [`RebuildError::OtherVersion`]; as [`Run::swap`].
    pub async fn swap_back(&self, name: &str, tenant: Option<TenantId>, requested_by: &str) -> Result<(), RebuildError> {
        self.begin(name, tenant, Kind::SwapBack, requested_by).await?.swap_back().await
    }

    /// Swaps the rows of a rebuild that was left alone ([`Run::leave`]), after taking them to where the present ones stand.
    ///
    /// # Errors
    /// [`RebuildError::NotPrepared`], [`RebuildError::OtherVersion`]; as [`Run::swap`].
    pub async fn swap_prepared(&self, id: Uuid, requested_by: &str) -> Result<(), RebuildError> {
        let prepared = runs::find_run(&self.live, id).await?.ok_or(RebuildError::NotPrepared(id))?;
        let order = Order {
            of_run: Some(id),
            ..Order::new(projection(&prepared.projection)?.name(), prepared.tenant_id.map(TenantId), Kind::Swap, requested_by)
        };
        let lock = self.lock(order.projection).await?.ok_or(RebuildError::Busy(order.projection))?;
        runs::insert(&self.live, &order).await?;
        self.begun(order.projection, order.tenant, order.id, lock).await?.swap_prepared(id).await
    }
}

impl Run {
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.folder.progress)
    }

    pub(super) fn name(&self) -> &'static str {
        self.folder.projector.projection().name()
    }

    pub(super) fn version(&self) -> i32 {
        self.folder.projector.projection().version()
    }

    /// Makes the shadow side anew and compares. What is read has not changed.
    ///
    /// # Errors
    /// When an event is missing or does not fit; when a part does not answer for long. The run has then ended.
    pub async fn prepare(&mut self) -> Result<Diff, RebuildError> {
        let prepared = self.fold_and_compare().await;
        self.record(prepared).await
    }

    /// The prepared side takes the other's place, after taking it to where the other stands.
    ///
    /// # Errors
    /// When an event is missing or does not fit, when both sides differ in more than rows, when the tables were in use all
    /// the time. Nothing has changed then.
    pub async fn swap(mut self) -> Result<(), RebuildError> {
        let swapped = self.exchange().await;
        self.record(swapped).await
    }

    /// Ends the run without a swap; what was rebuilt stays on the shadow side until the next one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave(self) -> Result<(), RebuildError> {
        Ok(self.end("done", None).await?)
    }

    /// An error ends the run and is put on record.
    pub(super) async fn record<T>(&mut self, result: Result<T, RebuildError>) -> Result<T, RebuildError> {
        if let Err(error) = &result {
            self.end("failed", Some(&error.to_string())).await?;
        }
        result
    }

    /// Ends a run that only looks, with what it has found.
    pub(super) async fn report<E: std::error::Error + From<sqlx::Error>>(self, found: Result<Value, E>) -> Result<(), E> {
        match found {
            Ok(report) => {
                runs::save_report(&self.rebuilder.live, self.id, &report).await?;
                self.end("done", None).await?;
                Ok(())
            }
            Err(error) => {
                self.end("failed", Some(&error.to_string())).await?;
                Err(error)
            }
        }
    }

    async fn end(&self, state: &str, error: Option<&str>) -> Result<(), sqlx::Error> {
        runs::end(&mut *self.rebuilder.live.acquire().await?, self.id, state, error).await
    }

    async fn fold_and_compare(&mut self) -> Result<Diff, RebuildError> {
        let names: Vec<&str> = self.tables.iter().map(|table| table.name).collect();
        let mut connection = self.rebuilder.live.acquire().await?;
        sqlx::query("SELECT rebuild.empty_shadow($1, $2, $3)")
            .bind(self.name())
            .bind(self.tenant.map(TenantId::uuid))
            .bind(&names)
            .execute(&mut *connection)
            .await?;
        let targets = live_positions(&mut connection, self.name(), self.tenant, false).await?;
        drop(connection);
        if self.tenant.is_none() {
            self.in_own_time::<()>("SELECT rebuild.drop_shadow_indexes($1)").await?;
        }
        self.folder.progress.expect(targets.iter().map(|(_, position)| position).sum());
        self.fold(targets).await?;
        // Also those that an interrupted rebuild of all has left out.
        while self.in_own_time("SELECT rebuild.make_shadow_index($1)").await? {}
        self.save("comparing").await?;
        let mut comparison = Comparison::of(self.tables.clone());
        let mut connection = self.rebuilder.live.acquire().await?;
        let tenants = live_positions(&mut connection, self.name(), self.tenant, false).await?;
        drop(connection);
        for (tenant_id, position) in tenants {
            self.folder.fold(tenant_id, position).await?; // most of it before the lock
            let mut snapshot = self.snapshot(tenant_id).await?;
            comparison.add(&mut snapshot, tenant_id).await?;
            snapshot.rollback().await?;
        }
        let diff = comparison.finish();
        runs::save_report(&self.rebuilder.live, self.id, &serde_json::to_value(&diff)?).await?;
        self.save("ready").await?;
        Ok(diff)
    }

    /// A statement about the tables' indexes on the shadow side, however long it takes.
    async fn in_own_time<T>(&self, sql: &str) -> Result<T, RebuildError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let names: Vec<&str> = self.tables.iter().map(|table| table.name).collect();
        // An autovacuum of what was just filled gives way after a second (`deadlock_timeout`): as long as our own patience with locks.
        let mut tx = self.rebuilder.live.begin_with("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'").await?;
        let answer = sqlx::query_scalar(sql).bind(&names).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// With the progress on record each second.
    async fn fold(&self, targets: Vec<(TenantId, i64)>) -> Result<(), RebuildError> {
        let folding = self.folder.fold_all(targets);
        tokio::pin!(folding);
        loop {
            tokio::select! {
                done = &mut folding => return done,
                () = tokio::time::sleep(Duration::from_secs(1)) => self.save("folding").await?,
            }
        }
    }

    async fn save(&self, state: &str) -> Result<(), RebuildError> {
        Ok(runs::save_progress(&self.rebuilder.live, self.id, state, self.folder.progress.events()).await?)
    }

    /// A snapshot in which both sides stand at the same position. The projector waits only until it is taken.
    async fn snapshot(&self, tenant_id: TenantId) -> Result<Tx, RebuildError> {
        const TRIES: u32 = 30;
        const PATIENT: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        let live = &self.rebuilder.live;
        for _ in 0..TRIES {
            let mut lock = live.begin_with(&format!("BEGIN; {PATIENT}")).await?;
            let locked = match live_positions(&mut lock, self.name(), Some(tenant_id), true).await {
                Ok(locked) => locked,
                Err(error) if passes(&error) => {
                    lock.rollback().await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for (tenant_id, position) in locked {
                self.folder.fold(tenant_id, position).await?;
            }
            let mut snapshot = live.begin_with(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {PATIENT}")).await?;
            sqlx::query("SELECT FROM shadow.projection_checkpoints LIMIT 1").execute(&mut *snapshot).await?;
            lock.rollback().await?;
            return Ok(snapshot);
        }
        Err(RebuildError::InUse)
    }

    pub(super) async fn holds_its_lock(&mut self) -> Result<(), RebuildError> {
        sqlx::query("SELECT").execute(&mut self.lock).await.map(drop).map_err(|_| RebuildError::LockLost)
    }

    /// Positions that the new side is to have reached before the swap: of the side that is read, or of the log.
    pub(super) async fn wanted(&self) -> Result<Vec<(TenantId, i64)>, RebuildError> {
        let mut connection = self.rebuilder.live.acquire().await?;
        let mut wanted: BTreeMap<TenantId, i64> =
            live_positions(&mut connection, self.name(), self.tenant, false).await?.into_iter().collect();
        if self.to_heads {
            for (tenant_id, (head, _)) in self.folder.log.heads().await? {
                if self.tenant.is_none_or(|tenant| tenant == tenant_id) {
                    let position = wanted.entry(tenant_id).or_default();
                    *position = head.max(*position);
                }
            }
        }
        Ok(wanted.into_iter().collect())
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("id", &self.id).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
