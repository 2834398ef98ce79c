//! The write database as Postgres would be: statements that are done as a whole or not at all, row locks that are waited
//! for, unique keys, sessions that end, answers that are lost. What the statements mean is said once more here, in Rust: the
//! SQL itself is not simulated.

mod errors;
mod session;
mod state;
mod tx;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::chance::Chance;
use crate::faults::Faults;
use crate::process::Process;
use crate::trace::Trace;

pub use session::Session;
pub use state::{Letter, LockName, Owner, State, TenantLog};

/// A statement waits so long for a row.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// The server ends a transaction that says nothing for so long.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Store {
    state: Mutex<State>,
    released: Notify,
    pub chance: Chance,
    pub faults: Arc<Faults>,
    pub trace: Trace,
    begun: Instant,
}

impl Store {
    #[must_use]
    pub fn new(seed: u64, faults: Arc<Faults>, trace: Trace) -> Arc<Self> {
        let chance = Chance::new(seed, "store");
        Arc::new(Self { state: Mutex::default(), released: Notify::new(), chance, faults, trace, begun: Instant::now() })
    }

    /// The server's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.begun.elapsed()).unwrap_or_default();
        DateTime::from_timestamp(1_900_000_000, 0).unwrap_or_default() + TimeDelta::microseconds(passed.num_microseconds().unwrap_or(0))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a row, as long as a statement does. A transaction whose process is gone, or that has said nothing for too
    /// long, has lost its locks.
    async fn lock(&self, name: LockName, owner: &Arc<Owner>) -> Result<(), sqlx::Error> {
        let until = Instant::now() + LOCK_TIMEOUT;
        loop {
            let released = self.released.notified();
            let expires = {
                let mut state = self.state();
                match state.locks.get(&name) {
                    Some(held) if !Arc::ptr_eq(held, owner) && !held.is_gone() => held.expires(),
                    _ => {
                        state.locks.insert(name, Arc::clone(owner));
                        return Ok(());
                    }
                }
            };
            let wake = until.min(expires.max(Instant::now() + Duration::from_millis(1)));
            if timeout_at(wake, released).await.is_err() && Instant::now() >= until {
                return Err(errors::lock_timeout());
            }
        }
    }

    fn unlock(&self, owner: &Arc<Owner>) {
        self.state().locks.retain(|_, held| !Arc::ptr_eq(held, owner));
        self.released.notify_waiters();
    }

    /// Work and wire of one statement.
    async fn latency(&self) {
        let most = if self.faults.in_1000(&self.chance, |rates| rates.slow) { 400_000 } else { 3_000 };
        sleep(self.chance.micros(50, most)).await;
    }

    fn notify(&self, payload: &str) {
        let mut state = self.state();
        let lost = |chance: &Chance| self.faults.in_1000(chance, |rates| rates.notification_lost);
        state.listeners.retain(|listener| !listener.is_closed());
        for listener in &state.listeners {
            if !lost(&self.chance) {
                _ = listener.send(payload.to_owned());
            }
        }
    }

    /// Ends the connections that wait for notifications.
    pub fn cut_listeners(&self) {
        self.state().listeners.clear();
    }
}

/// What the process finds when it makes a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// Not done, and the server says so.
    Refused,
    /// Not done, and nobody says so.
    LostBefore,
    /// Done, and nobody says so.
    LostAfter,
}

impl Store {
    fn fate(&self) -> Fate {
        if self.faults.is_down() {
            return Fate::LostBefore;
        }
        let rates = self.faults.rates();
        match self.chance.below(1000) {
            n if n < rates.refused => Fate::Refused,
            n if n < rates.refused + rates.lost_before => Fate::LostBefore,
            n if n < rates.refused + rates.lost_before + rates.lost_after => Fate::LostAfter,
            _ => Fate::Done,
        }
    }

    /// One statement from the process to the server and back.
    async fn statement<T>(
        &self,
        process: &Process,
        name: &str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        process.runs().await;
        let fate = self.fate();
        self.latency().await;
        let answer = match fate {
            Fate::Refused => Err(errors::refused(&self.chance)),
            Fate::LostBefore => Err(errors::lost()),
            Fate::Done => work.await,
            Fate::LostAfter => work.await.and(Err(errors::lost())),
        };
        self.latency().await;
        let said = match (&answer, fate) {
            (Ok(_), _) => "done".to_owned(),
            (Err(error), Fate::LostAfter) => format!("{error} (done)"),
            (Err(error), _) => error.to_string(),
        };
        self.trace.note(&format!("{} {name}: {said}", process.name));
        process.runs().await;
        answer
    }
}
