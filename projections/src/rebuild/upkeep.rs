//! What the projector's process does by itself: rebuild what another version has made, and work off what was ordered.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::all_projections;
use crate::rebuild::runs::{self, Kind, RunRow};
use crate::rebuild::{RebuildError, Rebuilder, VerifyOrRebuildError};
use crate::runtime::Projection;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// In looks.
const COMPARE_WITH_HEADS_EVERY: u64 = 5;
/// After a rebuild that failed.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(60);
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

impl Rebuilder {
    /// Runs until `shutdown`. Several processes may: the projection's lock lets one of them work.
    pub async fn keep(self, shutdown: CancellationToken) {
        let mut not_before = HashMap::<&'static str, Instant>::new();
        let mut prune_at = Instant::now();
        for look in 0_u64.. {
            if look.is_multiple_of(COMPARE_WITH_HEADS_EVERY)
                && let Err(error) = self.mark_what_is_ahead().await
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "read models could not be compared with the heads of the log");
            }
            tokio::select! {
                () = self.look_after_all(&mut not_before, &mut prune_at) => {}
                () = shutdown.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn look_after_all(&self, not_before: &mut HashMap<&'static str, Instant>, prune_at: &mut Instant) {
        for projection in all_projections() {
            let name = projection.name();
            if not_before.get(name).is_none_or(|until| *until <= Instant::now())
                && let Err(error) = self.renew(&projection).await
                && !matches!(error, RebuildError::Busy(_))
            {
                tracing::error!(projection = name, error = &error as &dyn std::error::Error, "a rebuild has failed");
                not_before.insert(name, Instant::now() + WAIT_AFTER_FAILURE);
            }
            if let Err(error) = self.serve(name).await {
                tracing::error!(projection = name, error = &error as &dyn std::error::Error, "what was ordered has failed");
            }
        }
        if *prune_at <= Instant::now() {
            *prune_at = Instant::now() + PRUNE_EVERY;
            if let Err(error) = runs::prune_runs(&self.live).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "old runs could not be removed");
            }
        }
    }

    async fn renew(&self, projection: &Projection) -> Result<(), RebuildError> {
        self.rebuild_what_was_ahead(projection.name()).await?;
        let Some(made_by) = self.older_version(projection).await? else { return Ok(()) };
        tracing::info!(projection = projection.name(), made_by, version = projection.version(), "rebuilding what another version has made");
        let mut run = self.begin(projection.name(), None, Kind::Rebuild, "a new version").await?;
        run.to_heads = true;
        run.prepare().await?;
        run.swap().await?;
        tracing::info!(projection = projection.name(), "rebuilt and swapped");
        Ok(())
    }

    /// Rows of a newer version are left to the newer program, which may be at work beside this one.
    async fn older_version(&self, projection: &Projection) -> Result<Option<i32>, sqlx::Error> {
        let mut connection = self.live.acquire().await?;
        sqlx::query_scalar("SELECT version FROM projection_checkpoints WHERE projection = $1 AND version < $2 LIMIT 1")
            .bind(projection.name())
            .bind(projection.version())
            .fetch_optional(&mut *connection)
            .await
    }

    /// What was ordered is worked off; what is on record as at work and is not has failed.
    async fn serve(&self, name: &'static str) -> Result<(), VerifyOrRebuildError> {
        let open = runs::open(&mut *self.live.acquire().await?, Some(name)).await?;
        for run in open {
            if run.state == "requested" {
                self.work_off(name, &run).await?;
            } else if let Some(_lock) = self.lock(name).await? {
                runs::end_interrupted(&self.live, name, None).await?;
            }
        }
        Ok(())
    }

    async fn work_off(&self, name: &'static str, ordered: &RunRow) -> Result<(), VerifyOrRebuildError> {
        let tenant = ordered.tenant_id.map(TenantId);
        let Some(mut run) = self.begin_ordered(name, ordered).await? else { return Ok(()) };
        match ordered.kind {
            Kind::Rebuild => {
                run.prepare().await?;
                if ordered.swap { run.swap().await? } else { run.leave().await? }
            }
            Kind::SwapBack => run.swap_back().await?,
            Kind::Swap => run.swap_prepared(ordered.of_run.unwrap_or_default()).await?,
            Kind::Verify => {
                let verified = self.verify(name, tenant).await;
                run.report(verified.map(|verified| json!(verified))).await?;
            }
            Kind::Try => run.report(self.try_ordered(name, tenant).await).await?,
            // Done when they were ordered.
            Kind::Pause | Kind::Resume => run.leave().await?,
        }
        Ok(())
    }

    async fn try_ordered(&self, name: &str, tenant: Option<TenantId>) -> Result<serde_json::Value, RebuildError> {
        let trial = self.attempt(name, tenant.ok_or(RebuildError::WhichTenant)?).await?;
        Ok(serde_json::to_value(trial)?)
    }
}
