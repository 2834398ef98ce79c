//! The processes of one simulation and what befalls them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use holdfast_commands::reaction::Reactor;
use holdfast_commands::{Clock, DeadlineTracker, DeadlineWorker, WriterSettings, Writers};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::nats::Nats;
use holdfast_eventlog::subscription::{self, Consumer, SubscriptionSettings};
use holdfast_eventlog::{EventLog, Fresh, db, relay};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::faults::{Faults, Rates};
use crate::messages::{Client, Messages};
use crate::process::Process;
use crate::recorder::Recorder;
use crate::store::{Session, Store};
use crate::trace::Trace;

/// One process, with all roles.
#[derive(Clone)]
pub struct Running {
    pub process: Process,
    pub writers: Writers,
}

pub struct World {
    pub seed: u64,
    pub store: Arc<Store>,
    pub messages: Arc<Messages>,
    pub faults: Arc<Faults>,
    pub trace: Trace,
    pub tenants: Vec<TenantId>,
    pub rates: Rates,
    running: Mutex<Vec<Running>>,
    chance: Chance,
    settings: ProcessSettings,
}

/// The same for all processes of a seed.
#[derive(Debug, Clone)]
struct ProcessSettings {
    writers: usize,
    queue_capacity: usize,
    cache_bytes: usize,
    snapshot_every: u32,
    batch: usize,
    skews_ms: Vec<i64>,
}

