//! What our tables can take when nothing is decided: 64 rows per statement and transaction, each an event with tenant, position and time,
//! and an idempotency row, behind a head row. Two connections with a tenant each.

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use crate::environment::World;
use crate::measure::{closed, number};
use crate::reference::single_row::example;

const ROWS: usize = 64;
const CONNECTIONS: usize = 2;

const TABLES: &str = "CREATE SCHEMA IF NOT EXISTS multi_row;
CREATE TABLE IF NOT EXISTS multi_row.events (LIKE public.events INCLUDING ALL);
CREATE TABLE IF NOT EXISTS multi_row.receipts (LIKE public.receipts INCLUDING ALL);
CREATE TABLE IF NOT EXISTS multi_row.tenant_heads (LIKE public.tenant_heads INCLUDING ALL)";

const INSERT: &str = "
WITH h AS (
    INSERT INTO multi_row.tenant_heads AS th (tenant_id, position, previous, recorded_at) VALUES ($1, cardinality($2::uuid[]), 0, clock_timestamp())
    ON CONFLICT (tenant_id) DO UPDATE SET position = th.position + excluded.position, previous = th.position, recorded_at = clock_timestamp()
    RETURNING previous, recorded_at
), e AS (
    INSERT INTO multi_row.events (tenant_id, aggregate_id, position, sequence, recorded_at, aggregate_type, event_type, event_version, payload, metadata)
    SELECT $1, s.id, h.previous + s.nth, 1, h.recorded_at, 'wallet', 'wallet.debited', '1', s.payload::json, s.metadata::json
    FROM h, unnest($2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY AS s (id, payload, metadata, nth)
)
INSERT INTO multi_row.receipts (tenant_id, position, recorded_at, key_owner, idempotency_key, request_hash, answer)
SELECT $1, h.previous + k.nth, h.recorded_at, $5, k.key, k.hash, k.answer::json
FROM h, unnest($6::text[], $7::bytea[], $8::text[]) WITH ORDINALITY AS k (key, hash, answer, nth)";

/// # Errors
/// When the database does not answer.
pub(crate) async fn prepare(world: &World) -> anyhow::Result<()> {
    sqlx::raw_sql(TABLES).execute(&world.write).await?;
    Ok(())
}

/// Rows per second. The tables are emptied first.
///
/// # Errors
/// When the database does not answer or refuses.
pub(crate) async fn measure(world: &World, length: Duration) -> anyhow::Result<f64> {
    sqlx::raw_sql("TRUNCATE multi_row.events, multi_row.receipts, multi_row.tenant_heads").execute(&world.write).await?;
    let (payload, metadata) = example(world).await?;
    let (payloads, metadatas) = (vec![payload; ROWS], vec![metadata; ROWS]);
    let pool: PgPool = world.write.clone();
    let outcome = closed(CONNECTIONS, length, move |caller| {
        let (pool, payloads, metadatas) = (pool.clone(), payloads.clone(), metadatas.clone());
        async move { insert(&pool, caller, &payloads, &metadatas).await.map_err(|error| error.to_string()) }
    })
    .await?;
    anyhow::ensure!(outcome.errors == 0, "{}", outcome.first_error.unwrap_or_default());
    Ok(outcome.rate() * number(u64::try_from(ROWS)?))
}

async fn insert(pool: &PgPool, caller: usize, payloads: &[String], metadatas: &[String]) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
    let keys: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    let hashes = vec![vec![7_u8; 32]; ROWS];
    let answers: Vec<String> = ids.iter().map(answer).collect();
    sqlx::query(INSERT)
        .bind(Uuid::from_u128(u128::try_from(caller).unwrap_or(0)))
        .bind(ids)
        .bind(payloads)
        .bind(metadatas)
        .bind("0190a7a5-0000-7000-8000-000000000001")
        .bind(keys)
        .bind(hashes)
        .bind(answers)
        .execute(pool)
        .await
        .map(drop)
}

/// As long as the receipts of transfers are.
fn answer(id: &Uuid) -> String {
    format!(r#"{{"accepted":{{"id":"{id}","version":3,"status":"active","events":[{{"type":"wallet.debited","sequence":3}}]}}}}"#)
}
