//! Who publishes, and who seals: the holder of an advisory lock on a session of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::db::Pool;
use crate::port::LockSession;

/// A server that does not answer for so long may have given the lock to somebody else.
const TRUSTED_FOR: Duration = Duration::from_secs(3);

pub(crate) struct Leadership {
    session: Session,
    proof: Proof,
}

enum Session {
    Postgres(PgConnection),
    Port(Box<dyn LockSession>),
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
        let mut session = Session::begin(pool, silence).await?;
        loop {
            let asked_at = Instant::now();
            if session.try_lock(lock).await? {
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
        timeout(TRUSTED_FOR, self.session.check()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
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

impl Session {
    /// The server ends it when nothing is said on it for `silence`.
    async fn begin(pool: &Pool, silence: Duration) -> Result<Self, sqlx::Error> {
        if let Some(port) = pool.port() {
            return Ok(Self::Port(port.lock_session(silence).await?));
        }
        let mut session = pool.session().await?;
        let silence = format!("{}ms", silence.as_millis());
        sqlx::query("SELECT set_config('idle_session_timeout', $1, false)").bind(silence).execute(&mut session).await?;
        Ok(Self::Postgres(session))
    }

    async fn try_lock(&mut self, lock: i64) -> Result<bool, sqlx::Error> {
        match self {
            Self::Postgres(session) => {
                let held: Vec<bool> = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(lock).fetch_all(session).await?;
                Ok(held == [true])
            }
            Self::Port(port) => port.try_lock(lock).await,
        }
    }

    async fn check(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(session) => sqlx::query("SELECT 1").fetch_all(session).await.map(drop),
            Self::Port(port) => port.check().await,
        }
    }

    async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(session) => session.close().await,
            Self::Port(port) => port.close().await,
        }
    }
}
