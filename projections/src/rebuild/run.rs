//! One run, from its lock to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Tx;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rebuild::compare::{Comparison, Diff};
use crate::rebuild::fold::{Folder, Progress, live_positions};
use crate::rebuild::runs::{self, Kind, NewRun};
use crate::rebuild::{RebuildError, Rebuilder, passes, projection};
use crate::runtime::{Projector, Table, TableCheck, VerifyError, verify};

/// A rebuild or a swap back at work. Only one per projection at a time; dropped, it lets the next one begin.
pub struct Run {
    pub(super) rebuilder: Rebuilder,
    pub(super) folder: Folder,
    pub(super) tables: Vec<Table>,
    /// None: all of them.
    pub(super) tenant: Option<TenantId>,
    /// Go on to the end of the log before the swap: the side that is read does not move meanwhile.
    pub(super) to_heads: bool,
    id: Uuid,
    lock: PgConnection,
}

impl Rebuilder {
    /// Takes the projection's lock and puts the run on record. Nothing has been changed yet.
    ///
    /// # Errors
    /// [`RebuildError::Busy`] when another one is at work; when there is no such projection.
    pub async fn begin(&self, name: &str, tenant: Option<TenantId>, kind: Kind, requested_by: &str) -> Result<Run, RebuildError> {
        self.begin_as(Uuid::new_v4(), name, tenant, kind, requested_by).await
    }

    pub(super) async fn begin_as(
        &self,
        id: Uuid,
        name: &str,
        tenant: Option<TenantId>,
        kind: Kind,
        requested_by: &str,
    ) -> Result<Run, RebuildError> {
        let projection = projection(name)?;
        let mut lock = self.live.session().await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended('holdfast rebuild ' || $1, 0))")
            .bind(projection.name())
            .fetch_one(&mut lock)
            .await?;
        if !taken {
            return Err(RebuildError::Busy(projection.name()));
        }
        let new = NewRun { id, projection: projection.name(), tenant, kind, swap: true, requested_by };
        runs::insert(&self.live, &new, "folding").await?;
        runs::end_interrupted(&self.live, projection.name(), id).await?;
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

    /// Folds the log in memory and compares; changes nothing, also not what is kept aside. All tenants, or one.
    ///
    /// # Errors
    /// When something cannot be read; differences are not errors.
    pub async fn verify(&self, name: &str, tenant: Option<TenantId>) -> Result<Vec<(TenantId, Vec<TableCheck>)>, VerifyOrRebuildError> {
        let projection = projection(name)?;
        let mut connection = self.live.acquire().await?;
        let tenants = live_positions(&mut connection, projection.name(), tenant, false).await?;
        drop(connection);
        let mut checks = Vec::new();
        for (tenant_id, _) in tenants {
            checks.push((tenant_id, verify(&projection, &self.live, &self.log, self.keys.as_ref(), tenant_id).await?));
        }
        Ok(checks)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyOrRebuildError {
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("the read database refused or did not answer")]
    Database(#[from] sqlx::Error),
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
        self.record(swapped).await?;
        runs::end(&self.rebuilder.live, self.id, "swapped", None).await?;
        Ok(())
    }

    /// Ends the run without a swap; what was rebuilt stays on the shadow side until the next one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave(self) -> Result<(), RebuildError> {
        runs::end(&self.rebuilder.live, self.id, "done", None).await?;
        Ok(())
    }

    pub(super) async fn swap_back(mut self) -> Result<(), RebuildError> {
        let may = self.may_swap_back().await;
        self.record(may).await?;
        self.swap().await
    }

    /// An error ends the run and is put on record.
    async fn record<T>(&mut self, result: Result<T, RebuildError>) -> Result<T, RebuildError> {
        if let Err(error) = &result {
            runs::end(&self.rebuilder.live, self.id, "failed", Some(&error.to_string())).await?;
        }
        result
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
        self.folder.progress.expect(targets.iter().map(|(_, position)| position).sum());
        self.fold(targets).await?;
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
        runs::save_diff(&self.rebuilder.live, self.id, &serde_json::to_value(&diff)?).await?;
        self.save("ready").await?;
        Ok(diff)
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

    async fn may_swap_back(&self) -> Result<(), RebuildError> {
        if !runs::last_was_a_swap(&self.rebuilder.live, self.name(), self.tenant).await? {
            return Err(RebuildError::NothingKept);
        }
        let mut connection = self.rebuilder.live.acquire().await?;
        let kept: Option<i32> = sqlx::query_scalar(
            "SELECT version FROM shadow.projection_checkpoints
             WHERE projection = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND version <> $3 LIMIT 1",
        )
        .bind(self.name())
        .bind(self.tenant.map(TenantId::uuid))
        .bind(self.version())
        .fetch_optional(&mut *connection)
        .await?;
        kept.map_or(Ok(()), |kept| Err(RebuildError::OtherVersion { kept, ours: self.version() }))
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
