//! Who works for which tenants, when several processes run the same subscription (protocols 6.3).
//!
//! Tenants fall into 16 partitions; each has one owner per subscription, for a few seconds at a time. Leases only save work:
//! two owners for a moment harm nothing, because checkpoints and keys are the fence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{EventLog, LogError};

const PARTITIONS: i32 = 16;
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// A killed process is missed for this long.
const LASTS_S: f64 = 3.0;

/// The partitions that this process works for, as bits.
#[derive(Debug, Clone)]
pub(super) struct Share(Arc<AtomicU32>);

impl Share {
    pub(super) fn everything() -> Self {
        Self(Arc::new(AtomicU32::new(u32::MAX)))
    }

    fn nothing() -> Self {
        Self(Arc::new(AtomicU32::new(0)))
    }

    pub(super) fn has(&self, tenant_id: TenantId) -> bool {
        // Ids are random in their last bytes, whatever their version.
        let partition = u32::from(tenant_id.uuid().as_bytes()[15]) % PARTITIONS.unsigned_abs();
        self.0.load(Ordering::Relaxed) & (1 << partition) != 0
    }
}

/// Renews what is held, takes what is free, and takes from whoever has more than a fair share.
const RENEW: &str = "
WITH others AS (
    SELECT holder, count(*) AS held FROM leases WHERE subscription = $1 AND holder <> $2 AND expires_at > now() GROUP BY holder
), fair AS (
    SELECT ceil($3::numeric / (1 + (SELECT count(*) FROM others)))::bigint AS share
), mine AS (
    SELECT partition FROM leases WHERE subscription = $1 AND holder = $2
), candidates AS (
    SELECT p.partition, l.holder IS NOT NULL AS of_another
    FROM generate_series(0, $3 - 1) AS p (partition)
    LEFT JOIN leases l ON l.subscription = $1 AND l.partition = p.partition AND l.expires_at > now() AND l.holder <> $2
    WHERE p.partition NOT IN (SELECT partition FROM mine)
      AND (l.holder IS NULL OR (SELECT held FROM others WHERE others.holder = l.holder) > (SELECT share FROM fair))
    ORDER BY 2, p.partition
    LIMIT greatest((SELECT share FROM fair) - (SELECT count(*) FROM mine), 0)
)
INSERT INTO leases AS l (subscription, partition, holder, expires_at)
SELECT $1, partition, $2, now() + make_interval(secs => $4) FROM (SELECT partition FROM mine UNION SELECT partition FROM candidates) AS wanted
ORDER BY partition
ON CONFLICT (subscription, partition) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
RETURNING partition";

/// Starts to keep a share of `subscription` for this process; it is given back at the end.
pub(super) fn keep(log: EventLog, subscription: String, shutdown: CancellationToken) -> (Share, impl Future<Output = ()>) {
    let share = Share::nothing();
    let kept = share.clone();
    let work = async move {
        let holder = Uuid::new_v4();
        loop {
            match renew(&log, &subscription, holder).await {
                Ok(partitions) => kept.0.store(partitions, Ordering::Relaxed),
                // Whoever cannot reach the database can do no work either.
                Err(error) => tracing::debug!(subscription, error = &error as &dyn std::error::Error, "leases were not renewed"),
            }
            tokio::select! {
                () = tokio::time::sleep(RENEW_EVERY) => {}
                () = shutdown.cancelled() => break,
            }
        }
        if let Err(error) = give_back(&log, &subscription, holder).await {
            tracing::debug!(subscription, error = &error as &dyn std::error::Error, "leases were not given back; they expire");
        }
    };
    (share, work)
}

async fn renew(log: &EventLog, subscription: &str, holder: Uuid) -> Result<u32, LogError> {
    let partitions: Vec<i32> = sqlx::query_scalar(RENEW)
        .bind(subscription)
        .bind(holder)
        .bind(PARTITIONS)
        .bind(LASTS_S)
        .fetch_all(&mut *log.pool.acquire().await?)
        .await?;
    Ok(partitions.into_iter().fold(0, |bits, partition| bits | 1 << partition))
}

async fn give_back(log: &EventLog, subscription: &str, holder: Uuid) -> Result<(), LogError> {
    sqlx::query("DELETE FROM leases WHERE subscription = $1 AND holder = $2")
        .bind(subscription)
        .bind(holder)
        .execute(&mut *log.pool.acquire().await?)
        .await?;
    Ok(())
}
