//! Reactions and deadlines: nothing put aside, nothing waiting, nothing overdue.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Context as _;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use uuid::Uuid;

use super::{Findings, PATIENCE};

const DEAD_LETTERS: &str = "no reaction was put aside";
const PARKED: &str = "no event waits behind one that was";
const OVERDUE: &str = "no deadline is overdue by more than a minute";
const CAUGHT_UP: &str = "reactions and deadlines have seen the whole log";

/// Subscriptions of the write database that money waits for.
const SUBSCRIPTIONS: &[&str] = &["reactor", "deadlines"];

pub(super) async fn check(pool: &Pool, tenants: &[(TenantId, i64)], findings: &mut Findings) -> anyhow::Result<()> {
    wait_for(pool, tenants, findings).await?;
    let mut connection = pool.acquire().await.context("cannot reach the write database")?;
    let connection = &mut *connection;

    let (letters, open): (i64, i64) = sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE resolved_at IS NULL) FROM dead_letters")
        .fetch_one(&mut *connection)
        .await?;
    findings.count(DEAD_LETTERS, letters);
    if open > 0 {
        let rows: Vec<(Uuid, Uuid, String, String)> = sqlx::query_as(
            "SELECT tenant_id, id, reaction || ' ' || step, reason::text FROM dead_letters WHERE resolved_at IS NULL ORDER BY created_at",
        )
        .fetch_all(&mut *connection)
        .await?;
        for (tenant, id, step, reason) in rows {
            findings.fail(DEAD_LETTERS, format!("{tenant}: {id} {step} {reason}"));
        }
    }

    findings.count(PARKED, 0);
    let parked: Vec<(Uuid, String, i64)> =
        sqlx::query_as("SELECT tenant_id, reaction, position FROM parked_events ORDER BY tenant_id, position")
            .fetch_all(&mut *connection)
            .await?;
    for (tenant, reaction, position) in parked {
        findings.fail(PARKED, format!("{tenant}: position {position} for {reaction}"));
    }

    let deadlines: i64 = sqlx::query_scalar("SELECT count(*) FROM deadlines").fetch_one(&mut *connection).await?;
    findings.count(OVERDUE, deadlines);
    let overdue: Vec<(Uuid, String, Uuid, String)> = sqlx::query_as(
        "SELECT tenant_id, aggregate_type, aggregate_id, key FROM deadlines WHERE due_at < clock_timestamp() - interval '1 minute' ORDER BY due_at",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (tenant, kind, id, key) in overdue {
        findings.fail(OVERDUE, format!("{tenant}: {kind} {id} {key}"));
    }
    Ok(())
}

async fn wait_for(pool: &Pool, tenants: &[(TenantId, i64)], findings: &mut Findings) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let mut connection = pool.acquire().await.context("cannot reach the write database")?;
        let rows: Vec<(Uuid, String, i64)> = sqlx::query_as("SELECT tenant_id, subscription, position FROM subscription_checkpoints")
            .fetch_all(&mut *connection)
            .await
            .context("cannot read the checkpoints")?;
        drop(connection);
        let positions: HashMap<(Uuid, String), i64> = rows.into_iter().map(|(tenant, name, position)| ((tenant, name), position)).collect();
        let at = |tenant: TenantId, name: &str| positions.get(&(tenant.uuid(), name.to_owned())).copied().unwrap_or_default();
        let behind = tenants.iter().any(|&(tenant, head)| SUBSCRIPTIONS.iter().any(|name| at(tenant, name) < head));
        if behind && started.elapsed() < PATIENCE {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            continue;
        }
        for &(tenant, head) in tenants {
            for name in SUBSCRIPTIONS {
                findings
                    .expect(CAUGHT_UP, at(tenant, name) >= head, || format!("{tenant}: {name} stands at {} of {head}", at(tenant, name)));
            }
        }
        return Ok(());
    }
}
