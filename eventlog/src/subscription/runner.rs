//! One consumer: which tenants are behind, and a bounded number of them being worked on.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::lease::Share;
use super::place::Place;
use super::source::Source;
use super::wake::{Reached, Wake};
use super::{ConsumeError, Consumer, SubscriptionSettings};
use crate::retry;

/// The checkpoints are read again with every so many sweeps: somebody may have moved them back for a rebuild.
const SWEEPS_PER_REFRESH: u32 = 10;

const WARN_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Runner {
    consumer: Arc<dyn Consumer>,
    source: Arc<Source>,
    share: Share,
    settings: SubscriptionSettings,
    places: BTreeMap<TenantId, Place>,
    queue: VecDeque<TenantId>,
    /// Tenants that have failed, or were served a moment ago, and when they may go on.
    paused: BTreeSet<(Instant, TenantId)>,
    working: JoinSet<Result<i64, ConsumeError>>,
    worked_on: HashMap<Id, TenantId>,
    /// When the ticks of the consumer's pace began.
    epoch: Instant,
    refresh: bool,
    sweeps: u32,
    /// Thousands of tenants may fail for one reason: one line a while is enough.
    warned: Option<Instant>,
}

impl Runner {
    pub(super) fn new(consumer: Arc<dyn Consumer>, source: Arc<Source>, share: Share, settings: SubscriptionSettings) -> Self {
        Self {
            consumer,
            source,
            share,
            settings,
            places: BTreeMap::new(),
            queue: VecDeque::new(),
            paused: BTreeSet::new(),
            working: JoinSet::new(),
            worked_on: HashMap::new(),
            epoch: Instant::now(),
            refresh: true,
            sweeps: 0,
            warned: None,
        }
    }

