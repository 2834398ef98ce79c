//! Checkpoints of subscriptions whose results are in the write database.

use std::collections::HashMap;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::subscription::ConsumeError;

pub(crate) async fn read_checkpoints(pool: &Pool, subscription: &str) -> Result<HashMap<TenantId, i64>, ConsumeError> {
    if let Some(port) = pool.port() {
        return Ok(port.checkpoints(subscription).await?);
    }
    let rows: Vec<(uuid::Uuid, i64)> = sqlx::query_as("SELECT tenant_id, position FROM subscription_checkpoints WHERE subscription = $1")
        .bind(subscription)
        .fetch_all(&mut *pool.acquire().await?)
        .await?;
    Ok(rows.into_iter().map(|(tenant_id, position)| (TenantId(tenant_id), position)).collect())
}

/// The first statement of every batch: whoever does not find the checkpoint at `after` gives the batch up.
pub(crate) async fn lock_checkpoint(tx: &mut Tx, subscription: &str, tenant_id: TenantId, after: i64) -> Result<(), ConsumeError> {
    let locked = "INSERT INTO subscription_checkpoints AS c (subscription, tenant_id, position) VALUES ($1, $2, 0)
                  ON CONFLICT (subscription, tenant_id) DO UPDATE SET position = c.position RETURNING position";
    let position: i64 = match tx.port() {
        Some(port) => port.lock_checkpoint(subscription, tenant_id).await?,
        None => sqlx::query_scalar(locked).bind(subscription).bind(tenant_id.uuid()).fetch_one(&mut **tx).await?,
    };
    if position == after { Ok(()) } else { Err(ConsumeError::Moved) }
}

pub(crate) async fn move_checkpoint(tx: &mut Tx, subscription: &str, tenant_id: TenantId, to: i64) -> Result<(), ConsumeError> {
    if let Some(port) = tx.port() {
        return Ok(port.move_checkpoint(subscription, tenant_id, to).await?);
    }
    sqlx::query("UPDATE subscription_checkpoints SET position = $3 WHERE subscription = $1 AND tenant_id = $2")
        .bind(subscription)
        .bind(tenant_id.uuid())
        .bind(to)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
