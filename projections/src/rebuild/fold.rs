//! The log into the shadow side: several tenants at once, each event counted, no gap passed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::subscription::{ConsumeError, Consumer as _, FeedEvent};
use holdfast_eventlog::{EventLog, StoredEvent};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::rebuild::RebuildError;
use crate::runtime::Projector;

/// Events per transaction. Rows that several of them touch are written once; some kilobytes each, twice per tenant at work.
const PAGE: i64 = 2_000;
const TENANTS_AT_ONCE: usize = 3;
/// A database or a key store that is away is waited for about this often, a second each.
const PATIENCE: u32 = 30;

/// How far a run has come; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicI64,
    total: AtomicI64,
}

impl Progress {
    /// Events folded, and how many there are as far as is known.
    #[must_use]
    pub fn events(&self) -> (i64, i64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    pub(super) fn expect(&self, events: i64) {
        self.total.fetch_add(events, Ordering::Relaxed);
    }
}

/// What folds into the shadow side. Cheap to clone.
#[derive(Clone)]
pub(super) struct Folder {
    pub(super) projector: Arc<Projector>,
    pub(super) shadow: Pool,
    pub(super) log: EventLog,
    pub(super) progress: Arc<Progress>,
}

impl Folder {
    /// Takes every tenant to its position; those that are there already stay.
    pub(super) async fn fold_all(&self, targets: Vec<(TenantId, i64)>) -> Result<(), RebuildError> {
        self.log_reaches(&targets).await?;
        let mut waiting = targets.into_iter();
        let mut working = JoinSet::new();
        loop {
            while working.len() < TENANTS_AT_ONCE {
                let Some((tenant_id, to)) = waiting.next() else { break };
                let folder = self.clone();
                working.spawn(async move { folder.fold(tenant_id, to).await });
            }
            let Some(done) = working.join_next().await else { return Ok(()) };
            done??;
        }
    }

    /// No side may stand where the log has no event.
    pub(super) async fn log_reaches(&self, targets: &[(TenantId, i64)]) -> Result<(), RebuildError> {
        let heads = self.log.heads().await?;
        for (tenant_id, to) in targets {
            let head = heads.get(tenant_id).map_or(0, |(head, _)| *head);
            if *to > head {
                return Err(RebuildError::Gap { tenant_id: *tenant_id, position: head + 1 });
            }
        }
        Ok(())
    }

    /// Takes the tenant to `to`, event by event; a position that is missing in the log ends it.
    pub(super) async fn fold(&self, tenant_id: TenantId, to: i64) -> Result<(), RebuildError> {
        let mut failures = 0;
        let mut ahead: Option<(i64, Vec<StoredEvent>)> = None;
        loop {
            let at = self.position(tenant_id).await?;
            if at >= to {
                return Ok(());
            }
            let page = match ahead.take() {
                Some((after, page)) if after == at => page,
                Some(_) | None => self.log.read(tenant_id, at, PAGE.min(to - at)).await?,
            };
            let mut expected = at;
            for event in &page {
                expected += 1;
                if event.position != expected {
                    return Err(RebuildError::Gap { tenant_id, position: expected });
                }
            }
            if page.is_empty() {
                return Err(RebuildError::Gap { tenant_id, position: at + 1 });
            }
            let events: Vec<Arc<FeedEvent>> = page.into_iter().map(|event| Arc::new(FeedEvent::new(event))).collect();
            // While this page is written the next one is read.
            let next = async { if expected < to { Some(self.log.read(tenant_id, expected, PAGE.min(to - expected)).await) } else { None } };
            let (taken, next) = tokio::join!(self.projector.consume(tenant_id, at, &events), next);
            match taken {
                Ok(()) => {
                    failures = 0;
                    ahead = next.transpose()?.map(|page| (expected, page));
                    self.progress.done.fetch_add(expected - at, Ordering::Relaxed);
                }
                Err(ConsumeError::Moved) => {
                    if let Some(position) = self.stopped_at(tenant_id).await? {
                        return Err(RebuildError::DoesNotFit { tenant_id, position });
                    }
                    let now = self.position(tenant_id).await?;
                    if now <= at {
                        return Err(RebuildError::LockLost);
                    }
                    self.progress.done.fetch_add(now - at, Ordering::Relaxed);
                }
                Err(ConsumeError::Failed(_)) if failures < PATIENCE => {
                    failures += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(ConsumeError::Failed(error)) => return Err(RebuildError::Fold(error)),
            }
        }
    }

    /// Where the shadow side stands.
    pub(super) async fn position(&self, tenant_id: TenantId) -> Result<i64, RebuildError> {
        let mut connection = self.shadow.acquire().await?;
        let position: Option<i64> =
            sqlx::query_scalar("SELECT position FROM projection_checkpoints WHERE tenant_id = $1 AND projection = $2")
                .bind(tenant_id.uuid())
                .bind(self.projector.projection().name())
                .fetch_optional(&mut *connection)
                .await?;
        Ok(position.unwrap_or_default())
    }

    async fn stopped_at(&self, tenant_id: TenantId) -> Result<Option<i64>, RebuildError> {
        let mut connection = self.shadow.acquire().await?;
        Ok(sqlx::query_scalar("SELECT position FROM projection_failures WHERE tenant_id = $1 AND projection = $2")
            .bind(tenant_id.uuid())
            .bind(self.projector.projection().name())
            .fetch_optional(&mut *connection)
            .await?)
    }
}

/// Where the side that is read stands: every tenant of the projection, or one; those without a row are missing.
pub(super) async fn live_positions(
    connection: &mut sqlx::PgConnection,
    projection: &str,
    tenant: Option<TenantId>,
    lock: bool,
) -> Result<Vec<(TenantId, i64)>, sqlx::Error> {
    let lock = if lock { " FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT tenant_id, position FROM public.projection_checkpoints
         WHERE projection = $1 AND ($2::uuid IS NULL OR tenant_id = $2) ORDER BY tenant_id{lock}"
    );
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(&sql).bind(projection).bind(tenant.map(TenantId::uuid)).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(tenant, position)| (TenantId(tenant), position)).collect())
}
