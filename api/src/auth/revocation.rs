//! Sessions whose tokens do not count any more (IDN-11, IDN-22; docs/domain/session.md): one set per tenant in memory, read again
//! every few seconds, so that no request asks the database by itself.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use holdfast_projections::query::QueryError;
use holdfast_projections::session::{MAX_REVOKED, RevokedSession, revoked_after};
use lru::LruCache;
use tokio::runtime::Handle;
use uuid::Uuid;

/// Tenants whose sets are kept; those that were not asked for longest go first.
const TENANTS: NonZeroUsize = match NonZeroUsize::new(1_024) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};
/// Revoked sessions of one tenant that are kept. Of a tenant that has more nobody is let in, until some may be forgotten: to leave
/// one out would let it in again.
const SESSIONS_OF_TENANT: usize = 100_000;
/// Of all tenants; sets that were not asked for longest go first.
const SESSIONS: usize = 400_000;
/// A database that takes longer counts as not answering.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// So long nobody tries again after that.
const PAUSE: Duration = Duration::from_secs(5);

/// How old what is known may be.
#[derive(Debug, Clone, Copy)]
pub struct RevocationPolicy {
    /// A set is read again when it is so old, behind the request that finds it so; when it is twice so old, before that request.
    pub refresh: Duration,
    /// While it cannot be read again, the last one counts for so long. Then nobody is let in.
    pub patience: Duration,
}

impl Default for RevocationPolicy {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(5), patience: Duration::from_secs(60) }
    }
}

/// Why a session is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    #[error("the session was revoked")]
    Revoked,
    #[error("whether the session was revoked cannot be found out")]
    Unknown,
}

/// Gives what was revoked after a position, oldest first.
type Source = Box<dyn Fn(TenantId, i64) -> BoxFuture<'static, Result<Vec<RevokedSession>, QueryError>> + Send + Sync>;

/// What a process knows about revoked sessions.
pub struct Revocations {
    source: Source,
    policy: RevocationPolicy,
    /// Where the database is asked: connections belong to one runtime.
    runtime: Handle,
    tenants: Mutex<LruCache<TenantId, Arc<Tenant>>>,
    most: Most,
}

/// Sessions that are kept.
#[derive(Debug, Clone, Copy)]
struct Most {
    of_tenant: usize,
    in_all: usize,
}

#[derive(Default)]
struct Tenant {
    known: Mutex<Known>,
    /// Whoever reads holds it.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    sessions: HashMap<Uuid, DateTime<Utc>>,
    /// Of the last revocation.
    position: i64,
    read_at: Option<Instant>,
    failed_at: Option<Instant>,
}

impl Revocations {
    /// Reads the read model as `holdfast_reader`. Must be called on the pool's runtime.
    #[must_use]
    pub fn stored(pool: Pool, policy: RevocationPolicy) -> Arc<Self> {
        Self::from_source(policy, Most::default(), move |tenant_id, position| {
            let pool = pool.clone();
            Box::pin(async move { Ok(revoked_after(&pool, tenant_id, position, Utc::now()).await?.value) })
        })
    }

    fn from_source(
        policy: RevocationPolicy,
        most: Most,
        source: impl Fn(TenantId, i64) -> BoxFuture<'static, Result<Vec<RevokedSession>, QueryError>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let tenants = Mutex::new(LruCache::new(TENANTS));
        Arc::new(Self { source: Box::new(source), policy, runtime: Handle::current(), tenants, most })
    }

