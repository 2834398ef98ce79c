//! The record of runs: who asked for what, how far it has come, what it found.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

/// Ended runs are kept this long, and the last of each projection for longer.
const KEPT_DAYS: i32 = 90;
const KEPT_PER_PROJECTION: i64 = 50;

holdfast_domain::named! {
    /// What a run does.
    #[derive(ToSchema)]
    #[schema(as = ProjectionRunKind)]
    Kind {
        Rebuild = "rebuild",
        /// Compares with a fold of the log in memory.
        Verify = "verify",
        /// The rows before the last swap.
        SwapBack = "swap_back",
        /// The rows of a rebuild that was not swapped.
        Swap = "swap",
        /// The event at which the projection has stopped, by the present code.
        Try = "try",
        Pause = "pause",
        Resume = "resume",
    }
}

impl TryFrom<String> for Kind {
    type Error = UnknownKind;

    fn try_from(text: String) -> Result<Self, UnknownKind> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(UnknownKind(text))
    }
}

/// Written by a newer program.
#[derive(Debug, thiserror::Error)]
#[error("there is no kind of run {0}")]
pub struct UnknownKind(String);

/// One run as operators see it.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProjectionRun)]
pub struct RunRow {
    pub id: Uuid,
    pub projection: String,
    /// None: all tenants.
    pub tenant_id: Option<Uuid>,
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// `requested`, `folding`, `comparing`, `ready`; then `swapped`, `done` (nothing was swapped) or `failed`.
    #[schema(example = "folding")]
    pub state: String,
    /// A rebuild goes on to the swap by itself.
    pub swap: bool,
    /// The rebuild that a `swap` is about.
    pub of_run: Option<Uuid>,
    pub events_done: i64,
    pub events_total: i64,
    /// As far as it can be told.
    pub events_per_second: Option<i64>,
    /// While `folding`.
    pub seconds_left: Option<i64>,
    /// The user, or `command line`, or `a new version`.
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// What it found: the differences of a rebuild, the checks of a verification, what a trial would write. Not in lists.
    #[schema(value_type = Option<Object>)]
    pub report: Option<Value>,
    pub error: Option<String>,
}

/// All but the report.
const COLUMNS: &str = "id, projection, tenant_id, kind, state, swap, of_run, events_done, events_total,
    (events_done / nullif(extract(epoch FROM updated_at - started_at), 0))::bigint AS events_per_second,
    CASE WHEN state = 'folding' THEN
        ((events_total - events_done) * extract(epoch FROM updated_at - started_at) / nullif(events_done, 0))::bigint
    END AS seconds_left,
    requested_by, requested_at, started_at, updated_at, ended_at, error";

pub(super) async fn find(connection: &mut PgConnection, id: Uuid) -> Result<Option<RunRow>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS}, diff AS report FROM rebuild.projection_runs WHERE id = $1");
    sqlx::query_as(&sql).bind(id).fetch_optional(connection).await
}

/// `pool`: the read database as `holdfast_writer` or `holdfast_projector`.
///
/// # Errors
/// When the database does not answer.
pub async fn find_run(pool: &Pool, id: Uuid) -> Result<Option<RunRow>, sqlx::Error> {
    find(&mut *pool.acquire().await?, id).await
}

/// Those of one projection, newest first, without their reports; `after`: when the last one before was requested, and its id.
///
/// # Errors
/// As [`find_run`].
pub async fn list_runs(
    pool: &Pool,
    projection: &str,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<RunRow>, sqlx::Error> {
    let (at, id) = after.unzip();
    let sql = format!(
        "SELECT {COLUMNS}, NULL::jsonb AS report FROM rebuild.projection_runs
         WHERE projection = $1 AND ($2::timestamptz IS NULL OR (requested_at, id) < ($2, $3))
         ORDER BY requested_at DESC, id DESC LIMIT $4"
    );
    sqlx::query_as(&sql).bind(projection).bind(at).bind(id).bind(limit).fetch_all(&mut *pool.acquire().await?).await
}

/// Those that wait or are at work, oldest first; of one projection or of all.
pub(super) async fn open(connection: &mut PgConnection, projection: Option<&str>) -> Result<Vec<RunRow>, sqlx::Error> {
    let sql = format!(
        "SELECT {COLUMNS}, NULL::jsonb AS report FROM rebuild.projection_runs
         WHERE ended_at IS NULL AND ($1::text IS NULL OR projection = $1) ORDER BY requested_at, id"
    );
    sqlx::query_as(&sql).bind(projection).fetch_all(connection).await
}

/// A run that begins as soon as it is on record.
pub(super) async fn insert(pool: &Pool, run: &super::Order) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO rebuild.projection_runs (id, projection, tenant_id, kind, state, swap, of_run, requested_by, started_at)
         VALUES ($1, $2, $3, $4, 'folding', $5, $6, $7, clock_timestamp())",
    )
    .bind(run.id)
    .bind(run.projection)
    .bind(run.tenant.map(TenantId::uuid))
    .bind(run.kind.as_str())
    .bind(run.swap)
    .bind(run.of_run)
    .bind(&run.requested_by)
    .execute(&mut *pool.acquire().await?)
    .await?;
    Ok(())
}

