//! The one place of the write side that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use holdfast_eventlog::db::Pool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Above this offset between a process and the database no command is taken.
const MAX_OFFSET_MS: i64 = 500;

/// The process clock and how far it is from the database's.
#[derive(Clone)]
pub struct Clock {
    /// Database minus process, measured.
    offset_ms: Arc<AtomicI64>,
    /// Process minus [`Self::steady_ms`], when that was measured; `NEVER` before.
    course_ms: Arc<AtomicI64>,
    begun: Instant,
    /// Added to the process clock; tests use it to run a process early or late.
    skew_ms: i64,
    /// Asked in place of the system's; for the simulation.
    source: Option<Source>,
}

type Source = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

const NEVER: i64 = i64::MIN;

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("offset_ms", &self.offset_ms).field("skew_ms", &self.skew_ms).finish_non_exhaustive()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::skewed(0)
    }
}

impl Clock {
    /// A clock that is `skew_ms` off, for tests of what wrong clocks do.
    #[must_use]
    pub fn skewed(skew_ms: i64) -> Self {
        Self { offset_ms: Arc::default(), course_ms: Arc::new(AtomicI64::new(NEVER)), begun: Instant::now(), skew_ms, source: None }
    }

    /// Shows what `source` says.
    #[must_use]
    pub fn over(source: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..Self::default() }
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        // Whole microseconds: what Postgres keeps, so that an instant compares equal after a round trip.
        let now = self.source.as_ref().map_or_else(Utc::now, |source| source());
        (now + chrono::TimeDelta::milliseconds(self.skew_ms)).trunc_subsecs(6)
    }

    /// True when the process and the database disagree too much to decide anything by time, or when the process's clock has
    /// jumped since they were compared.
    #[must_use]
    pub fn is_off(&self) -> bool {
        let course_ms = self.course_ms.load(Ordering::Relaxed);
        let jump_ms = if course_ms == NEVER { 0 } else { self.now().timestamp_millis() - self.steady_ms() - course_ms };
        (self.offset_ms.load(Ordering::Relaxed) - jump_ms).abs() > MAX_OFFSET_MS
    }

    /// Nobody sets this clock.
    fn steady_ms(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Measures once how far the process is from the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn measure(&self, pool: &Pool) -> Result<(), sqlx::Error> {
        if let Some(port) = pool.port() {
            let before = self.now();
            self.observe(before, port.now().await?, self.now());
            return Ok(());
        }
        let mut connection = pool.acquire().await?;
        let before = self.now();
        let database: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *connection).await?;
        self.observe(before, database, self.now());
        Ok(())
    }

    /// Goes on measuring, every ten seconds.
    pub async fn watch(self, pool: Pool, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.measure(&pool).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the clocks could not be compared");
            } else if self.is_off() {
                tracing::error!("this process's clock and the database's differ by more than {MAX_OFFSET_MS} ms: no command is taken");
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(10)) => {}
            }
        }
    }

    /// Records what the database said between `before` and `after`.
    pub fn observe(&self, before: DateTime<Utc>, database: DateTime<Utc>, after: DateTime<Utc>) {
        let middle = before + (after - before) / 2;
        let offset = (database - middle).num_milliseconds();
        // A slow round trip says little: its half is the error of the measurement.
        let uncertainty = (after - before).num_milliseconds() / 2;
        let offset = if offset.abs() <= uncertainty { 0 } else { offset };
        self.offset_ms.store(offset, Ordering::Relaxed);
        self.course_ms.store(after.timestamp_millis() - self.steady_ms(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_noticed_before_the_next_comparison_and_forgotten_after_it() {
        let clock = Clock::default();
        let jumped = |ms| Clock { skew_ms: ms, ..clock.clone() };
        assert!(!jumped(60_000).is_off(), "nothing to compare with yet");
        let now = clock.now();
        clock.observe(now, now, now);
        assert!(!clock.is_off());
        assert!(jumped(60_000).is_off() && jumped(-60_000).is_off() && !jumped(200).is_off());
        // Set right by the operator: the database agrees with the new time.
        let late = jumped(60_000);
        let now = late.now();
        late.observe(now, now, now);
        assert!(!late.is_off());
    }
}
