//! New seals on NATS. What cannot be published waits for the next round; what waits when the process ends is found over HTTP.

use std::collections::VecDeque;

use super::head::Seal;
use crate::nats::Nats;

/// The oldest go first when NATS is away for long.
const WAITING: usize = 10_000;

pub(super) struct Announcer {
    nats: Option<Nats>,
    /// The stream was made since the last failure.
    ready: bool,
    waiting: VecDeque<Seal>,
}

impl Announcer {
    pub(super) fn new(nats: Option<Nats>) -> Self {
        Self { nats, ready: false, waiting: VecDeque::new() }
    }

    pub(super) async fn announce(&mut self, seals: &[Seal]) {
        self.add(seals);
        self.publish().await;
        metrics::gauge!("holdfast_seals_waiting").set(f64::from(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)));
    }

    fn add(&mut self, seals: &[Seal]) {
        if self.nats.is_none() {
            return;
        }
        for seal in seals {
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(seal.clone());
        }
    }

    async fn publish(&mut self) {
        let Some(nats) = &self.nats else { return };
        if !nats.is_connected() {
            self.ready = false;
            return;
        }
        if !self.ready {
            match nats.set_seals_stream().await {
                Ok(()) => self.ready = true,
                Err(error) => return tracing::warn!(error = &error as &dyn std::error::Error, "the stream of seals is not there"),
            }
        }
        while let Some(seal) = self.waiting.front() {
            if let Err(error) = nats.publish_seal(seal).await {
                self.ready = false;
                tracing::warn!(error = &error as &dyn std::error::Error, waiting = self.waiting.len(), "seals wait for NATS");
                return;
            }
            self.waiting.pop_front();
        }
    }
}
