//! Clients come first: while many of them wait for the writers of this process, its consumers take turns and pause between them, so
//! that a rush of commands is taken at nearly the speed of a process without consumers (decision 0022). What they leave lies in the
//! log, and they make up for it afterwards; who is too far behind no longer waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

/// So many clients per writer who wait for an answer, on the average of late, are a rush.
const CROWD: u64 = 48;
/// Batches that count for the average.
const OF_LATE: u64 = 16;
/// What was seen is good for so long.
const LASTS: Duration = Duration::from_millis(100);
/// A turn that does not come: an effect may wait long for somebody outside.
const PATIENCE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// With events older than this nobody waits for turns.
const MOST_BEHIND: TimeDelta = TimeDelta::seconds(30);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Whether there is a rush, between the writers of a process and its consumers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pressure(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    writers: u64,
    /// Who wait for an answer now.
    clients: AtomicU64,
    /// Who waited of late, times [`OF_LATE`]. Writers may lose each other's: it is an average.
    crowd: AtomicU64,
    /// In ms since `START`; 0: there was no rush yet.
    until: AtomicU64,
    turns: Arc<Semaphore>,
}

impl Pressure {
    #[must_use]
    pub fn of_writers(writers: usize) -> Self {
        LazyLock::force(&START);
        Self(Arc::new(Shared {
            writers: u64::try_from(writers).unwrap_or(u64::MAX),
            clients: AtomicU64::new(0),
            crowd: AtomicU64::new(0),
            until: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(1)),
        }))
    }

    /// A client waits as long as what this returns is held.
    #[must_use]
    pub fn client(&self) -> Client {
        self.0.clients.fetch_add(1, Ordering::Relaxed);
        Client(Arc::clone(&self.0))
    }

    /// A writer takes a batch: the moment to count.
    pub fn note(&self) {
        let crowd = self.0.crowd.load(Ordering::Relaxed);
        let crowd = crowd - crowd / OF_LATE + self.0.clients.load(Ordering::Relaxed);
        self.0.crowd.store(crowd, Ordering::Relaxed);
        if crowd >= (CROWD * OF_LATE).saturating_mul(self.0.writers) {
            self.0.until.store(now_ms() + u64::try_from(LASTS.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.until.load(Ordering::Relaxed) > now_ms()
    }

    /// Waits for its turn in a rush, for a bounded time. `recorded_at`: of what is to be consumed.
    pub(super) async fn turn(&self, recorded_at: DateTime<Utc>) -> Turn {
        if !self.is_on() || Utc::now() - recorded_at > MOST_BEHIND {
            return Turn { begun: Instant::now(), place: None };
        }
        metrics::counter!("holdfast_subscription_turns_total").increment(1);
        let place = timeout(PATIENCE, Arc::clone(&self.0.turns).acquire_owned()).await.ok().and_then(Result::ok);
        Turn { begun: Instant::now(), place }
    }
}

impl Default for Pressure {
    /// Without writers there is no rush.
    fn default() -> Self {
        Self::of_writers(usize::MAX)
    }
}

/// One who waits for an answer.
#[derive(Debug)]
pub struct Client(Arc<Shared>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Dropped, the next consumer may go on as soon as clients have had as long as this one.
pub(super) struct Turn {
    begun: Instant,
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let pause = self.begun.elapsed().min(LONGEST_PAUSE);
            tokio::spawn(async move {
                sleep(pause).await;
                drop(place);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn in_a_rush_consumers_take_turns_with_pauses_and_otherwise_nobody_waits() {
        let pressure = Pressure::of_writers(2);
        let (now, long_ago) = (Utc::now(), Utc::now() - TimeDelta::seconds(60));
        let work = async |recorded_at, length| {
            let begun = Instant::now();
            let turn = pressure.turn(recorded_at).await;
            let waited = begun.elapsed();
            sleep(length).await;
            drop(turn);
            waited
        };
        let ms = Duration::from_millis;
        assert_eq!(futures::join!(work(now, ms(40)), work(now, ms(40))), (ms(0), ms(0)), "no rush");
        let crowd = |clients: u64| (0..clients).map(|_| pressure.client()).collect::<Vec<_>>();
        let few = crowd(2 * CROWD - 1);
        (0..100).for_each(|_| pressure.note());
        assert!(!pressure.is_on(), "fewer than twice as many as one writer may have");
        let more = crowd(CROWD);
        pressure.note();
        assert!(pressure.is_on(), "more");
        drop((few, more));
        (0..100).for_each(|_| pressure.note());
        sleep(LASTS).await;
        let sudden = crowd(4 * CROWD);
        pressure.note();
        assert!(!pressure.is_on(), "one full batch is no rush");
        (0..40).for_each(|_| pressure.note());
        let (first, second, behind) = futures::join!(work(now, ms(40)), work(now, ms(40)), work(long_ago, ms(40)));
        assert_eq!((first, behind), (ms(0), ms(0)));
        assert!(second >= ms(80), "as long as the first worked, and once more: {second:?}");
        pressure.note();
        let (_, second) = futures::join!(work(now, ms(5_000)), work(now, ms(1)));
        assert!(second <= PATIENCE + ms(100), "a turn that does not come is not waited for: {second:?}");
        drop(sudden);
        sleep(ms(1_000)).await;
        assert!(!pressure.is_on(), "it is over when no more signs come");
    }
}
