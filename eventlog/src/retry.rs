//! Trying again, a little later each time.

use std::time::{Duration, Instant};

use uuid::Uuid;

const MOST: u32 = 5;

/// Up to five repetitions within a time.
pub(crate) struct Retries {
    done: u32,
    until: Instant,
}

impl Retries {
    pub(crate) fn new(within: Duration) -> Self {
        Self { done: 0, until: Instant::now() + within }
    }

    /// Waits; false when it is time to give up.
    pub(crate) async fn again(&mut self) -> bool {
        if self.done == MOST || Instant::now() >= self.until {
            return false;
        }
        self.done += 1;
        tokio::time::sleep(jittered(Duration::from_millis(2 << self.done))).await;
        true
    }
}

/// Half of it to all of it, so that those who failed together do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = u32::from(Uuid::new_v4().as_bytes()[0]);
    pause / 2 + pause * random / 512
}

/// Pauses that double from 100 ms to 10 s.
pub(crate) fn backoff(failures: u32) -> Duration {
    jittered(Duration::from_millis(100 << failures.min(7)).min(Duration::from_secs(10)))
}
