//! What the projector's process does by itself: rebuild what another version has made, and work off what was asked for.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::all_projections;
use crate::rebuild::run::VerifyOrRebuildError;
use crate::rebuild::runs::{self, Kind, RunRow};
use crate::rebuild::{RebuildError, Rebuilder};
use crate::runtime::Projection;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// In looks.
const COMPARE_WITH_HEADS_EVERY: u64 = 5;
/// After a rebuild that failed.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(60);

impl Rebuilder {
    /// Runs until `shutdown`. Several processes may: the projection's lock lets one of them work.
    pub async fn keep(self, shutdown: CancellationToken) {
        let mut not_before = HashMap::<&'static str, Instant>::new();
        for look in 0_u64.. {
            if look.is_multiple_of(COMPARE_WITH_HEADS_EVERY)
                && let Err(error) = self.mark_what_is_ahead().await
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "read models could not be compared with the heads of the log");
            }
            for projection in all_projections() {
                let name = projection.name();
                if not_before.get(name).is_some_and(|until| *until > Instant::now()) {
                    continue;
                }
                let outcome = tokio::select! {
                    outcome = self.look_after(&projection) => outcome,
                    () = shutdown.cancelled() => return,
                };
                match outcome {
                    Ok(()) | Err(VerifyOrRebuildError::Rebuild(RebuildError::Busy(_))) => {}
                    Err(error) => {
                        tracing::error!(projection = name, error = &error as &dyn std::error::Error, "a rebuild has failed");
                        not_before.insert(name, Instant::now() + WAIT_AFTER_FAILURE);
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn look_after(&self, projection: &Projection) -> Result<(), VerifyOrRebuildError> {
        self.rebuild_what_was_ahead(projection.name()).await?;
        if let Some(made_by) = self.older_version(projection).await? {
            tracing::info!(
                projection = projection.name(),
                made_by,
                version = projection.version(),
                "rebuilding what another version has made"
            );
            let mut run = self.begin(projection.name(), None, Kind::Rebuild, "a new version").await?;
            run.to_heads = true;
            run.prepare().await?;
            run.swap().await?;
            tracing::info!(projection = projection.name(), "rebuilt and swapped");
        }
        if let Some(requested) = runs::requested(&self.live, projection.name()).await? {
            self.work_off(projection.name(), &requested).await?;
        }
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

    async fn work_off(&self, name: &str, requested: &RunRow) -> Result<(), VerifyOrRebuildError> {
        let tenant = requested.tenant_id.map(TenantId);
        let kind = match requested.kind.as_str() {
            "rebuild" => Kind::Rebuild,
            "swap_back" => Kind::SwapBack,
            _ => Kind::Verify,
        };
        let mut run = self.begin_as(requested.id, name, tenant, kind, &requested.requested_by).await?;
        match kind {
            Kind::Rebuild => {
                run.prepare().await?;
                if requested.swap { run.swap().await? } else { run.leave().await? }
            }
            Kind::SwapBack => run.swap_back().await?,
            Kind::Verify => {
                let verified = self.verify(name, tenant).await;
                let (state, found) = match &verified {
                    Ok(checks) => ("done", json!({ "checks": checks })),
                    Err(error) => ("failed", json!({ "error": error.to_string() })),
                };
                runs::save_diff(&self.live, requested.id, &found).await?;
                runs::end(&self.live, requested.id, state, verified.as_ref().err().map(ToString::to_string).as_deref()).await?;
                verified?;
            }
        }
        Ok(())
    }
}
