//! Writers, relay, subscriptions, reactions and deadlines of several processes in one thread, over a database, a message server
//! and a clock that are simulated and fail as the seed says (docs/simulation.md). One seed is one course of events.

pub mod chance;
pub mod check;
pub mod client;
pub mod faults;
pub mod load;
pub mod messages;
pub mod process;
pub mod recorder;
pub mod store;
pub mod trace;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use chance::Chance;
use client::Told;
use trace::Trace;
use world::World;

/// Virtual time after which what has not come to rest never will.
const REST_WITHIN_S: u64 = 400;
const LOAD_WITHIN: Duration = Duration::from_secs(900);

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Of each client.
    pub steps: u64,
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 4, trace: false }
    }
}

#[derive(Debug, Clone)]
pub struct Outcome {
    pub seed: u64,
    /// Of all that happened, with its time.
    pub hash: u64,
    pub lines: u64,
    pub commands: usize,
    pub events: usize,
    /// Empty when all is well.
    pub wrong: Vec<String>,
}

/// Runs one seed on this thread.
///
/// # Errors
/// When there is no runtime.
pub fn run(seed: u64, options: Options) -> std::io::Result<Outcome> {
    holdfast_eventlog::seed_pauses(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let outcome = runtime.block_on(simulate(seed, options));
    runtime.shutdown_background();
    Ok(outcome)
}

async fn simulate(seed: u64, options: Options) -> Outcome {
    let trace = Trace::new(options.trace);
    let told = Arc::new(Told::default());
    let world = World::new(seed, trace.clone());
    load::open(&world, &told).await;
    let stopped = timeout(LOAD_WITHIN, suffer(&world, &told, options)).await.is_err();
    world.heal();
    let unrest = rest(&world).await;
    let mut wrong = check::check(&world, &told);
    if stopped {
        wrong.push("clients were not answered in the end".to_owned());
    }
    wrong.extend(unrest);
    let events = world.store.state().tenants.values().map(|log| log.events.len()).sum();
    let commands = told.sent.lock().map(|sent| sent.len()).unwrap_or_default();
    Outcome { seed, hash: trace.hash(), lines: trace.lines(), commands, events, wrong }
}

/// Clients work while things go wrong.
async fn suffer(world: &Arc<World>, told: &Arc<Told>, options: Options) {
    let chance = Chance::new(world.seed, "clients");
    world.faults.set(world.rates);
    let over = CancellationToken::new();
    let befall = tokio::spawn(Arc::clone(world).befall(over.clone()));
    let clients = chance.between(2, 4);
    let mut working = JoinSet::new();
    for number in 0..usize::try_from(clients).unwrap_or(2) {
        working.spawn(load::work(Arc::clone(world), Arc::clone(told), number, options.steps));
    }
    while let Some(ended) = working.join_next().await {
        if ended.is_err()
            && let Ok(mut broken) = told.broken.lock()
        {
            broken.push("a client ended".to_owned());
        }
    }
    over.cancel();
    _ = befall.await;
}

/// Waits until everything has been consumed and nothing is due; else says what has not.
async fn rest(world: &World) -> Option<String> {
    let mut quiet = 0;
    let mut unrest = String::new();
    for _ in 0..REST_WITHIN_S {
        sleep(Duration::from_secs(1)).await;
        match restless(world) {
            None => quiet += 1,
            Some(what) => {
                quiet = 0;
                unrest = what;
            }
        }
        if quiet == 3 {
            return None;
        }
    }
    Some(format!("did not come to rest: {unrest}"))
}

fn restless(world: &World) -> Option<String> {
    let published = world.messages.all();
    let state = world.store.state();
    for tenant_id in &world.tenants {
        let head = state.tenants.get(tenant_id)?.position();
        for subscription in ["reactor", "deadlines", "relay", recorder::SUBSCRIPTION] {
            let at = state.checkpoint(subscription, *tenant_id);
            if at != head {
                return Some(format!("{subscription} of {tenant_id} is at {at}, the log at {head}"));
            }
        }
        let tenant = tenant_id.to_string();
        let messages = published.iter().filter(|message| message.tenant == tenant).count();
        if i64::try_from(messages).unwrap_or(0) < head {
            return Some(format!("the stream has {messages} messages of {tenant_id}, the log {head} events"));
        }
    }
    let soon = world.store.now() + TimeDelta::seconds(60);
    let due = state.deadlines.iter().find(|(_, deadline)| deadline.due_at < soon);
    due.map(|(name, deadline)| format!("{name:?} is due at {}", deadline.due_at))
}
