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

    /// The next batch begins `pace` after this one began; when all are slow, because there is much to do, later. Always at one of the ticks
    /// of `pace` since `epoch`, so that tenants are served together and what is the same for them is done once.
    pub(super) fn consumed(&mut self, through: i64, epoch: Instant, pace: Duration) {
        let now = Instant::now();
        self.checkpoint = through;
        self.busy = false;
        self.failures = 0;
        let until = |started: Instant| tick(epoch, pace, started + pace.max((2 * (now - started)).min(2 * pace)));
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

/// The last one that is not after `time`.
fn tick(epoch: Instant, pace: Duration, time: Instant) -> Instant {
    let since = time.saturating_duration_since(epoch).as_nanos();
    let beyond = since.checked_rem(pace.as_nanos()).and_then(|beyond| u64::try_from(beyond).ok()).unwrap_or(0);
    time - Duration::from_nanos(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tenants_that_were_served_at_different_times_go_on_together() {
        let (epoch, pace) = (Instant::now(), Duration::from_millis(20));
        let mut pauses = Vec::new();
        for at_ms in [41, 47, 58] {
            tokio::time::sleep_until(epoch + Duration::from_millis(at_ms)).await;
            let mut place = Place { reached: 2, ..Place::default() };
            place.start();
            place.consumed(1, epoch, pace);
            pauses.push(place.paused_until());
        }
        let next = |ms| Some(epoch + Duration::from_millis(ms));
        assert_eq!(pauses, [next(60), next(60), next(60)]);
        let mut place = Place { reached: 2, ..Place::default() };
        place.start();
        place.consumed(1, epoch, Duration::ZERO);
        assert_eq!(place.paused_until(), None, "without a pace nobody rests");
    }
}