    /// How often a long-lived connection should ask again.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.policy.refresh
    }

    /// # Errors
    /// `Revoked`, within twice the refresh interval after the read model shows it; `Unknown` when nothing that may be relied on is known.
    pub async fn check(self: &Arc<Self>, tenant_id: TenantId, session_id: Uuid) -> Result<(), Barred> {
        let tenant = self.tenant(tenant_id);
        match tenant.age() {
            Some(age) if age < self.policy.refresh => {}
            Some(age) if age < self.policy.refresh * 2 => {
                if let Ok(turn) = Arc::clone(&tenant.reading).try_lock_owned() {
                    self.spawn(tenant_id, &tenant, turn);
                }
            }
            Some(_) | None => {
                let turn = Arc::clone(&tenant.reading).lock_owned().await;
                // Somebody else may have read, or tried to, while this request waited.
                if tenant.age().is_none_or(|age| age >= self.policy.refresh) && !tenant.has_just_failed() {
                    self.spawn(tenant_id, &tenant, turn).await.ok();
                }
            }
        }
        tenant.answer(session_id, self.policy.patience, self.most.of_tenant)
    }

    fn tenant(&self, tenant_id: TenantId) -> Arc<Tenant> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.get_or_insert(tenant_id, Arc::default))
    }

    fn spawn(
        self: &Arc<Self>,
        tenant_id: TenantId,
        tenant: &Arc<Tenant>,
        turn: tokio::sync::OwnedMutexGuard<()>,
    ) -> tokio::task::JoinHandle<()> {
        let (this, tenant) = (Arc::clone(self), Arc::clone(tenant));
        self.runtime.spawn(async move {
            match tokio::time::timeout(READ_TIMEOUT, this.read(tenant_id, &tenant)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tenant.failed(&error),
                Err(elapsed) => tenant.failed(&elapsed),
            }
            this.forget_some();
            drop(turn);
        })
    }

    fn forget_some(&self) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |tenant: &Tenant| tenant.known().sessions.len();
        let mut sessions: usize = tenants.iter().map(|(_, tenant)| count(tenant)).sum();
        while sessions > self.most.in_all && tenants.len() > 1 {
            let Some((_, tenant)) = tenants.pop_lru() else { break };
            sessions -= count(&tenant).min(sessions);
        }
        metrics::gauge!("holdfast_revoked_sessions_known").set(f64::from(u32::try_from(sessions).unwrap_or(u32::MAX)));
    }

    async fn read(&self, tenant_id: TenantId, tenant: &Tenant) -> Result<(), QueryError> {
        loop {
            let begun = Instant::now();
            if tenant.has_too_many(self.most.of_tenant) {
                tracing::error!(%tenant_id, most = self.most.of_tenant, "too many revoked sessions: nobody of this tenant is let in");
                tenant.learn(Vec::new(), Some(begun));
                return Ok(());
            }
            let position = tenant.known().position;
            let more = (self.source)(tenant_id, position).await?;
            let whole = more.len() < MAX_REVOKED;
            tenant.learn(more, whole.then_some(begun));
            if whole {
                return Ok(());
            }
        }
    }
}

impl Tenant {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age(&self) -> Option<Duration> {
        self.known().read_at.map(|at| at.elapsed())
    }

    /// What may be forgotten does not count.
    fn has_too_many(&self, most: usize) -> bool {
        let mut known = self.known();
        let now = Utc::now();
        known.sessions.retain(|_, forget_at| *forget_at > now);
        known.sessions.len() > most
    }

    fn has_just_failed(&self) -> bool {
        self.known().failed_at.is_some_and(|at| at.elapsed() < PAUSE)
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(error, "revoked sessions cannot be read");
        self.known().failed_at = Some(Instant::now());
    }

    fn learn(&self, more: Vec<RevokedSession>, read_at: Option<Instant>) {
        let now = Utc::now();
        let mut known = self.known();
        known.sessions.retain(|_, forget_at| *forget_at > now);
        for session in more {
            known.position = known.position.max(session.position);
            known.sessions.insert(session.session_id, session.forget_at);
        }
        if read_at.is_some() {
            (known.read_at, known.failed_at) = (read_at, None);
        }
    }

    fn answer(&self, session_id: Uuid, patience: Duration, most: usize) -> Result<(), Barred> {
        let known = self.known();
        if known.sessions.contains_key(&session_id) {
            return Err(Barred::Revoked);
        }
        if known.sessions.len() > most {
            return Err(Barred::Unknown);
        }
        if known.read_at.is_some_and(|at| at.elapsed() < patience) { Ok(()) } else { Err(Barred::Unknown) }
    }
}

