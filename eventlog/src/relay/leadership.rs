//! Who publishes, and who seals: the holder of an advisory lock on a session of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::db::Pool;

/// A server that does not answer for so long may have given the lock to somebody else.
const TRUSTED_FOR: Duration = Duration::from_secs(3);

pub(crate) struct Leadership {
    session: PgConnection,
    proof: Proof,
}

/// When the lock was last seen held.
#[derive(Clone)]
pub(crate) struct Proof(Arc<Mutex<Instant>>);

impl Proof {
    pub(crate) fn is_fresh(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < TRUSTED_FOR
    }

    fn renew(&self, asked_at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked_at;
    }
}

impl Leadership {
    /// Returns as soon as the lock is held; asks every second. A leader that says nothing for `silence` loses its session, and
    /// with it the lock: a process that is frozen keeps its connections open and would keep the standbys out for ever.
    pub(crate) async fn wait(pool: &Pool, lock: i64, silence: Duration) -> Result<Self, sqlx::Error> {
        let mut session = pool.session().await?;
        let silence = format!("{}ms", silence.as_millis());
        sqlx::query("SELECT set_config('idle_session_timeout', $1, false)").bind(silence).execute(&mut session).await?;
        loop {
            let asked_at = Instant::now();
            let held: Vec<bool> = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(lock).fetch_all(&mut session).await?;
            if held == [true] {
                return Ok(Self { session, proof: Proof(Arc::new(Mutex::new(asked_at))) });
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    pub(crate) fn proof(&self) -> Proof {
        self.proof.clone()
    }

    /// The lock lives as long as the session, so an answer proves that it is held. A session without an answer is given
    /// up: nothing but this lock is on it.
    pub(crate) async fn check(&mut self) -> Result<(), sqlx::Error> {
        let asked_at = Instant::now();
        timeout(TRUSTED_FOR, sqlx::query("SELECT 1").fetch_all(&mut self.session)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        self.proof.renew(asked_at);
        Ok(())
    }

    /// Ends the session, so that a standby need not wait until the server misses it.
    pub(crate) async fn give_up(self) {
        if let Ok(Err(error)) = timeout(Duration::from_secs(1), self.session.close()).await {
            tracing::debug!(%error, "the leader's session was lost");
        }
    }
}
