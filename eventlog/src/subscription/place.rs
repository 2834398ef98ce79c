//! Where one consumer stands in one tenant's log.

use std::time::Duration;

use tokio::time::Instant;

use crate::retry;

#[derive(Debug, Default)]
pub(super) struct Place {
    /// Consumed to here.
    pub(super) checkpoint: i64,
    /// Known to exist to here.
    pub(super) reached: i64,
    /// Waits in the queue or is being worked on.
    pub(super) busy: bool,
    failures: u32,
    /// When it was last worked on.
    started: Option<Instant>,
    /// Not before.
    pause: Option<Instant>,
}

impl Place {
    pub(super) fn at(checkpoint: i64) -> Self {
        Self { checkpoint, ..Self::default() }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.reached > self.checkpoint
    }

    pub(super) fn may_start(&self, now: Instant) -> bool {
        !self.busy && self.is_behind() && self.pause.is_none_or(|until| until <= now)
    }

    /// When it may start, if it waits for that.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.pause.filter(|_| !self.busy && self.is_behind())
    }

    pub(super) fn start(&mut self) {
        self.started = Some(Instant::now());
    }

    /// The next batch begins `pace` after this one began; when all are slow, because there is much to do, later.
    pub(super) fn consumed(&mut self, through: i64, pace: Duration) {
        let now = Instant::now();
        self.checkpoint = through;
        self.busy = false;
        self.failures = 0;
        let until = |started: Instant| started + pace.max((2 * (now - started)).min(2 * pace));
        self.pause = self.started.map(until).filter(|until| *until > now);
    }

    /// Returns how often it has failed in a row.
    pub(super) fn failed(&mut self) -> u32 {
        self.busy = false;
        self.pause = Some(Instant::now() + retry::backoff(self.failures));
        self.failures += 1;
        self.failures
    }
}
