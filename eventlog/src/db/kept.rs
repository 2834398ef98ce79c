//! Connections at hand. sqlx asks the server twice about each one that comes back (is it alive, and our own check), which costs
//! more than a short query. One whose transaction has ended well has just answered both, so it is lent again as it is, for
//! some time, as is one whose last statement in autocommit was answered to the end, where callers say so; every other one goes the
//! long way.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::tenant_read::Handover;

/// After so long a connection goes the long way whatever it did: is checked, and replaced when it is old.
const CHECKED_EVERY: Duration = Duration::from_secs(30);
/// One that nobody wanted for so long goes the long way before it is used.
const IDLE: Duration = Duration::from_secs(1);

/// The right to use one of a pool's connections.
pub(super) type Place = OwnedSemaphorePermit;

/// The connections of a pool: no more than its places, waited for in order.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) pool: PgPool,
    places: Arc<Semaphore>,
    patience: Duration,
    clean: Mutex<Vec<Clean>>,
    pub(super) handover: Handover,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Clean {
    connection: PoolConnection<Postgres>,
    checked: Instant,
    since: Instant,
}

/// What is known of a connection when it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its last transaction has ended, and nothing was sent since.
    Clean,
    /// Somebody may have been interrupted in the middle of a statement.
    Unknown,
    /// Between `BEGIN` and the answer to `COMMIT` or `ROLLBACK`: is closed.
    InTransaction,
}

/// A connection of the pool. As [`Pool::acquire`](super::Pool::acquire) gives it, it is for single statements, each its own
/// transaction.
///
/// In autocommit a statement that writes is run with `execute` or `fetch_all`: `fetch_one` and `fetch_optional` return
/// with the first row, before the commit has been answered.
#[derive(Debug)]
pub struct Connection {
    /// None while it is being given back.
    inner: Option<PoolConnection<Postgres>>,
    checked: Instant,
    pub(super) state: State,
    kept: Arc<Kept>,
    _place: Place,
}

impl Kept {
    pub(super) fn new(pool: PgPool, places: u32, patience: Duration) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(usize::try_from(places).unwrap_or(Semaphore::MAX_PERMITS)));
        Arc::new(Self { pool, places, patience, clean: Mutex::default(), handover: Handover::default(), closed: AtomicBool::new(false) })
    }

    /// Waits for a place, in order and for a bounded time.
    pub(super) async fn place(&self) -> Result<Place, sqlx::Error> {
        let place = tokio::time::timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)
    }

    /// A place, if nobody has to be waited for.
    pub(super) fn free_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    pub(super) async fn lend(self: &Arc<Self>, place: Place) -> Result<Connection, sqlx::Error> {
        let (inner, checked) = match self.newest() {
            Some(clean) => (clean.connection, clean.checked),
            None => (self.pool.acquire().await?, Instant::now()),
        };
        Ok(Connection { inner: Some(inner), checked, state: State::Unknown, kept: Arc::clone(self), _place: place })
    }

    /// The others may idle until the server ends them.
    fn newest(&self) -> Option<Clean> {
        let mut clean = self.clean();
        let newest = clean.pop()?;
        if newest.since.elapsed() <= IDLE {
            return Some(newest);
        }
        clean.clear(); // all are older
        None
    }

    fn keep(&self, connection: PoolConnection<Postgres>, checked: Instant) {
        let mut clean = self.clean();
        if checked.elapsed() < CHECKED_EVERY && !self.closed.load(Ordering::Relaxed) {
            clean.push(Clean { connection, checked, since: Instant::now() });
        }
        let stale = clean.iter().take_while(|clean| clean.since.elapsed() > IDLE).count();
        clean.drain(..stale);
    }

    pub(super) async fn close(&self) {
        {
            let mut clean = self.clean();
            self.closed.store(true, Ordering::Relaxed);
            clean.clear();
        }
        self.pool.close().await;
    }

    fn clean(&self) -> MutexGuard<'_, Vec<Clean>> {
        self.clean.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// The last statement was answered to the end (`execute`, `fetch_all`), and in autocommit: the connection may be lent again as it is.
    pub fn answered(&mut self) {
        if self.state == State::Unknown {
            self.state = State::Clean;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else { return };
        match self.state {
            State::Clean => self.kept.keep(inner, self.checked),
            State::Unknown => {}
            State::InTransaction => inner.close_on_drop(),
        }
    }
}

/// Only a connection that is being dropped has none.
const GONE: &str = "a connection that was given back";

impl Deref for Connection {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        match &self.inner {
            Some(inner) => inner,
            None => unreachable!("{GONE}"),
        }
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        if self.state == State::Clean {
            self.state = State::Unknown; // whoever asks for it is about to send something
        }
        match &mut self.inner {
            Some(inner) => inner,
            None => unreachable!("{GONE}"),
        }
    }
}