    pub(super) async fn run(mut self, mut wakes: mpsc::Receiver<Wake>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if self.refresh {
                tokio::select! {
                    biased;
                    () = self.read_checkpoints() => {}
                    () = shutdown.cancelled() => break,
                }
            }
            self.start_work();
            let pause_ends = self.paused.first().map(|(until, _)| *until);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                wake = wakes.recv() => match wake {
                    Some(wake) => self.woken(wake),
                    None => break,
                },
                Some(done) = self.working.join_next_with_id(), if !self.working.is_empty() => self.done(done),
                () = sleep_until(pause_ends.unwrap_or_else(Instant::now)), if pause_ends.is_some() => self.resume(),
            }
        }
        while self.working.join_next().await.is_some() {}
    }

    async fn read_checkpoints(&mut self) {
        let mut failures = 0;
        loop {
            match self.consumer.checkpoints().await {
                Ok(checkpoints) => {
                    for (tenant_id, place) in &mut self.places {
                        if !place.busy {
                            place.checkpoint = checkpoints.get(tenant_id).copied().unwrap_or(0);
                        }
                    }
                    for (tenant_id, checkpoint) in checkpoints {
                        self.places.entry(tenant_id).or_insert_with(|| Place::at(checkpoint));
                    }
                    self.refresh = false;
                    let tenants: Vec<TenantId> = self.places.keys().copied().collect();
                    tenants.into_iter().for_each(|tenant_id| self.enqueue(tenant_id));
                    return;
                }
                Err(error) => {
                    tracing::warn!(subscription = self.consumer.name(), error = chain(&error), "cannot read the checkpoints");
                    sleep(retry::backoff(failures)).await;
                    failures += 1;
                }
            }
        }
    }

    fn woken(&mut self, wake: Wake) {
        let (reached, is_sweep) = match wake {
            Wake::Tenants(reached) => (reached, false),
            Wake::Sweep(reached) => (reached, true),
        };
        for (tenant_id, position) in reached.iter() {
            let place = self.places.entry(*tenant_id).or_default();
            place.reached = place.reached.max(*position);
            self.enqueue(*tenant_id);
        }
        if is_sweep {
            self.swept(&reached);
        }
    }

    fn swept(&mut self, reached: &Reached) {
        let ours = reached.iter().filter(|(tenant_id, _)| self.works_for(**tenant_id));
        let behind: i64 = ours.filter_map(|(tenant_id, head)| Some((head - self.places.get(tenant_id)?.checkpoint).max(0))).sum();
        metrics::gauge!("holdfast_subscription_behind_events", "subscription" => self.consumer.name().to_owned())
            .set(f64::from(u32::try_from(behind).unwrap_or(u32::MAX)));
        metrics::gauge!("holdfast_subscription_tenants", "subscription" => self.consumer.name().to_owned())
            .set(f64::from(u32::try_from(self.places.len()).unwrap_or(u32::MAX)));
        metrics::gauge!("holdfast_subscription_queue", "subscription" => self.consumer.name().to_owned())
            .set(f64::from(u32::try_from(self.queue.len()).unwrap_or(u32::MAX)));
        self.sweeps += 1;
        self.refresh |= self.sweeps.is_multiple_of(SWEEPS_PER_REFRESH);
    }

    fn works_for(&self, tenant_id: TenantId) -> bool {
        self.share.has(tenant_id) && self.consumer.owns(tenant_id)
    }

    /// Queues the tenant if there is something to do for it now.
    fn enqueue(&mut self, tenant_id: TenantId) {
        let works_for = self.works_for(tenant_id);
        let Some(place) = self.places.get_mut(&tenant_id) else { return };
        if !works_for {
            return;
        }
        if place.may_start(Instant::now()) {
            place.busy = true;
            self.queue.push_back(tenant_id);
        } else if let Some(until) = place.paused_until() {
            self.paused.insert((until, tenant_id));
        }
    }

    fn resume(&mut self) {
        let now = Instant::now();
        while let Some((until, tenant_id)) = self.paused.first().copied().filter(|(until, _)| *until <= now) {
            self.paused.remove(&(until, tenant_id));
            self.enqueue(tenant_id);
        }
    }

    fn start_work(&mut self) {
        while self.working.len() < self.settings.tenants_at_once {
            let Some(tenant_id) = self.queue.pop_front() else { break };
            let Some(place) = self.places.get_mut(&tenant_id) else { continue };
            place.start();
            let settings = self.settings.clone();
            let work = consume(self.consumer.clone(), self.source.clone(), tenant_id, place.checkpoint, settings);
            self.worked_on.insert(self.working.spawn(work).id(), tenant_id);
        }
    }

    fn done(&mut self, done: Result<(Id, Result<i64, ConsumeError>), JoinError>) {
        let (id, result) = match done {
            Ok(done) => done,
            Err(panicked) => (panicked.id(), Err(ConsumeError::Failed(Box::new(panicked)))),
        };
        let Some(tenant_id) = self.worked_on.remove(&id) else { return };
        let Some(place) = self.places.get_mut(&tenant_id) else { return };
        match result {
            Ok(through) => {
                if through == place.checkpoint {
                    place.reached = through; // announced, but not there (yet)
                }
                let is_full = usize::try_from(through - place.checkpoint).is_ok_and(|events| events >= self.settings.batch);
                let rests = self.settings.rests && !is_full;
                place.consumed(through, self.epoch, if rests { self.consumer.pace() } else { Duration::ZERO });
                self.enqueue(tenant_id);
            }
            Err(ConsumeError::Moved) => {
                place.failed();
                self.enqueue(tenant_id);
                self.refresh = true;
            }
            Err(error) => {
                let failures = place.failed();
                let (subscription, after, error) = (self.consumer.name(), place.checkpoint, chain(&error));
                metrics::counter!("holdfast_subscription_failures_total", "subscription" => subscription.to_owned()).increment(1);
                if self.warned.is_none_or(|warned| warned.elapsed() > WARN_EVERY) {
                    self.warned = Some(Instant::now());
                    tracing::warn!(subscription, %tenant_id, after, failures, error, "cannot consume");
                } else {
                    tracing::debug!(subscription, %tenant_id, after, failures, error, "cannot consume");
                }
                self.enqueue(tenant_id);
            }
        }
    }
}

/// One batch of one tenant; returns the position consumed to. The queue then serves the other tenants first.
async fn consume(
    consumer: Arc<dyn Consumer>,
    source: Arc<Source>,
    tenant_id: TenantId,
    after: i64,
    settings: SubscriptionSettings,
) -> Result<i64, ConsumeError> {
    let events = source.next(tenant_id, after, settings.batch).await.map_err(|error| ConsumeError::Failed(Box::new(error)))?;
    let Some(last) = events.last() else { return Ok(after) };
    let _turn = settings.pressure.turn(last.recorded_at).await;
    consumer.consume(tenant_id, after, &events).await?;
    Ok(last.position)
}

/// The error with its causes, for one line of the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
