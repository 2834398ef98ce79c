//! Trying again, a little later each time.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;
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
    pause / 2 + pause * u32::from(chance()) / 512
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(Uuid::new_v4().as_u64_pair().0);
}

/// Not fit for secrets. A generator per thread, so that a simulation can say where it begins.
fn chance() -> u8 {
    STATE.with(|state| {
        let mut x = state.get() | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        x.to_be_bytes()[0]
    })
}

/// The pauses of this thread follow from `seed`. For the simulation.
pub fn seed(seed: u64) {
    STATE.with(|state| state.set(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
}

/// Pauses that double from 100 ms to 10 s.
pub(crate) fn backoff(failures: u32) -> Duration {
    jittered(Duration::from_millis(100 << failures.min(7)).min(Duration::from_secs(10)))
}
