//! Waiting until a read model shows one's own write (`X-Min-Position`, protocols 7).
//!
//! All waiters of a process wait in memory on one watcher, which listens to the projectors' notifications and, every
//! second and whenever somebody new waits, asks for the checkpoints of the tenants that are waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What projectors notify on: `<tenant> <projection>,<projection> <position>`, once per committed batch.
pub const CHANNEL: &str = "holdfast_read";

/// Positions that are kept. Of tenants that nobody waits for they are all forgotten when there are more: whoever asks waits for the
/// next look.
const KEPT: usize = 200_000;

/// How far the read models have come, as far as anybody has asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Positions {
    shared: Arc<Shared>,
}

/// The command was accepted and is not visible yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the read model has reached position {position}, not yet {wanted}")]
pub struct Behind {
    pub wanted: i64,
    pub position: i64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Asks the watcher to look now.
    look: Notify,
    /// Bounds how many wait.
    places: Semaphore,
    /// Positions that are kept.
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    positions: HashMap<(TenantId, String), i64>,
    waiting: HashMap<TenantId, Waiters>,
}

/// Those who wait for one tenant.
#[derive(Debug, Default)]
struct Waiters {
    count: usize,
    /// Woken whenever some position of the tenant has moved.
    moved: Arc<Notify>,
}

impl Positions {
    /// `pool`: the read database as `holdfast_reader`. `listen_url`: the same, for the one listening session; without
    /// it the sweep alone finds out. At most `max_waiting` requests wait at the same time.
    #[must_use]
    pub fn start(pool: Pool, listen_url: Option<String>, max_waiting: usize, shutdown: CancellationToken) -> Self {
        let positions = Self::keeping(KEPT, max_waiting);
        tokio::spawn(positions.clone().watch(pool, shutdown.clone()));
        if let Some(url) = listen_url {
            tokio::spawn(positions.clone().listen(url, shutdown));
        }
        positions
    }

    fn keeping(most: usize, max_waiting: usize) -> Self {
        let shared = Shared { state: Mutex::default(), look: Notify::new(), places: Semaphore::new(max_waiting), most };
        Self { shared: Arc::new(shared) }
    }

    /// Answers with the least position of `projections` as soon as it is at least `min_position`.
    ///
    /// # Errors
    /// `Behind` when that takes longer than `timeout` or too many wait already.
    pub async fn wait_for(&self, projections: &[&str], tenant_id: TenantId, min_position: i64, timeout: Duration) -> Result<i64, Behind> {
        let least = || self.least(projections, tenant_id);
        if least() >= min_position {
            return Ok(least());
        }
        let behind = |position| Behind { wanted: min_position, position };
        let Ok(_place) = self.shared.places.try_acquire() else { return Err(behind(least())) };
        tokio::time::timeout(timeout, self.reached(projections, tenant_id, min_position)).await.map_err(|_| behind(least()))
    }

    /// Answers with the least position of `projections` as soon as it is at least `min_position`, however long that takes. For
    /// callers who bound themselves how many of them there are.
    pub async fn reached(&self, projections: &[&str], tenant_id: TenantId, min_position: i64) -> i64 {
        let waiting = Waiting::new(self, tenant_id);
        loop {
            let moved = waiting.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable(); // before looking, so that no move is missed
            let position = self.least(projections, tenant_id);
            if position >= min_position {
                return position;
            }
            moved.await;
        }
    }

    fn least(&self, projections: &[&str], tenant_id: TenantId) -> i64 {
        let state = self.state();
        let position = |projection: &&str| state.positions.get(&(tenant_id, (*projection).to_owned())).copied().unwrap_or_default();
        projections.iter().map(position).min().unwrap_or_default()
    }

    async fn watch(self, pool: Pool, shutdown: CancellationToken) {
        let mut sweep = tokio::time::interval(Duration::from_secs(1));
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = sweep.tick() => {}
                () = self.shared.look.notified() => {}
            }
            let waited_for: Vec<TenantId> = self.state().waiting.keys().copied().collect();
            for tenant_id in waited_for {
                match checkpoints(&pool, tenant_id).await {
                    Ok(rows) => self.learn(rows.into_iter().map(|(projection, position)| (tenant_id, projection, position))),
                    Err(error) => tracing::warn!(%error, "checkpoints cannot be read"),
                }
            }
        }
    }

    async fn listen(self, url: String, shutdown: CancellationToken) {
        let listening = async {
            loop {
                if let Err(error) = self.take_notifications(&url).await {
                    tracing::warn!(%error, "notifications of read models are not coming; looking every second instead");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = listening => {}
        }
    }

    async fn take_notifications(&self, url: &str) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // None: the session was lost and something may have been missed; the sweep finds it.
            if let Some(notification) = listener.try_recv().await? {
                self.learn(parse(notification.payload()));
            }
        }
    }

    fn learn(&self, news: impl IntoIterator<Item = (TenantId, String, i64)>) {
        let mut state = self.state();
        for (tenant_id, projection, position) in news {
            let known = state.positions.entry((tenant_id, projection)).or_default();
            *known = position.max(*known);
            if let Some(waiters) = state.waiting.get(&tenant_id) {
                waiters.moved.notify_waiters();
            }
        }
        let State { positions, waiting } = &mut *state;
        if positions.len() > self.shared.most {
            positions.retain(|(tenant_id, _), _| waiting.contains_key(tenant_id));
        }
        show("holdfast_positions_known", positions.len());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one waiter for as long as it lives.
struct Waiting<'a> {
    positions: &'a Positions,
    tenant_id: TenantId,
    moved: Arc<Notify>,
}

