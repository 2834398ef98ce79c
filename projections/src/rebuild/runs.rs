//! The record of runs: who asked for what, how far it has come, what it found.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Rebuild,
    Verify,
    SwapBack,
}

impl Kind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Verify => "verify",
            Self::SwapBack => "swap_back",
        }
    }
}

/// One run as operators see it.
#[derive(Debug, Clone, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    pub id: Uuid,
    pub projection: String,
    /// None: all tenants.
    pub tenant_id: Option<Uuid>,
    pub kind: String,
    /// `requested`, `folding`, `comparing`, `ready`; then `swapped`, `done` (nothing was swapped) or `failed`.
    pub state: String,
    pub swap: bool,
    pub events_done: i64,
    pub events_total: i64,
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub diff: Option<Value>,
    pub error: Option<String>,
}

const COLUMNS: &str = "id, projection, tenant_id, kind, state, swap, events_done, events_total, requested_by, requested_at, updated_at, ended_at, diff, error";

/// A run that is to be.
#[derive(Debug, Clone)]
pub(super) struct NewRun<'a> {
    pub(super) id: Uuid,
    pub(super) projection: &'a str,
    pub(super) tenant: Option<TenantId>,
    pub(super) kind: Kind,
    pub(super) swap: bool,
    pub(super) requested_by: &'a str,
}

pub(super) async fn insert(pool: &Pool, run: &NewRun<'_>, state: &str) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query(
        "INSERT INTO rebuild.projection_runs (id, projection, tenant_id, kind, state, swap, requested_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, updated_at = clock_timestamp()",
    )
    .bind(run.id)
    .bind(run.projection)
    .bind(run.tenant.map(TenantId::uuid))
    .bind(run.kind.as_str())
    .bind(state)
    .bind(run.swap)
    .bind(run.requested_by)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Asks the projector's process for a run. `pool`: the read database as `holdfast_projector`.
///
/// # Errors
/// When the database does not answer.
pub async fn request_run(
    pool: &Pool,
    projection: &'static str,
    tenant: Option<TenantId>,
    kind: Kind,
    swap: bool,
    requested_by: &str,
) -> Result<Uuid, sqlx::Error> {
    let run = NewRun { id: Uuid::new_v4(), projection, tenant, kind, swap, requested_by };
    insert(pool, &run, "requested").await?;
    Ok(run.id)
}

/// # Errors
/// When the database does not answer.
pub async fn find_run(pool: &Pool, id: Uuid) -> Result<Option<RunRow>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let sql = format!("SELECT {COLUMNS} FROM rebuild.projection_runs WHERE id = $1");
    sqlx::query_as(&sql).bind(id).fetch_optional(&mut *connection).await
}

pub(super) async fn latest(pool: &Pool, projection: &str) -> Result<Option<RunRow>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let sql = format!("SELECT {COLUMNS} FROM rebuild.projection_runs WHERE projection = $1 ORDER BY requested_at DESC LIMIT 1");
    sqlx::query_as(&sql).bind(projection).fetch_optional(&mut *connection).await
}

/// The oldest that waits to be begun.
pub(super) async fn requested(pool: &Pool, projection: &str) -> Result<Option<RunRow>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM rebuild.projection_runs WHERE projection = $1 AND state = 'requested' ORDER BY requested_at LIMIT 1"
    );
    sqlx::query_as(&sql).bind(projection).fetch_optional(&mut *connection).await
}

/// True when the shadow side holds what a swap has put there: for all tenants, or for this one.
pub(super) async fn last_was_a_swap(pool: &Pool, projection: &str, tenant: Option<TenantId>) -> Result<bool, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let state: Option<String> = sqlx::query_scalar(
        "SELECT state FROM rebuild.projection_runs
         WHERE projection = $1 AND (tenant_id IS NULL OR tenant_id = $2) AND state <> 'requested'
           AND (kind = 'rebuild' OR kind = 'swap_back' AND state = 'swapped')
         ORDER BY requested_at DESC LIMIT 1",
    )
    .bind(projection)
    .bind(tenant.map(TenantId::uuid))
    .fetch_optional(&mut *connection)
    .await?;
    Ok(state.as_deref() == Some("swapped"))
}

/// Whoever holds the projection's lock knows that nobody works on the others any more.
pub(super) async fn end_interrupted(pool: &Pool, projection: &str, but: Uuid) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query(
        "UPDATE rebuild.projection_runs SET state = 'failed', error = 'its process ended', ended_at = clock_timestamp()
         WHERE projection = $1 AND id <> $2 AND ended_at IS NULL AND state <> 'requested'",
    )
    .bind(projection)
    .bind(but)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

pub(super) async fn save_progress(pool: &Pool, id: Uuid, state: &str, (done, total): (i64, i64)) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query(
        "UPDATE rebuild.projection_runs SET state = $2, events_done = $3, events_total = $4, updated_at = clock_timestamp() WHERE id = $1",
    )
    .bind(id)
    .bind(state)
    .bind(done)
    .bind(total)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

pub(super) async fn save_diff(pool: &Pool, id: Uuid, diff: &Value) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query("UPDATE rebuild.projection_runs SET diff = $2 WHERE id = $1").bind(id).bind(diff).execute(&mut *connection).await?;
    Ok(())
}

pub(super) async fn end(pool: &Pool, id: Uuid, state: &str, error: Option<&str>) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query(
        "UPDATE rebuild.projection_runs SET state = $2, error = $3, updated_at = clock_timestamp(), ended_at = clock_timestamp() WHERE id = $1",
    )
    .bind(id)
    .bind(state)
    .bind(error)
    .execute(&mut *connection)
    .await?;
    Ok(())
}
