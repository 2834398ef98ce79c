//! Waiting until nothing moves any more.

use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::PgPool;
use uuid::Uuid;

use super::World;
use super::files::{READ, WRITE};

const STILL_FOR: Duration = Duration::from_secs(3);

type Places = Vec<(Uuid, String, i64)>;

impl World {
    /// Returns when no log has grown for three seconds and every checkpoint of every subscription stands at its head.
    ///
    /// # Errors
    /// When that does not happen within `patience`; the message names who is behind.
    pub async fn quiesce(&mut self, patience: Duration) -> anyhow::Result<()> {
        let (log, read) = (self.postgres.pool(WRITE).await?, self.postgres.pool(READ).await?);
        let begun = Instant::now();
        let (mut last, mut since) = (Vec::new(), Instant::now());
        loop {
            self.pass(Duration::from_millis(250)).await?;
            let heads = heads(&log).await?;
            let mut behind = behind(&log, &read, &heads).await?;
            behind.extend(due_soon(&log).await?);
            if heads != last || !behind.is_empty() {
                since = Instant::now();
            }
            last = heads;
            if since.elapsed() >= STILL_FOR {
                return Ok(());
            }
            ensure!(begun.elapsed() < patience, "not quiet within {} s; heads {last:?}, behind {behind:?}", patience.as_secs());
        }
    }
}

async fn heads(log: &PgPool) -> anyhow::Result<Vec<(Uuid, i64)>> {
    Ok(sqlx::query_as("SELECT tenant_id, position FROM tenant_heads WHERE position > 0 ORDER BY 1").fetch_all(log).await?)
}

/// Deadlines that are about to move something.
async fn due_soon(log: &PgPool) -> anyhow::Result<Places> {
    let sql = "SELECT tenant_id, aggregate_type || ' ' || key || ' of ' || aggregate_id, attempts::bigint FROM deadlines
               WHERE due_at < now() + interval '15 seconds' ORDER BY due_at LIMIT 5";
    Ok(sqlx::query_as(sql).fetch_all(log).await?)
}

async fn behind(log: &PgPool, read: &PgPool, heads: &[(Uuid, i64)]) -> anyhow::Result<Places> {
    let mut places: Places =
        sqlx::query_as("SELECT tenant_id, subscription, position FROM subscription_checkpoints").fetch_all(log).await?;
    places.extend(
        sqlx::query_as::<_, (Uuid, String, i64)>("SELECT tenant_id, projection, position FROM projection_checkpoints")
            .fetch_all(read)
            .await?,
    );
    let mut subscriptions: Vec<String> = places.iter().map(|(_, name, _)| name.clone()).collect();
    subscriptions.sort();
    subscriptions.dedup();
    let mut behind = Vec::new();
    for (tenant, head) in heads {
        for subscription in &subscriptions {
            let at = places.iter().find(|(other, name, _)| other == tenant && name == subscription).map_or(0, |(_, _, at)| *at);
            if at < *head {
                behind.push((*tenant, subscription.clone(), at));
            }
        }
    }
    Ok(behind)
}
