//! The log itself (invariant 2), what is stored beside it, and that answers point into it.

use anyhow::Context as _;
use holdfast_eventlog::db::Pool;
use uuid::Uuid;

use super::Findings;

const POSITIONS: &str = "positions of a tenant are 1..n without gap, and its head is n";
const SEQUENCES: &str = "sequences of a stream are 1..n without gap";
const TIMES: &str = "recorded times never fall within a tenant";
const RECEIPTS: &str = "stored answers point at positions that exist";
const CLAIMS: &str = "taken values belong to streams that exist";

pub(super) async fn check(pool: &Pool, findings: &mut Findings) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await.context("cannot reach the write database")?;
    let connection = &mut *connection;

    // In one statement, so that a write in between does not look like a gap.
    let tenants: Vec<(Uuid, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT h.tenant_id, h.position, count(e.position), coalesce(min(e.position), 1), coalesce(max(e.position), 0)
         FROM tenant_heads h LEFT JOIN events e ON e.tenant_id = h.tenant_id GROUP BY h.tenant_id, h.position",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (tenant, head, count, first, last) in tenants {
        let whole = first == 1 && last == head && count == head;
        findings.expect(POSITIONS, whole, || format!("{tenant}: head {head}, {count} events from {first} to {last}"));
    }

    let streams: i64 = sqlx::query_scalar("SELECT count(*) FROM (SELECT DISTINCT tenant_id, aggregate_type, aggregate_id FROM events) s")
        .fetch_one(&mut *connection)
        .await?;
    findings.count(SEQUENCES, streams);
    let gaps: Vec<(Uuid, String, Uuid)> = sqlx::query_as(
        "SELECT tenant_id, aggregate_type, aggregate_id FROM events GROUP BY 1, 2, 3
         HAVING count(*) <> max(sequence) OR min(sequence) <> 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (tenant, kind, id) in gaps {
        findings.fail(SEQUENCES, format!("{tenant}: {kind} {id}"));
    }

    let falls: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT tenant_id, position FROM (
             SELECT tenant_id, position, recorded_at < lag(recorded_at) OVER (PARTITION BY tenant_id ORDER BY position) AS falls FROM events
         ) e WHERE falls",
    )
    .fetch_all(&mut *connection)
    .await?;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut *connection).await?;
    findings.count(TIMES, events);
    for (tenant, position) in falls {
        findings.fail(TIMES, format!("{tenant}: position {position}"));
    }

    let receipts: i64 = sqlx::query_scalar("SELECT count(*) FROM receipts").fetch_one(&mut *connection).await?;
    findings.count(RECEIPTS, receipts);
    let astray: Vec<(Uuid, String, String)> = sqlx::query_as(
        "SELECT r.tenant_id, r.key_owner, r.idempotency_key FROM receipts r LEFT JOIN tenant_heads h ON h.tenant_id = r.tenant_id
         WHERE r.position < 0 OR r.position > coalesce(h.position, 0)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (tenant, owner, key) in astray {
        findings.fail(RECEIPTS, format!("{tenant}: {owner} {key}"));
    }

    let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM claims").fetch_one(&mut *connection).await?;
    findings.count(CLAIMS, claims);
    let orphans: Vec<(Uuid, String, Uuid)> = sqlx::query_as(
        "SELECT c.tenant_id, c.kind, c.aggregate_id FROM claims c
         WHERE NOT EXISTS (SELECT FROM events e WHERE e.tenant_id = c.tenant_id AND e.aggregate_type = c.aggregate_type
                           AND e.aggregate_id = c.aggregate_id AND e.sequence = 1)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (tenant, kind, id) in orphans {
        findings.fail(CLAIMS, format!("{tenant}: {kind} of {id}"));
    }
    Ok(())
}
