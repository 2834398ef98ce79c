//! Clients that move money over HTTP while things break: seeded, recorded, and careful as clients should be. Every command has a
//! key; one that got no answer is repeated with it, now and then; what stays unknown is settled after the faults.

mod call;
mod cast;
mod client;
mod escrow;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinSet;

pub use call::{Call, Http, Outcome};
pub use cast::Cast;

use crate::rng::Rng;
use crate::world::World;
use client::Client;

const CLIENTS_PER_TENANT: u64 = 4;
/// Answered commands that are repeated in the end with their keys.
const REPEATED: usize = 200;

/// A running load.
#[derive(Debug)]
pub struct Load {
    http: Arc<Http>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<(Call, Outcome)>>,
}

/// How many commands ended how.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Counts {
    pub ok: u64,
    pub refused: u64,
    /// Without an answer when the faults were over; all settled afterwards.
    pub unknown: u64,
}

impl Load {
    /// Starts the clients of every tenant; what they ask follows from `seed`, in which order it arrives does not.
    ///
    /// # Errors
    /// When no tokens can be made.
    pub fn start(world: &World, seed: u64) -> anyhow::Result<Self> {
        let http = Arc::new(Http::new(world)?);
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for (number, tenant) in world.tenants.iter().enumerate() {
            let cast = Arc::new(Cast::new(world, *tenant, &mut Rng::new(seed, &format!("cast {number}")))?);
            for client in 0..CLIENTS_PER_TENANT {
                let rng = Rng::new(seed, &format!("client {number}.{client}"));
                let client = Client::new(Arc::clone(&http), Arc::clone(&cast), rng);
                clients.spawn(client.run(Arc::clone(&stop)));
            }
        }
        Ok(Self { http, stop, clients })
    }

    /// Lets every client finish its last request, then repeats with its key whatever got no answer, and some of what did.
    /// The system must be healthy again.
    ///
    /// # Errors
    /// When a command is still without an answer after a while.
    pub async fn settle(mut self, seed: u64) -> anyhow::Result<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        while let Some(ended) = self.clients.join_next().await {
            calls.extend(ended?);
        }
        let mut counts = Counts::default();
        let mut answered = Vec::new();
        for (call, outcome) in calls {
            match outcome {
                Outcome::Ok(_) => counts.ok += 1,
                Outcome::Refused(_) => counts.refused += 1,
                Outcome::Unknown => {
                    counts.unknown += 1;
                    ensure!(self.insist(&call).await, "{} {} with key {} is never answered", call.method, call.path, call.key);
                    continue;
                }
            }
            answered.push(call);
        }
        let mut rng = Rng::new(seed, "repeat");
        for _ in 0..REPEATED.min(answered.len()) {
            let call = rng.pick(&answered);
            ensure!(self.insist(call).await, "{} {} with key {} is not answered again", call.method, call.path, call.key);
        }
        Ok(counts)
    }

    async fn insist(&self, call: &Call) -> bool {
        for attempt in 0..60 {
            if !matches!(self.http.send(call, attempt).await, Outcome::Unknown) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        false
    }
}
