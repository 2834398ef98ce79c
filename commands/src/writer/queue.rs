//! A writer's two queues: requests from outside, which are refused when it is full, and the system's own, which wait.

use std::collections::{HashSet, VecDeque};

use metrics::{Counter, Gauge};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::writer::order::Job;

/// A batch is bounded, so that one append stays small and quick.
pub(crate) const MAX_COMMANDS: usize = 256;
pub(crate) const MAX_TENANTS: usize = 64;

#[derive(Clone)]
pub(crate) struct Sender {
    clients: mpsc::Sender<Job>,
    system: mpsc::Sender<Job>,
    depth: Depth,
    refused: Counter,
}

/// How many jobs wait.
#[derive(Clone)]
struct Depth {
    clients: Gauge,
    system: Gauge,
}

pub(crate) struct Receiver {
    clients: mpsc::Receiver<Job>,
    system: mpsc::Receiver<Job>,
    /// Taken from a queue, but beyond the bound of the last batch.
    carried: VecDeque<Job>,
    depth: Depth,
}

/// `number`: of the writer, for its metrics.
pub(crate) fn queue(number: usize, capacity: usize) -> (Sender, Receiver) {
    let (clients, client_jobs) = mpsc::channel(capacity);
    let (system, system_jobs) = mpsc::channel(capacity);
    let writer = number.to_string();
    let depth = |of: &'static str| metrics::gauge!("holdfast_writer_queue", "writer" => writer.clone(), "of" => of);
    let depth = Depth { clients: depth("clients"), system: depth("system") };
    let refused = metrics::counter!("holdfast_writer_refused_total", "writer" => writer);
    let receiver = Receiver { clients: client_jobs, system: system_jobs, carried: VecDeque::new(), depth: depth.clone() };
    (Sender { clients, system, depth, refused }, receiver)
}

fn show(gauge: &Gauge, waiting: usize) {
    gauge.set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
}

impl Sender {
    /// `false`: the queue is full or the writer has stopped.
    pub(crate) async fn send(&self, job: Job) -> bool {
        if job.is_system() {
            let sent = self.system.send(job).await.is_ok();
            show(&self.depth.system, self.system.max_capacity() - self.system.capacity());
            return sent;
        }
        let sent = match self.clients.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.refused.increment(1);
                false
            }
        };
        show(&self.depth.clients, self.clients.max_capacity() - self.clients.capacity());
        sent
    }
}

impl Receiver {
    /// Waits for the first job, then takes what else is there, in order, up to the bounds. Empty: everybody has gone.
    pub(crate) async fn next_batch(&mut self) -> Vec<Job> {
        let mut batch = Vec::new();
        let mut tenants = HashSet::new();
        if self.carried.is_empty() {
            let first = tokio::select! {
                biased; // for one job; the rest of the batch takes turns
                Some(job) = self.clients.recv() => job,
                Some(job) = self.system.recv() => job,
                else => return batch,
            };
            self.carried.push_back(first);
        }
        while batch.len() < MAX_COMMANDS {
            let Some(job) = self.carried.pop_front().or_else(|| self.try_next(batch.len())) else { break };
            if !tenants.contains(&job.stream.tenant_id) && tenants.len() == MAX_TENANTS {
                self.carried.push_front(job);
                break;
            }
            tenants.insert(job.stream.tenant_id);
            batch.push(job);
        }
        show(&self.depth.clients, self.clients.len());
        show(&self.depth.system, self.system.len());
        batch
    }

    /// The two queues take turns, so that neither starves the other.
    fn try_next(&mut self, turn: usize) -> Option<Job> {
        if turn.is_multiple_of(2) {
            self.clients.try_recv().or_else(|_| self.system.try_recv()).ok()
        } else {
            self.system.try_recv().or_else(|_| self.clients.try_recv()).ok()
        }
    }
}
