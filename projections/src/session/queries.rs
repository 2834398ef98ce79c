//! Questions about sessions.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use sqlx::FromRow;
use uuid::Uuid;

use crate::query::{QueryError, Read, Reading};
use crate::session::PROJECTION;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct RevokedSession {
    pub session_id: Uuid,
    pub position: i64,
    pub forget_at: DateTime<Utc>,
}

/// So many come in one answer.
pub const MAX_REVOKED: usize = 10_000;

/// The sessions that were revoked after `position`, oldest first, without those that may be forgotten at `now`.
///
/// # Errors
/// When the database does not answer.
pub async fn revoked_after(
    pool: &Pool,
    tenant_id: TenantId,
    position: i64,
    now: DateTime<Utc>,
) -> Result<Read<Vec<RevokedSession>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let sql = "SELECT session_id, position, forget_at FROM revoked_sessions
               WHERE tenant_id = $1 AND position > $2 AND forget_at > $3 ORDER BY position LIMIT $4";
    let limit = i64::try_from(MAX_REVOKED).unwrap_or(i64::MAX);
    let rows = sqlx::query_as(sql).bind(tenant_id.uuid()).bind(position).bind(now).bind(limit);
    let rows = rows.fetch_all(reading.connection()).await?;
    reading.end(rows).await
}
