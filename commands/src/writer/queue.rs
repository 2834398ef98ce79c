//! A writer's two queues: requests from outside, which are refused when it is full, and the system's own, which wait.

use std::collections::{HashSet, VecDeque};

use tokio::sync::mpsc::{self, error::TrySendError};

use crate::writer::order::Job;

/// A batch is bounded, so that one append stays small and quick.
pub(crate) const MAX_COMMANDS: usize = 256;
pub(crate) const MAX_TENANTS: usize = 32;

#[derive(Clone)]
pub(crate) struct Sender {
    clients: mpsc::Sender<Job>,
    system: mpsc::Sender<Job>,
}

pub(crate) struct Receiver {
    clients: mpsc::Receiver<Job>,
    system: mpsc::Receiver<Job>,
    /// Taken from a queue, but beyond the bound of the last batch.
    carried: VecDeque<Job>,
}

pub(crate) fn queue(capacity: usize) -> (Sender, Receiver) {
    let (clients, client_jobs) = mpsc::channel(capacity);
    let (system, system_jobs) = mpsc::channel(capacity);
    (Sender { clients, system }, Receiver { clients: client_jobs, system: system_jobs, carried: VecDeque::new() })
}

impl Sender {
    /// `false`: the queue is full or the writer has stopped.
    pub(crate) async fn send(&self, job: Job) -> bool {
        if job.is_system() {
            return self.system.send(job).await.is_ok();
        }
        match self.clients.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        }
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