impl World {
    #[must_use]
    pub fn new(seed: u64, trace: Trace) -> Arc<Self> {
        let chance = Chance::new(seed, "world");
        let faults = Arc::new(Faults::default());
        let count = if chance.in_1000(300) { 3 } else { 2 };
        let skew = |_| match chance.below(6) {
            0 => i64::try_from(chance.below(800)).unwrap_or(0) - 400,
            _ => 0,
        };
        let settings = ProcessSettings {
            writers: usize::try_from(chance.between(1, 2)).unwrap_or(1),
            queue_capacity: *chance.pick(&[2, 64, 4096]),
            cache_bytes: *chance.pick(&[1, 20_000, 1 << 24]),
            snapshot_every: *Chance::new(seed, "snapshots").pick(&[0, 1, 3, 200]),
            batch: *chance.pick(&[1, 3, 20, 500]),
            skews_ms: (0..count).map(skew).collect(),
        };
        let tenants = (0..chance.between(1, 3)).map(|_| TenantId(chance.uuid())).collect();
        let world = Arc::new(Self {
            seed,
            store: Store::new(seed, Arc::clone(&faults), trace.clone()),
            messages: Messages::new(seed, Arc::clone(&faults), trace.clone()),
            rates: Faults::of(&chance),
            faults,
            trace,
            tenants,
            running: Mutex::default(),
            chance,
            settings,
        });
        world.trace.note(&format!("{:?} {:?}", world.settings, world.rates));
        for at in 0..world.settings.skews_ms.len() {
            let running = world.start(at, 0);
            world.running().push(running);
        }
        world
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn processes(&self) -> Vec<Running> {
        self.running().clone()
    }

    fn start(&self, at: usize, generation: u64) -> Running {
        let process = Process::new(&format!("p{at}.{generation}"));
        let session = Session::new(&self.store, &process);
        let pool = db::Pool::over(Arc::new(session.clone()));
        // The others hear of everything by message or notification.
        let log = if self.seed % 3 == 1 { EventLog::new(pool.clone()).with_fresh(Fresh::new()) } else { EventLog::new(pool.clone()) };
        let nats = Nats::over(Arc::new(Client::new(&self.messages, &process)));
        let (store, skew) = (Arc::clone(&self.store), TimeDelta::milliseconds(self.settings.skews_ms[at]));
        let clock = Clock::over(move || store.now() + skew);
        let ProcessSettings { writers, queue_capacity, cache_bytes, snapshot_every, batch, .. } = self.settings;
        let writers = Writers::start(&log, clock.clone(), &WriterSettings { writers, queue_capacity, cache_bytes, snapshot_every });
        let shutdown = CancellationToken::new(); // nobody is asked to stop here
        tokio::spawn(clock.watch(pool.clone(), shutdown.clone()));
        // Most seeds without: more happens in the same time.
        let rests = self.seed % 4 == 3;
        let settings = SubscriptionSettings { batch, rests, ..SubscriptionSettings::default() };
        let consumers: Vec<Arc<dyn Consumer>> = vec![
            Arc::new(Reactor::new(log.clone(), pool.clone(), writers.clone())),
            Arc::new(DeadlineTracker::new(pool.clone())),
            Arc::new(Recorder(session)),
        ];
        tokio::spawn(subscription::run(log.clone(), Some(nats.feed()), consumers, settings.clone(), shutdown.clone()));
        tokio::spawn(DeadlineWorker::new(pool, writers.clone(), Duration::from_secs(1)).run(shutdown.clone()));
        tokio::spawn(relay::run(log, nats, settings, shutdown));
        Running { process, writers }
    }

    fn kill(&self, at: usize) {
        let process = self.running()[at].process.clone();
        self.trace.note(&format!("{} is killed", process.name));
        process.kill();
    }

    /// In the place of one that was killed, with nothing that it knew.
    fn restart(&self, at: usize) {
        let generation = self.chance.below(1_000_000);
        let fresh = self.start(at, generation);
        self.trace.note(&format!("{} is started", fresh.process.name));
        self.running()[at] = fresh;
    }

    /// Until `over`: something happens now and then.
    pub async fn befall(self: Arc<Self>, over: CancellationToken) {
        let usual: Vec<u64> = (0..8).filter(|_| self.chance.in_1000(600)).collect();
        while !over.is_cancelled() {
            sleep(self.chance.micros(300_000, 5_000_000)).await;
            if usual.is_empty() || over.is_cancelled() {
                continue;
            }
            let at = usize::try_from(self.chance.below(self.settings.skews_ms.len() as u64)).unwrap_or(0);
            match self.chance.pick(&usual) {
                0 | 1 => {
                    self.kill(at);
                    sleep(self.chance.micros(50_000, 3_000_000)).await;
                    self.restart(at);
                }
                2 | 3 => self.freeze(at).await,
                4 => {
                    self.trace.note("the database is away");
                    self.faults.set_down(true);
                    self.store.cut_listeners();
                    sleep(self.chance.micros(100_000, 3_000_000)).await;
                    self.faults.set_down(false);
                    self.trace.note("the database is back");
                }
                5 => {
                    self.trace.note("messages are away");
                    self.messages.stop();
                    sleep(self.chance.micros(100_000, 8_000_000)).await;
                    self.messages.start();
                    self.trace.note("messages are back");
                }
                6 if self.chance.in_1000(500) => {
                    self.trace.note("the stream is wiped");
                    self.messages.wipe();
                }
                6 => {
                    self.trace.note("the stream is put back");
                    self.messages.put_back(usize::try_from(self.chance.between(1, 20)).unwrap_or(1));
                }
                _ => {
                    let calm = self.faults.rates().lost_after == 0;
                    self.faults.set(if calm { self.rates } else { Rates::default() });
                    self.store.cut_listeners();
                }
            }
        }
    }

    async fn freeze(&self, at: usize) {
        let process = self.running()[at].process.clone();
        self.trace.note(&format!("{} is frozen", process.name));
        process.freeze();
        sleep(self.chance.micros(100_000, 12_000_000)).await;
        process.thaw();
        self.trace.note(&format!("{} goes on", process.name));
    }

    /// Nothing goes wrong from now on.
    pub fn heal(&self) {
        self.trace.note("all is well");
        self.faults.set(Rates::default());
        self.faults.set_down(false);
        self.messages.start();
        for at in 0..self.settings.skews_ms.len() {
            let process = self.running()[at].process.clone();
            process.thaw();
            if process.is_dead() {
                self.restart(at);
            }
        }
    }
}