impl Default for Most {
    fn default() -> Self {
        Self { of_tenant: SESSIONS_OF_TENANT, in_all: SESSIONS }
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Revocations {
    /// Nobody was ever revoked.
    pub(crate) fn none() -> Arc<Self> {
        Self::from_source(RevocationPolicy::default(), Most::default(), |_, _| Box::pin(std::future::ready(Ok(Vec::new()))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use chrono::TimeDelta;

    use super::*;

    const REFRESH: Duration = Duration::from_millis(40);

    /// A read model of which the test says what is in it and whether it answers.
    #[derive(Default)]
    struct Store {
        revoked: Mutex<Vec<RevokedSession>>,
        broken: AtomicBool,
        reads: AtomicUsize,
    }

    impl Store {
        fn revoke(&self, session_id: Uuid, position: i64) {
            self.revoked.lock().unwrap().push(RevokedSession { session_id, position, forget_at: Utc::now() + TimeDelta::days(1) });
        }
    }

    fn known(store: &Arc<Store>, patience: Duration) -> Arc<Revocations> {
        bounded(store, patience, Most::default())
    }

    fn bounded(store: &Arc<Store>, patience: Duration, most: Most) -> Arc<Revocations> {
        let store = Arc::clone(store);
        Revocations::from_source(RevocationPolicy { refresh: REFRESH, patience }, most, move |_, after| {
            store.reads.fetch_add(1, Ordering::SeqCst);
            let rows = store.revoked.lock().unwrap().iter().filter(|row| row.position > after).copied().collect();
            let answer = if store.broken.load(Ordering::SeqCst) { Err(sqlx::Error::PoolTimedOut.into()) } else { Ok(rows) };
            Box::pin(std::future::ready(answer))
        })
    }

    fn tenant() -> TenantId {
        TenantId(Uuid::from_u128(1))
    }

    #[tokio::test]
    async fn a_revoked_session_is_refused_within_two_intervals_and_others_are_not() {
        // IDN-11
        let store = Arc::new(Store::default());
        let known = known(&store, Duration::from_secs(60));
        let (mine, other) = (Uuid::from_u128(2), Uuid::from_u128(3));
        assert_eq!(known.check(tenant(), mine).await, Ok(()));
        store.revoke(mine, 7);
        tokio::time::sleep(REFRESH * 2).await;
        assert_eq!(known.check(tenant(), mine).await, Err(Barred::Revoked));
        assert_eq!(known.check(tenant(), other).await, Ok(()));
        // Only what is new is read, and what was read is kept.
        store.revoked.lock().unwrap().clear();
        tokio::time::sleep(REFRESH * 2).await;
        assert_eq!(known.check(tenant(), mine).await, Err(Barred::Revoked));
    }

    #[tokio::test]
    async fn requests_do_not_ask_the_database_by_themselves() {
        let store = Arc::new(Store::default());
        let known = known(&store, Duration::from_secs(60));
        for session in 0..200 {
            assert_eq!(known.check(tenant(), Uuid::from_u128(session)).await, Ok(()));
        }
        assert!(store.reads.load(Ordering::SeqCst) < 20, "{:?}", store.reads);
    }

    #[tokio::test]
    async fn what_is_known_counts_for_a_while_when_the_read_model_is_away_and_then_nobody_comes_in() {
        let store = Arc::new(Store::default());
        let known = known(&store, REFRESH * 10);
        let (mine, revoked) = (Uuid::from_u128(2), Uuid::from_u128(3));
        store.revoke(revoked, 1);
        assert_eq!(known.check(tenant(), mine).await, Ok(()));
        store.broken.store(true, Ordering::SeqCst);
        tokio::time::sleep(REFRESH * 3).await;
        assert_eq!(known.check(tenant(), mine).await, Ok(()));
        assert_eq!(known.check(tenant(), revoked).await, Err(Barred::Revoked));
        tokio::time::sleep(REFRESH * 8).await;
        assert_eq!(known.check(tenant(), mine).await, Err(Barred::Unknown));
        assert_eq!(known.check(tenant(), revoked).await, Err(Barred::Revoked));
        // Somebody of whom nothing was ever known does not come in either.
        assert_eq!(known.check(TenantId(Uuid::from_u128(9)), mine).await, Err(Barred::Unknown));
    }

    #[tokio::test]
    async fn a_tenant_with_too_many_lets_nobody_in_and_others_do() {
        let store = Arc::new(Store::default());
        let known = bounded(&store, Duration::from_secs(60), Most { of_tenant: 2, in_all: 3 });
        let (mine, other) = (Uuid::from_u128(900), TenantId(Uuid::from_u128(8)));
        (1..=2).for_each(|id| store.revoke(Uuid::from_u128(id), id.try_into().unwrap()));
        assert_eq!(known.check(tenant(), mine).await, Ok(()));
        store.revoke(Uuid::from_u128(3), 3);
        tokio::time::sleep(REFRESH * 3).await;
        assert_eq!(known.check(tenant(), mine).await, Err(Barred::Unknown));
        assert_eq!(known.check(tenant(), Uuid::from_u128(1)).await, Err(Barred::Revoked));
        // Another tenant's set makes room for itself.
        store.revoked.lock().unwrap().truncate(1);
        assert_eq!(known.check(other, mine).await, Ok(()));
        let tenants = known.tenants.lock().unwrap();
        assert_eq!((tenants.len(), tenants.contains(&other)), (1, true));
    }

    #[tokio::test]
    async fn what_may_be_forgotten_is() {
        let tenant = Tenant::default();
        let rows = [(1, -1), (2, 1)].map(|(id, hours)| RevokedSession {
            session_id: Uuid::from_u128(id),
            position: 5,
            forget_at: Utc::now() + TimeDelta::hours(hours),
        });
        tenant.learn(rows.to_vec(), Some(Instant::now()));
        tenant.learn(Vec::new(), Some(Instant::now()));
        assert_eq!(tenant.known().sessions.len(), 1);
        assert_eq!(tenant.known().position, 5);
    }
}
