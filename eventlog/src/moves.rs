//! Checkpoints that are moved together: those that come while a statement is under way go with the next one, whatever tenant and
//! subscription they are of. Tenants of one subscription are served at the same ticks, and most batches leave nothing else to store.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use holdfast_domain::kernel::TenantId;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::db::Pool;

/// In the order in which rows are locked.
type Key = (TenantId, String);

/// The moves that nobody has sent yet, of one pool.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    waiting: Mutex<BTreeMap<Key, Move>>,
    sending: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Move {
    from: i64,
    to: i64,
    moved: oneshot::Sender<Result<bool, sqlx::Error>>,
}

impl Moves {
    /// False: the checkpoint was not at `from`, and stays.
    pub(crate) async fn make(&self, pool: &Pool, subscription: &str, tenant_id: TenantId, from: i64, to: i64) -> Result<bool, sqlx::Error> {
        let (moved, answer) = oneshot::channel();
        self.waiting().insert((tenant_id, subscription.to_owned()), Move { from, to, moved });
        {
            // Whoever comes first sends what has come meanwhile, for all.
            let _turn = self.sending.lock().await;
            let all = std::mem::take(&mut *self.waiting());
            send(pool, all).await;
        }
        answer.await.map_err(|_| sqlx::Error::WorkerCrashed)? // whoever sent it has been stopped
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Move>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send(pool: &Pool, moves: BTreeMap<Key, Move>) {
    if moves.is_empty() {
        return;
    }
    match store(pool, &moves).await {
        Ok(moved) => {
            for (key, Move { moved: answer, .. }) in moves {
                let _ = answer.send(Ok(moved.contains(&key)));
            }
        }
        Err(_) if moves.len() > 1 => {
            // One that somebody holds back holds nobody else back.
            for (key, wanted) in moves {
                Box::pin(send(pool, BTreeMap::from([(key, wanted)]))).await;
            }
        }
        Err(error) => {
            if let Some(wanted) = moves.into_values().next() {
                let _ = wanted.moved.send(Err(error));
            }
        }
    }
}

async fn store(pool: &Pool, moves: &BTreeMap<Key, Move>) -> Result<HashSet<Key>, sqlx::Error> {
    let (tenants, subscriptions): (Vec<Uuid>, Vec<&str>) = moves.keys().map(|(tenant_id, name)| (tenant_id.uuid(), name.as_str())).unzip();
    let (from, to): (Vec<i64>, Vec<i64>) = moves.values().map(|wanted| (wanted.from, wanted.to)).unzip();
    let mut connection = pool.acquire().await?;
    let moved: Vec<(Uuid, String)> = sqlx::query_as(
        "WITH m AS MATERIALIZED (
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS m (tenant_id, subscription, before, after)
         )
         INSERT INTO subscription_checkpoints AS c (tenant_id, subscription, position)
         SELECT tenant_id, subscription, after FROM m ORDER BY tenant_id, subscription COLLATE \"C\"
         ON CONFLICT (tenant_id, subscription) DO UPDATE SET position = excluded.position
         WHERE c.position = (SELECT m.before FROM m WHERE m.tenant_id = c.tenant_id AND m.subscription = c.subscription)
         RETURNING c.tenant_id, c.subscription",
    )
    .bind(tenants)
    .bind(subscriptions)
    .bind(from)
    .bind(to)
    .fetch_all(&mut *connection)
    .await?;
    connection.answered();
    Ok(moved.into_iter().map(|(tenant_id, subscription)| (TenantId(tenant_id), subscription)).collect())
}