impl<'a> Waiting<'a> {
    fn new(positions: &'a Positions, tenant_id: TenantId) -> Self {
        let mut state = positions.state();
        let waiters = state.waiting.entry(tenant_id).or_default();
        waiters.count += 1;
        let moved = Arc::clone(&waiters.moved);
        state.show();
        drop(state);
        positions.shared.look.notify_one();
        Self { positions, tenant_id, moved }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.positions.state();
        if let Some(waiters) = state.waiting.get_mut(&self.tenant_id) {
            waiters.count -= 1;
            if waiters.count == 0 {
                state.waiting.remove(&self.tenant_id);
            }
        }
        state.show();
    }
}

impl State {
    fn show(&self) {
        show("holdfast_position_waiters", self.waiting.values().map(|waiters| waiters.count).sum());
    }
}

fn show(gauge: &'static str, count: usize) {
    metrics::gauge!(gauge).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

/// How far each projection has come for the tenant; those that have not begun are missing.
///
/// # Errors
/// When the read database does not answer.
pub async fn checkpoints(pool: &Pool, tenant_id: TenantId) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let mut tx = pool.begin_tenant_read(tenant_id).await?;
    let rows = sqlx::query_as("SELECT projection, position FROM projection_checkpoints WHERE tenant_id = $1")
        .bind(tenant_id.uuid())
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(rows)
}

/// Nothing where it is not one of ours.
fn parse(payload: &str) -> Vec<(TenantId, String, i64)> {
    let read = || {
        let mut words = payload.split(' ');
        let tenant_id = TenantId(words.next()?.parse::<Uuid>().ok()?);
        let projections = words.next()?.split(',');
        let position = words.next()?.parse().ok()?;
        Some(projections.map(|projection| (tenant_id, projection.to_owned(), position)).collect())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        TenantId(Uuid::from_u128(7))
    }

    fn positions(max_waiting: usize) -> Positions {
        Positions::keeping(KEPT, max_waiting)
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_when_the_slowest_projection_arrives() {
        let positions = positions(2);
        let waiter = tokio::spawn({
            let positions = positions.clone();
            async move { positions.wait_for(&["a", "b"], tenant(), 5, Duration::from_secs(5)).await }
        });
        tokio::task::yield_now().await;
        positions.learn(parse(&format!("{} a 9", tenant())));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiter.is_finished());
        positions.learn([(tenant(), "b".to_owned(), 6)]);
        assert_eq!(waiter.await.unwrap(), Ok(6));
        assert!(positions.state().waiting.is_empty());
    }

    #[tokio::test]
    async fn too_many_positions_are_forgotten_but_not_those_that_are_waited_for() {
        let positions = Positions::keeping(3, 1);
        let waiting = Waiting::new(&positions, tenant());
        positions.learn([(tenant(), "a".to_owned(), 1)]);
        positions.learn((0..4).map(|other| (TenantId(Uuid::from_u128(other)), "b".to_owned(), 1)));
        assert_eq!(positions.state().positions.keys().map(|(tenant_id, _)| *tenant_id).collect::<Vec<_>>(), [tenant()]);
        drop(waiting);
        positions.learn((0..4).map(|other| (TenantId(Uuid::from_u128(other)), "b".to_owned(), 1)));
        assert!(positions.state().positions.len() <= 3);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_time_and_is_bounded() {
        let short = Duration::from_millis(10);
        assert_eq!(positions(1).wait_for(&["a"], tenant(), 5, short).await, Err(Behind { wanted: 5, position: 0 }));
        let full = positions(0);
        assert_eq!(full.wait_for(&["a"], tenant(), 5, Duration::from_secs(60)).await, Err(Behind { wanted: 5, position: 0 }));
        assert_eq!(full.wait_for(&["a"], tenant(), 0, short).await, Ok(0));
    }
}
