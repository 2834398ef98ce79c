//! Keeps the deadlines table: what the last event of each stream said.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::subscription::{ConsumeError, Consumer, FeedEvent};
use uuid::Uuid;

use crate::reaction::{lock_checkpoint, move_checkpoint, pass};

const SUBSCRIPTION: &str = "deadlines";

/// The consumer behind the deadlines table.
pub struct DeadlineTracker {
    pool: Pool,
    checkpoints: EventLog,
}

/// One row's key within the tenant.
type Row = (&'static str, Uuid, String);

impl DeadlineTracker {
    /// `pool`: the role `reactor`.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { checkpoints: EventLog::new(pool.clone()), pool }
    }

    async fn consume_batch(&self, tenant_id: TenantId, after: i64, events: &[Arc<FeedEvent>]) -> Result<(), ConsumeError> {
        let mut rows = BTreeMap::<Row, Option<DateTime<Utc>>>::new();
        let mut last = after;
        for event in events {
            let recorded = event.recorded().map_err(|error| ConsumeError::Failed(error.to_string().into()))?;
            for change in recorded.event.deadline_changes() {
                rows.insert((recorded.origin.aggregate_type, recorded.origin.aggregate_id, change.key), change.at);
            }
            last = recorded.position;
        }
        if rows.is_empty() {
            return pass(&self.pool, &self.checkpoints, SUBSCRIPTION, tenant_id, after, last).await;
        }
        let mut tx = self.pool.begin().await?;
        lock_checkpoint(&mut tx, SUBSCRIPTION, tenant_id, after).await?;
        let (set, closed): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, at)| at.is_some());
        if !closed.is_empty() {
            close(&mut tx, tenant_id, &closed).await?;
        }
        if !set.is_empty() {
            keep(&mut tx, tenant_id, &set, last).await?;
        }
        move_checkpoint(&mut tx, SUBSCRIPTION, tenant_id, last).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn close(tx: &mut Tx, tenant_id: TenantId, rows: &[(Row, Option<DateTime<Utc>>)]) -> Result<(), sqlx::Error> {
    if let Some(port) = tx.port() {
        return port.close_deadlines(tenant_id, rows.iter().map(|(row, _)| row.clone()).collect()).await;
    }
    let (types, ids, keys) = columns(rows);
    sqlx::query(
        "DELETE FROM deadlines d USING unnest($2::text[], $3::uuid[], $4::text[]) AS c(aggregate_type, aggregate_id, key)
         WHERE d.tenant_id = $1 AND d.aggregate_type = c.aggregate_type AND d.aggregate_id = c.aggregate_id AND d.key = c.key",
    )
    .bind(tenant_id.uuid())
    .bind(types)
    .bind(ids)
    .bind(keys)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn keep(tx: &mut Tx, tenant_id: TenantId, rows: &[(Row, Option<DateTime<Utc>>)], last: i64) -> Result<(), sqlx::Error> {
    if let Some(port) = tx.port() {
        let rows = rows.iter().filter_map(|(row, at)| Some((row.clone(), (*at)?))).collect();
        return port.set_deadlines(tenant_id, rows).await;
    }
    let (types, ids, keys) = columns(rows);
    let at: Vec<_> = rows.iter().map(|(_, at)| *at).collect();
    sqlx::query(
        "INSERT INTO deadlines AS d (tenant_id, aggregate_type, aggregate_id, key, due_at, position)
         SELECT $1, n.aggregate_type, n.aggregate_id, n.key, n.due_at, $6
         FROM unnest($2::text[], $3::uuid[], $4::text[], $5::timestamptz[]) AS n(aggregate_type, aggregate_id, key, due_at)
         ON CONFLICT (tenant_id, aggregate_type, aggregate_id, key)
         DO UPDATE SET due_at = excluded.due_at, position = excluded.position, claimed_until = NULL, attempts = 0
         WHERE d.due_at <> excluded.due_at",
    )
    .bind(tenant_id.uuid())
    .bind(types)
    .bind(ids)
    .bind(keys)
    .bind(at)
    .bind(last)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn columns(rows: &[(Row, Option<DateTime<Utc>>)]) -> (Vec<&'static str>, Vec<Uuid>, Vec<String>) {
    let types = rows.iter().map(|((aggregate_type, _, _), _)| *aggregate_type).collect();
    let ids = rows.iter().map(|((_, id, _), _)| *id).collect();
    let keys = rows.iter().map(|((_, _, key), _)| key.clone()).collect();
    (types, ids, keys)
}

impl Consumer for DeadlineTracker {
    fn name(&self) -> &str {
        SUBSCRIPTION
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        async { Ok(self.checkpoints.checkpoints(SUBSCRIPTION).await?) }.boxed()
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        self.consume_batch(tenant_id, after, events).boxed()
    }

    /// Deadlines are seconds away at least.
    fn pace(&self) -> Duration {
        Duration::from_millis(50)
    }
}
