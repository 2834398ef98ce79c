//! How far projections have come: rows of `projection_checkpoints`, whose locks decide who goes first.

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Pool, Tx};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::positions::CHANNEL;
use crate::runtime::memory::Stamp;
use crate::runtime::writes::Writes;

/// Which of the two sides of the read models is written (protocols 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Live,
    /// Filled by rebuilds: tells nobody how far it has come, and takes no notice of pauses.
    Shadow,
}

/// What to do about a row that somebody else has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locked {
    Wait,
    Skip,
}

/// One projection's place in one tenant's log.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Checkpoint {
    pub(super) projection: String,
    pub(super) position: i64,
    /// Of the program that made the rows.
    pub(super) version: i32,
    /// It has stopped at an event, or was told to wait.
    pub(super) waits: bool,
    /// The transaction that wrote this row; 0 where nobody asked.
    pub(super) xmin: i64,
}

impl Checkpoint {
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { position: self.position, xmin: self.xmin }
    }
}

/// Rows that can be locked, for a tenant that is new; `projections` with their versions.
pub(super) async fn begin(pool: &Pool, tenant_id: TenantId, projections: &[(&str, i32)]) -> Result<(), sqlx::Error> {
    let (names, versions): (Vec<&str>, Vec<i32>) = projections.iter().copied().unzip();
    sqlx::query(
        "INSERT INTO projection_checkpoints (tenant_id, projection, version, position)
         SELECT $1, n.projection, n.version, 0 FROM unnest($2::text[], $3::int4[]) AS n (projection, version)
         ORDER BY n.projection
         ON CONFLICT (tenant_id, projection) DO NOTHING",
    )
    .bind(tenant_id.uuid())
    .bind(names)
    .bind(versions)
    .execute(&mut *pool.acquire().await?)
    .await?;
    Ok(())
}

/// Must be the transaction's first statement: rows that were read before the lock could be older than it.
pub(super) async fn lock(
    tx: &mut Tx,
    side: Side,
    tenant_id: TenantId,
    projections: &[&str],
    locked: Locked,
) -> Result<Vec<Checkpoint>, sqlx::Error> {
    let pauses = match side {
        Side::Live => {
            " OR EXISTS (SELECT FROM rebuild.projection_pauses p WHERE p.projection = c.projection
                         AND p.tenant_id IN ($1, '00000000-0000-0000-0000-000000000000'))"
        }
        Side::Shadow => "",
    };
    let skip = match locked {
        Locked::Wait => "",
        Locked::Skip => " SKIP LOCKED",
    };
    let sql = format!(
        "SELECT c.projection, c.position, c.version, (f.position IS NOT NULL{pauses}) AS waits, c.xmin::text::bigint AS xmin
         FROM projection_checkpoints c LEFT JOIN projection_failures f USING (tenant_id, projection)
         WHERE c.tenant_id = $1 AND c.projection = ANY($2) ORDER BY c.projection FOR UPDATE OF c{skip}"
    );
    sqlx::query_as(&sql).bind(tenant_id.uuid()).bind(projections).fetch_all(&mut **tx).await
}

/// Sends what the batch writes and moves the checkpoints, in one statement. Whoever waits for this position is told when the transaction
/// commits. Gives the rows of the checkpoints as they then are.
pub(super) async fn advance(
    tx: &mut Tx,
    side: Side,
    tenant_id: TenantId,
    projections: &[&str],
    position: i64,
    writes: Writes,
) -> Result<Stamp, sqlx::Error> {
    let mut statement = writes.statement(tenant_id)?;
    let (names, reached) = (statement.bind(projections)?, statement.bind(position)?);
    let (channel, tells) = (statement.bind(CHANNEL)?, statement.bind(side == Side::Live)?);
    let end = format!(
        "moved AS (
             UPDATE projection_checkpoints SET position = {reached} WHERE tenant_id = $1 AND projection = ANY({names}) RETURNING projection
         ), told AS MATERIALIZED (
             SELECT pg_notify({channel}, $1::text || ' ' || string_agg(projection, ',') || ' ' || {reached}::bigint)
             FROM moved WHERE {tells} HAVING count(*) > 0
         )
         SELECT pg_current_xact_id()::xid::text::bigint FROM (SELECT count(*) FROM told) AS done"
    );
    let xmin = statement.run(tx, &end).await?;
    Ok(Stamp { position, xmin })
}

/// The same in autocommit and for the live side, without a lock before it: fails, and writes nothing, unless every checkpoint has the
/// row `from`, nobody holds one, and nobody was told to wait. The statement has locks on its tables before it runs, and whoever exchanges
/// tables holds checkpoints and waits for those: so no checkpoint is waited for. The checkpoints come first, because the answer depends on
/// them and on nothing that is written.
pub(super) async fn advance_from(
    pool: &Pool,
    tenant_id: TenantId,
    projections: &[&str],
    from: Stamp,
    position: i64,
    writes: Writes,
) -> Result<Stamp, sqlx::Error> {
    let mut statement = writes.statement(tenant_id)?;
    let (names, reached, channel) = (statement.bind(projections)?, statement.bind(position)?, statement.bind(CHANNEL)?);
    let (before, written_by) = (statement.bind(from.position)?, statement.bind(from.xmin.to_string())?);
    // Division by zero is the refusal.
    let end = format!(
        "held AS MATERIALIZED (
             SELECT c.projection FROM projection_checkpoints c
             WHERE c.tenant_id = $1 AND c.projection = ANY({names}) AND c.position = {before} AND c.xmin = {written_by}::text::xid
               AND NOT EXISTS (SELECT FROM projection_failures f WHERE f.tenant_id = $1 AND f.projection = c.projection)
               AND NOT EXISTS (SELECT FROM rebuild.projection_pauses p WHERE p.projection = c.projection
                               AND p.tenant_id IN ($1, '00000000-0000-0000-0000-000000000000'))
             FOR UPDATE OF c SKIP LOCKED
         ), moved AS (
             UPDATE projection_checkpoints c SET position = {reached} FROM held
             WHERE c.tenant_id = $1 AND c.projection = held.projection RETURNING c.projection
         ), told AS MATERIALIZED (
             SELECT count(*) AS moved, pg_notify({channel}, $1::text || ' ' || string_agg(projection, ',') || ' ' || {reached}::bigint)
             FROM moved
         )
         SELECT pg_current_xact_id()::xid::text::bigint / (moved = cardinality({names}::text[]))::int FROM told"
    );
    let mut connection = pool.acquire().await?;
    match statement.run(&mut connection, &end).await {
        Ok(xmin) => {
            connection.answered();
            Ok(Stamp { position, xmin })
        }
        Err(error) => {
            // The server tells the error before it gives the rows back; whoever tries another way must not find them held.
            let _ = connection.ping().await;
            Err(error)
        }
    }
}

/// Projections that were told to wait, with the tenants for which; the nil id stands for all.
pub(super) async fn pauses(pool: &Pool, projections: &[&str]) -> Result<Vec<(String, Uuid)>, sqlx::Error> {
    sqlx::query_as("SELECT projection, tenant_id FROM rebuild.projection_pauses WHERE projection = ANY($1)")
        .bind(projections)
        .fetch_all(&mut *pool.acquire().await?)
        .await
}
