//! How the projections are (ADM-21).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{EventId, TenantId};
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::Pool;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::all_projections;
use crate::rebuild::RebuildError;
use crate::rebuild::runs::{self, OtherSide, RunRow};
use crate::runtime::failures;

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProjectionStatus)]
pub struct Status {
    pub name: &'static str,
    /// Of this program.
    pub version: i32,
    pub tables: Vec<&'static str>,
    pub tenants: u64,
    /// Events that were taken, over all tenants.
    pub position: i64,
    /// Events of the log that were not.
    pub behind: i64,
    /// Tenants whose rows another version has made; they are rebuilt before they go on.
    pub other_version: u64,
    pub stopped: Vec<Stopped>,
    pub paused: bool,
    #[schema(value_type = Vec<Uuid>)]
    pub paused_tenants: Vec<TenantId>,
    /// What the side that is not read holds, as far as all tenants go.
    pub other_side: OtherSide,
    /// Without its report.
    pub last_run: Option<RunRow>,
}

/// A reference to the event that does not fit, never a copy of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProjectionStop)]
pub struct Stopped {
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    pub position: i64,
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    pub error: String,
    pub failed_at: DateTime<Utc>,
}

/// Every projection of this program. `pool`: the read database as `holdfast_writer` or `holdfast_projector`.
///
/// # Errors
/// When a database does not answer.
pub async fn status(pool: &Pool, log: &EventLog) -> Result<Vec<Status>, RebuildError> {
    let heads: HashMap<TenantId, i64> = log.heads().await?.into_iter().map(|(tenant, (head, _))| (tenant, head)).collect();
    let stopped = failures(pool).await?;
    let mut all = Vec::new();
    for projection in all_projections() {
        let mut connection = pool.acquire().await?;
        let checkpoints: Vec<(Uuid, i64, i32)> =
            sqlx::query_as("SELECT tenant_id, position, version FROM projection_checkpoints WHERE projection = $1")
                .bind(projection.name())
                .fetch_all(&mut *connection)
                .await?;
        let pauses: Vec<Uuid> = sqlx::query_scalar("SELECT tenant_id FROM rebuild.projection_pauses WHERE projection = $1 ORDER BY 1")
            .bind(projection.name())
            .fetch_all(&mut *connection)
            .await?;
        drop(connection);
        let at: HashMap<TenantId, i64> = checkpoints.iter().map(|(tenant, position, _)| (TenantId(*tenant), *position)).collect();
        let behind = heads.iter().map(|(tenant, head)| (head - at.get(tenant).copied().unwrap_or_default()).max(0)).sum();
        all.push(Status {
            name: projection.name(),
            version: projection.version(),
            tables: projection.tables().iter().map(|table| table.name).collect(),
            tenants: checkpoints.len() as u64,
            position: at.values().sum(),
            behind,
            other_version: checkpoints.iter().filter(|(_, _, version)| *version != projection.version()).count() as u64,
            stopped: stopped
                .iter()
                .filter(|failure| failure.projection == projection.name())
                .map(|failure| Stopped {
                    tenant_id: failure.tenant_id,
                    position: failure.position,
                    event_id: failure.event_id,
                    error: failure.error.clone(),
                    failed_at: failure.failed_at,
                })
                .collect(),
            paused: pauses.contains(&Uuid::nil()),
            paused_tenants: pauses.into_iter().filter(|tenant| !tenant.is_nil()).map(TenantId).collect(),
            other_side: runs::other_side(pool, projection.name(), None, false).await?.0,
            last_run: runs::list_runs(pool, projection.name(), None, 1).await?.pop(),
        });
    }
    Ok(all)
}
