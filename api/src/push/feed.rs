//! Pages of a tenant's events. Streams that keep up ask for the same page at the same time: it is read once and kept for a moment.
//! Who comes back after a while reads its own pages, until it has caught up.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use holdfast_projections::all_projections;
use holdfast_projections::positions::Positions;
use holdfast_projections::push::{FeedEvent, feed};
use holdfast_projections::query::QueryError;
use lru::LruCache;
use tokio::sync::Semaphore;

/// Tenants whose last pages are kept.
const TENANTS: NonZeroUsize = match NonZeroUsize::new(128) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};
/// Pages kept of each.
const PAGES: usize = 4;
/// Reads at the same time; the other connections are for queries.
const READS: usize = 4;
/// Before a replica is asked again that has not got what the notifications promised.
const PAUSE: Duration = Duration::from_millis(100);

/// The events after `after` up to `upto`, all of them.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) after: i64,
    pub(crate) upto: i64,
    pub(crate) events: Vec<FeedEvent>,
}

type Tail = VecDeque<Arc<EventPage>>;

pub(crate) struct Feed {
    pool: Pool,
    positions: Positions,
    /// All of them: whoever hears of an event finds it in every query.
    projections: Vec<&'static str>,
    tails: Mutex<LruCache<TenantId, Arc<tokio::sync::Mutex<Tail>>>>,
    reads: Semaphore,
}

impl Feed {
    pub(crate) fn new(pool: Pool, positions: Positions) -> Self {
        let projections = all_projections().iter().map(holdfast_projections::runtime::Projection::name).collect();
        Self { pool, positions, projections, tails: Mutex::new(LruCache::new(TENANTS)), reads: Semaphore::new(READS) }
    }

    /// The position that every projection has reached.
    pub(crate) async fn head(&self, tenant_id: TenantId) -> Result<i64, QueryError> {
        Ok(feed(&self.pool, tenant_id, &self.projections, i64::MAX).await?.position)
    }

    /// Returns when every projection has reached `position`.
    pub(crate) async fn reached(&self, tenant_id: TenantId, position: i64) {
        self.positions.reached(&self.projections, tenant_id, position).await;
    }

    /// What comes after `after`, as soon as there is something.
    pub(crate) async fn next(&self, tenant_id: TenantId, after: i64) -> Result<Arc<EventPage>, QueryError> {
        loop {
            self.reached(tenant_id, after + 1).await;
            let page = self.page(tenant_id, after).await?;
            if page.upto > after {
                return Ok(page);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn page(&self, tenant_id: TenantId, after: i64) -> Result<Arc<EventPage>, QueryError> {
        let tail = self.tail(tenant_id);
        let mut pages = tail.lock().await;
        if let Some(page) = pages.iter().find(|page| page.after <= after && after < page.upto) {
            return Ok(Arc::clone(page));
        }
        let newest = pages.back().map_or(after, |page| page.upto);
        if after < newest {
            drop(pages);
            return self.read(tenant_id, after).await;
        }
        // Whoever waits for the same page waits for the lock.
        let page = self.read(tenant_id, after).await?;
        if page.upto > after {
            if after > newest {
                pages.clear();
            }
            pages.push_back(Arc::clone(&page));
            if pages.len() > PAGES {
                pages.pop_front();
            }
        }
        Ok(page)
    }

    async fn read(&self, tenant_id: TenantId, after: i64) -> Result<Arc<EventPage>, QueryError> {
        let _turn = self.reads.acquire().await.map_err(|_| QueryError::Database(sqlx::Error::PoolClosed))?;
        let read = feed(&self.pool, tenant_id, &self.projections, after).await?;
        Ok(Arc::new(EventPage { after, upto: read.position, events: read.value }))
    }

    fn tail(&self, tenant_id: TenantId) -> Arc<tokio::sync::Mutex<Tail>> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = Arc::clone(tails.get_or_insert(tenant_id, Arc::default));
        metrics::gauge!("holdfast_stream_feeds").set(f64::from(u32::try_from(tails.len()).unwrap_or(u32::MAX)));
        tail
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("projections", &self.projections).finish_non_exhaustive()
    }
}