/// False when another process was faster. The caller holds the projection's lock.
pub(super) async fn start(pool: &Pool, id: Uuid) -> Result<bool, sqlx::Error> {
    let started = sqlx::query(
        "UPDATE rebuild.projection_runs SET state = 'folding', started_at = clock_timestamp(), updated_at = clock_timestamp()
         WHERE id = $1 AND state = 'requested'",
    )
    .bind(id)
    .execute(&mut *pool.acquire().await?)
    .await?;
    Ok(started.rows_affected() > 0)
}

/// What the shadow side holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtherSide {
    /// The rows before the last swap: it can be taken back.
    Former,
    /// The rows of a rebuild that was not swapped.
    Rebuilt,
    Nothing,
}

/// The shadow side of all tenants or of one, and the run that has filled it. `of_any`: the newest run counts, whomever it is of.
pub(super) async fn other_side(
    pool: &Pool,
    projection: &str,
    tenant: Option<TenantId>,
    of_any: bool,
) -> Result<(OtherSide, Option<Uuid>), sqlx::Error> {
    // Runs touch the shadow side in the order in which they begin.
    let last: Option<(Uuid, String)> = sqlx::query_as(
        "SELECT id, state FROM rebuild.projection_runs
         WHERE projection = $1 AND (tenant_id IS NULL OR tenant_id = $2 OR $3) AND state <> 'requested'
           AND (kind = 'rebuild' OR kind IN ('swap_back', 'swap') AND state = 'swapped')
         ORDER BY coalesce(started_at, requested_at) DESC LIMIT 1",
    )
    .bind(projection)
    .bind(tenant.map(TenantId::uuid))
    .bind(of_any)
    .fetch_optional(&mut *pool.acquire().await?)
    .await?;
    Ok(match last {
        Some((id, state)) if state == "swapped" => (OtherSide::Former, Some(id)),
        Some((id, state)) if state == "done" => (OtherSide::Rebuilt, Some(id)),
        Some(_) | None => (OtherSide::Nothing, None),
    })
}

/// Whoever holds the projection's lock knows that nobody works on the others any more.
pub(super) async fn end_interrupted(pool: &Pool, projection: &str, but: Option<Uuid>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE rebuild.projection_runs SET state = 'failed', error = 'its process ended', ended_at = clock_timestamp()
         WHERE projection = $1 AND id IS DISTINCT FROM $2 AND ended_at IS NULL AND state <> 'requested'",
    )
    .bind(projection)
    .bind(but)
    .execute(&mut *pool.acquire().await?)
    .await?;
    Ok(())
}

pub(super) async fn save_progress(pool: &Pool, id: Uuid, state: &str, (done, total): (i64, i64)) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE rebuild.projection_runs SET state = $2, events_done = $3, events_total = $4, updated_at = clock_timestamp() WHERE id = $1",
    )
    .bind(id)
    .bind(state)
    .bind(done)
    .bind(total)
    .execute(&mut *pool.acquire().await?)
    .await?;
    Ok(())
}

pub(super) async fn save_report(pool: &Pool, id: Uuid, report: &Value) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE rebuild.projection_runs SET diff = $2 WHERE id = $1")
        .bind(id)
        .bind(report)
        .execute(&mut *pool.acquire().await?)
        .await?;
    Ok(())
}

/// The first end counts: a swap is on record with the swap itself, also when its answer was lost.
pub(super) async fn end(connection: &mut PgConnection, id: Uuid, state: &str, error: Option<&str>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE rebuild.projection_runs SET state = $2, error = $3, updated_at = clock_timestamp(), ended_at = clock_timestamp()
         WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(id)
    .bind(state)
    .bind(error)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes ended runs that are old and not among the last of their projection. Gives how many. `pool`: as `holdfast_projector`.
///
/// # Errors
/// When the database does not answer.
pub async fn prune_runs(pool: &Pool) -> Result<u64, sqlx::Error> {
    let pruned = sqlx::query(
        "DELETE FROM rebuild.projection_runs WHERE id IN (
             SELECT id FROM (
                 SELECT id, ended_at, row_number() OVER (PARTITION BY projection ORDER BY ended_at DESC) AS nth
                 FROM rebuild.projection_runs WHERE ended_at IS NOT NULL
             ) ended
             WHERE nth > $1 AND ended_at < clock_timestamp() - make_interval(days => $2)
         )",
    )
    .bind(KEPT_PER_PROJECTION)
    .bind(KEPT_DAYS)
    .execute(&mut *pool.acquire().await?)
    .await?;
    Ok(pruned.rows_affected())
}
