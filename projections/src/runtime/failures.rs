//! Where projections have stopped, for operators (health, `verify`) and how they are let go on.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{EventId, TenantId};
use holdfast_eventlog::db::Pool;
use uuid::Uuid;

/// A reference to the event that does not fit, never a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub tenant_id: TenantId,
    pub projection: String,
    pub position: i64,
    pub event_id: EventId,
    pub error: String,
    pub failed_at: DateTime<Utc>,
}

/// All of them, oldest first. `pool`: the read database as `holdfast_projector`.
///
/// # Errors
/// When the database does not answer.
pub async fn failures(pool: &Pool) -> Result<Vec<Failure>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let rows: Vec<(Uuid, String, i64, Uuid, String, DateTime<Utc>)> = sqlx::query_as(
        "SELECT tenant_id, projection, position, event_id, error, failed_at FROM projection_failures ORDER BY failed_at, tenant_id, projection",
    )
    .fetch_all(&mut *connection)
    .await?;
    let failure = |(tenant_id, projection, position, event_id, error, failed_at)| Failure {
        tenant_id: TenantId(tenant_id),
        projection,
        position,
        event_id: EventId(event_id),
        error,
        failed_at,
    };
    Ok(rows.into_iter().map(failure).collect())
}

/// Lets the projection try the event again; false when it has not stopped. `pool` as for [`failures`].
///
/// # Errors
/// When the database does not answer.
pub async fn clear_failure(pool: &Pool, tenant_id: TenantId, projection: &str) -> Result<bool, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let cleared = sqlx::query("DELETE FROM projection_failures WHERE tenant_id = $1 AND projection = $2")
        .bind(tenant_id.uuid())
        .bind(projection)
        .execute(&mut *connection)
        .await?;
    Ok(cleared.rows_affected() > 0)
}
