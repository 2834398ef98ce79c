//! Checkpoints of subscriptions whose results are in the write database.

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::subscription::ConsumeError;

/// For a batch that leaves nothing else to store.
pub(crate) async fn pass(
    pool: &Pool,
    checkpoints: &EventLog,
    subscription: &str,
    tenant_id: TenantId,
    after: i64,
    to: i64,
) -> Result<(), ConsumeError> {
    if pool.port().is_some() {
        // The stand-in waits for a row's lock in transactions only.
        let mut tx = pool.begin().await?;
        lock_checkpoint(&mut tx, subscription, tenant_id, after).await?;
        move_checkpoint(&mut tx, subscription, tenant_id, to).await?;
        return Ok(tx.commit().await?);
    }
    let moved = checkpoints.move_checkpoint(subscription, tenant_id, after, to).await?;
    if moved { Ok(()) } else { Err(ConsumeError::Moved) }
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
