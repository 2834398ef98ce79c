//! Gap-free delivery of each tenant's events to consumers that keep their own checkpoints.
//!
//! What wakes a consumer (a message, a notification, the sweep) says only that there is more; what it is given is the event
//! at its checkpoint + 1 and on from there: from the events that just arrived, or from the log. So messages may be lost,
//! repeated, out of order or absent.

mod lease;
mod place;
mod pressure;
mod runner;
mod source;
mod wake;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Recorded, TenantId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::types::{StoredEvent, UnreadableEvent};
use crate::{EventLog, nats};

pub use pressure::{Client, Pressure};

/// Takes every event of every tenant in position order and stores its checkpoint with its results.
pub trait Consumer: Send + Sync + 'static {
    fn name(&self) -> &str;

    /// The position that each tenant has been consumed to; tenants that are missing stand at 0.
    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>>;

    /// `events` stand at `after + 1`, `after + 2`, …: all or none of them take effect, and the checkpoint moves with them.
    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>>;

    /// Whose leases it works under: its own, or those of others that must work for the same tenants as it does.
    fn shares_with(&self) -> &str {
        self.name()
    }

    /// From the beginning of a tenant's batch to that of its next one, unless the batch was full: a few events at a time cost as much as
    /// many do. Up to twice as long when batches take long. The first event after a while does not wait.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    /// False: it has nothing to do for this tenant now. Only saves work.
    fn owns(&self, _tenant_id: TenantId) -> bool {
        true
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The checkpoint was not at `after`: somebody else has moved it. The checkpoints are read again.
    #[error("the checkpoint was moved by somebody else")]
    Moved,
    /// Tried again later, with growing pauses; the tenant's later events wait, other tenants do not.
    #[error("the events could not be consumed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<sqlx::Error> for ConsumeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// An event as all consumers of a process share it: received once, decoded once.
#[derive(Debug)]
pub struct FeedEvent {
    stored: StoredEvent,
    decoded: OnceLock<Result<Recorded<AnyEvent>, UnreadableEvent>>,
}

impl FeedEvent {
    #[must_use]
    pub fn new(stored: StoredEvent) -> Self {
        Self { stored, decoded: OnceLock::new() }
    }

    /// # Errors
    /// When this version of the program cannot read the event.
    pub fn recorded(&self) -> Result<&Recorded<AnyEvent>, &UnreadableEvent> {
        self.decoded.get_or_init(|| self.stored.decode()).as_ref()
    }
}

impl Deref for FeedEvent {
    type Target = StoredEvent;
    fn deref(&self) -> &StoredEvent {
        &self.stored
    }
}

#[derive(Debug, Clone)]
pub struct SubscriptionSettings {
    /// How often checkpoints are compared with the heads.
    pub sweep_every: Duration,
    /// Most events in one call of `consume`.
    pub batch: usize,
    /// Most tenants that one consumer works on at the same time.
    pub tenants_at_once: usize,
    /// Several processes run these consumers: each works for a part of the tenants. The pool must be able to write leases.
    pub share_tenants: bool,
    /// Consumers keep their pace; without, each goes on as soon as there is something to do.
    pub rests: bool,
    /// Of the writers in the same process, whose clients come first.
    pub pressure: Pressure,
}

impl Default for SubscriptionSettings {
    fn default() -> Self {
        Self {
            sweep_every: Duration::from_secs(1),
            batch: 500,
            tenants_at_once: 4,
            share_tenants: false,
            rests: true,
            pressure: Pressure::default(),
        }
    }
}

/// Runs until `shutdown`, then finishes what is being consumed. Failures are logged and tried again; they never end it.
///
/// All consumers of a process belong in one call: they share what is received and read. Without a fast path the wait for
/// new events ends with the notification of their append. A log [with fresh events](EventLog::with_fresh) is faster still.
pub async fn run(
    log: EventLog,
    fast_path: Option<nats::Feed>,
    consumers: Vec<Arc<dyn Consumer>>,
    settings: SubscriptionSettings,
    shutdown: CancellationToken,
) {
    let source = Arc::new(source::Source::new(log.clone()));
    let mut tasks = JoinSet::new();
    let mut wakers = Vec::new();
    let mut shares = HashMap::<String, lease::Share>::new();
    for consumer in consumers {
        let (waker, wakes) = mpsc::channel(1024);
        wakers.push(wake::Waker { subscription: consumer.name().to_owned(), wakes: waker });
        let share = if settings.share_tenants {
            let group = consumer.shares_with().to_owned();
            let kept = shares.entry(group.clone()).or_insert_with(|| {
                let (share, keeping) = lease::keep(log.clone(), group, shutdown.clone());
                tasks.spawn(keeping);
                share
            });
            kept.clone()
        } else {
            lease::Share::everything()
        };
        tasks.spawn(runner::Runner::new(consumer, source.clone(), share, settings.clone()).run(wakes, shutdown.clone()));
    }
    let wakers = wake::Wakers(wakers);
    if let Some(fresh) = &log.fresh {
        tasks.spawn(wake::on_fresh(fresh.listen(), source.clone(), wakers.clone(), shutdown.clone()));
    }
    let connected = fast_path.as_ref().map(nats::Feed::nats);
    if let Some(feed) = fast_path {
        tasks.spawn(wake::on_messages(feed, source.clone(), wakers.clone(), shutdown.clone()));
    }
    tasks.spawn(wake::on_notifications(log.clone(), source.clone(), connected, wakers.clone(), shutdown.clone()));
    tasks.spawn(wake::on_sweep(log, source, wakers, settings.sweep_every, shutdown));
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of a subscription ended");
        }
    }
}
