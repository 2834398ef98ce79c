//! What tells consumers that there is more to consume. Each may fail or be late: the sweep finds what the others miss.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use holdfast_domain::kernel::TenantId;
use sqlx::postgres::PgListener;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::source::Source;
use crate::db::Pool;
use crate::fresh::Listening;
use crate::nats::{Feed, Nats};
use crate::port::Notifications;
use crate::{EventLog, LogError, retry};

/// Per tenant a position that exists.
pub(super) type Reached = Arc<BTreeMap<TenantId, i64>>;

#[derive(Debug, Clone)]
pub(super) enum Wake {
    Tenants(Reached),
    /// All tenants.
    Sweep(Reached),
}

#[derive(Clone)]
pub(super) struct Wakers(pub(super) Vec<Waker>);

#[derive(Clone)]
pub(super) struct Waker {
    pub(super) subscription: String,
    pub(super) wakes: mpsc::Sender<Wake>,
}

impl Wakers {
    /// A consumer that has too much to do misses this one; the sweep tells it again.
    fn wake(&self, wake: &Wake) {
        for Waker { subscription, wakes } in &self.0 {
            if wakes.try_send(wake.clone()).is_err() {
                metrics::counter!("holdfast_subscription_wakes_missed_total", "subscription" => subscription.clone()).increment(1);
            }
        }
    }
}

/// Messages that are taken at a time, before consumers hear of them.
const AT_A_TIME: usize = 1_024;

/// While messages arrive, notifications are only a second chance, and come late enough not to be the first.
const BEHIND_MESSAGES: Duration = Duration::from_millis(100);

pub(super) async fn on_fresh(mut fresh: Listening, source: Arc<Source>, wakers: Wakers, shutdown: CancellationToken) {
    loop {
        let mut next = tokio::select! {
            biased;
            events = fresh.next() => events,
            () = shutdown.cancelled() => return,
        };
        let (mut reached, mut taken) = (BTreeMap::new(), 0);
        while let Some(events) = next {
            source.appended(&events);
            reached.extend(events.iter().map(|event| (event.tenant_id, event.position)));
            taken += events.len();
            next = if taken < AT_A_TIME { fresh.next().now_or_never().flatten() } else { None };
        }
        if reached.is_empty() {
            return; // nobody appends any more
        }
        wakers.wake(&Wake::Tenants(Arc::new(reached)));
    }
}

pub(super) async fn on_messages(mut feed: Feed, source: Arc<Source>, wakers: Wakers, shutdown: CancellationToken) {
    let known = |tenant_id, position| source.has(tenant_id, position);
    loop {
        let mut next = tokio::select! {
            biased;
            event = feed.next(known) => Some(event),
            () = shutdown.cancelled() => return,
        };
        let (mut reached, mut taken) = (BTreeMap::new(), 0);
        while let Some(event) = next {
            let (tenant_id, position) = (event.tenant_id, event.position);
            if source.arrived(event) {
                let furthest = reached.entry(tenant_id).or_insert(position);
                *furthest = position.max(*furthest);
            }
            taken += 1;
            next = if taken < AT_A_TIME { feed.next(known).now_or_never() } else { None };
        }
        wakers.wake(&Wake::Tenants(Arc::new(reached)));
    }
}

pub(super) async fn on_notifications(
    log: EventLog,
    source: Arc<Source>,
    messages: Option<Nats>,
    wakers: Wakers,
    shutdown: CancellationToken,
) {
    let mut failures = 0;
    loop {
        let listened = tokio::select! {
            biased;
            listened = listen(&log, &source, messages.as_ref(), &wakers, &mut failures) => listened,
            () = shutdown.cancelled() => return,
        };
        if let Err(error) = listened {
            tracing::warn!(%error, "not listening to the write database; the sweep goes on");
        }
        tokio::select! {
            biased;
            () = sleep(retry::backoff(failures)) => failures += 1,
            () = shutdown.cancelled() => return,
        }
    }
}

/// Ends with the connection.
async fn listen(log: &EventLog, source: &Source, messages: Option<&Nats>, wakers: &Wakers, failures: &mut u32) -> Result<(), LogError> {
    let mut listener = Listener::begin(&log.pool).await?;
    *failures = 0;
    while let Some(first) = listener.next().await? {
        if messages.is_some_and(Nats::is_connected) {
            sleep(BEHIND_MESSAGES).await;
        }
        let mut reached = BTreeMap::new();
        let mut next = Some(first);
        while let Some(notification) = next {
            reached.extend(notification.split(',').filter_map(moved));
            next = listener.next().now_or_never().transpose()?.flatten();
        }
        let new: Vec<TenantId> = reached.keys().copied().filter(|tenant_id| !source.is_ours(*tenant_id)).collect();
        if !new.is_empty() {
            let heads = log.positions(&new).await?; // anybody may notify: tenants are learned from the log alone
            reached.retain(|tenant_id, _| heads.contains_key(tenant_id) || !new.contains(tenant_id));
            source.learn(heads.into_keys());
        }
        wakers.wake(&Wake::Tenants(Arc::new(reached)));
    }
    Ok(())
}

/// `tenant:position`, as the append notifies.
fn moved(text: &str) -> Option<(TenantId, i64)> {
    let (tenant_id, position) = text.split_once(':')?;
    Some((tenant_id.parse().ok()?, position.parse().ok()?))
}

enum Listener {
    Postgres(PgListener),
    Port(Box<dyn Notifications>),
}

impl Listener {
    async fn begin(pool: &Pool) -> Result<Self, sqlx::Error> {
        if let Some(port) = pool.port() {
            return Ok(Self::Port(port.listen().await?));
        }
        let mut listener = pool.listener().await?;
        listener.listen("holdfast_log").await?;
        Ok(Self::Postgres(listener))
    }

    /// The next payload; `None` when the connection was lost.
    async fn next(&mut self) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::Postgres(listener) => Ok(listener.try_recv().await?.map(|notification| notification.payload().to_owned())),
            Self::Port(port) => port.next().await,
        }
    }
}

pub(super) async fn on_sweep(log: EventLog, source: Arc<Source>, wakers: Wakers, every: Duration, shutdown: CancellationToken) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let heads = tokio::select! {
            biased;
            heads = log.heads() => heads,
            () = shutdown.cancelled() => return,
        };
        match heads {
            Ok(heads) => {
                source.learn(heads.keys().copied());
                let reached = heads.into_iter().map(|(tenant_id, (position, _))| (tenant_id, position)).collect();
                wakers.wake(&Wake::Sweep(Arc::new(reached)));
            }
            Err(error) => tracing::warn!(%error, "cannot read the heads"),
        }
    }
}
