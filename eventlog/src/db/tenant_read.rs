//! Read-only transactions that see one tenant, handed on from one reader to the next. While connections are free every reader has
//! its own. When none is, whoever ends a reading gives the open transaction to the next who waits for the same tenant: it
//! saves the end, the beginning, and the way through the pool, which together cost more than a short query.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_domain::kernel::TenantId;
use sqlx::PgConnection;
use tokio::sync::oneshot;

use super::kept::Kept;
use super::{Pool, Tx};

/// Readers of one transaction; the next begins a new one, so that other tenants get a connection too.
const READERS: u32 = 16;
/// Not handed on after so long: it keeps old rows from being cleaned up, and its `now()` grows old.
const LASTS: Duration = Duration::from_millis(50);

/// A transaction for one reader. Every statement sees what is committed when it begins. Dropped before `end`, its connection is closed.
#[derive(Debug)]
pub struct TenantRead {
    tx: Tx,
    tenant_id: TenantId,
    kept: Arc<Kept>,
    begun: Instant,
    readers: u32,
    /// When this reader came.
    since: Instant,
    /// Numbers that only rise, as some reader has seen them, and when they were asked for.
    seen: HashMap<String, (i64, Instant)>,
}

/// Who waits, by tenant.
#[derive(Debug, Default)]
pub(super) struct Handover(Mutex<HashMap<TenantId, VecDeque<oneshot::Sender<TenantRead>>>>);

impl Handover {
    fn waiting(&self) -> MutexGuard<'_, HashMap<TenantId, VecDeque<oneshot::Sender<TenantRead>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, tenant_id: TenantId) -> oneshot::Receiver<TenantRead> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        let queue = waiting.entry(tenant_id).or_default();
        queue.retain(|sender| !sender.is_closed());
        queue.push_back(sender);
        receiver
    }

    /// Gives it to the first who still waits; gives it back when there is nobody.
    fn give(&self, mut read: TenantRead) -> Option<TenantRead> {
        loop {
            let mut waiting = self.waiting();
            let next = waiting.get_mut(&read.tenant_id).and_then(VecDeque::pop_front);
            let Some(next) = next else {
                waiting.remove(&read.tenant_id);
                return Some(read);
            };
            drop(waiting);
            match next.send(read) {
                Ok(()) => return None,
                Err(refused) => read = refused,
            }
        }
    }
}

impl Pool {
    /// A reading of one tenant's rows, in a transaction of its own or in one that another reader of the tenant has done with.
    ///
    /// # Errors
    /// When no connection is free in time or the server does not answer.
    pub async fn tenant_read(&self, tenant_id: TenantId) -> Result<TenantRead, sqlx::Error> {
        let since = Instant::now();
        let kept = self.postgres()?;
        if let Some(place) = kept.free_place() {
            return TenantRead::begin(kept, place, tenant_id, since).await;
        }
        let _until_had = super::Waiting::new(&self.waiting);
        let mut handed = kept.handover.wait(tenant_id);
        let place = tokio::select! {
            biased;
            Ok(read) = &mut handed => return Ok(read.taken_over(since)),
            place = kept.place() => place,
        };
        handed.close();
        match handed.try_recv() {
            Ok(read) => Ok(read.taken_over(since)), // it came in the same moment
            Err(_) => TenantRead::begin(kept, place?, tenant_id, since).await,
        }
    }
}

impl TenantRead {
    async fn begin(kept: &Arc<Kept>, place: super::kept::Place, tenant_id: TenantId, since: Instant) -> Result<Self, sqlx::Error> {
        let begin = format!("BEGIN READ ONLY; SET LOCAL app.tenant_id = '{}'", tenant_id.uuid());
        let tx = Tx::begin(kept.lend(place).await?, &begin).await?;
        Ok(Self { tx, tenant_id, kept: Arc::clone(kept), begun: Instant::now(), readers: 1, since, seen: HashMap::new() })
    }

    fn taken_over(mut self, since: Instant) -> Self {
        self.readers += 1;
        self.since = since;
        self
    }

    /// A number that only rises, if somebody has asked for it since this reader came.
    #[must_use]
    pub fn seen(&self, name: &str) -> Option<i64> {
        self.seen.get(name).filter(|(_, at)| *at >= self.since).map(|(number, _)| *number)
    }

    /// `asked`: when the statement was sent that has shown it.
    pub fn note(&mut self, name: String, number: i64, asked: Instant) {
        self.seen.insert(name, (number, asked));
    }

    /// Everything was read, and every statement went well.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn end(self) -> Result<(), sqlx::Error> {
        if self.readers >= READERS || self.begun.elapsed() >= LASTS {
            return self.tx.commit().await;
        }
        let kept = Arc::clone(&self.kept);
        match kept.handover.give(self) {
            Some(unwanted) => unwanted.tx.commit().await,
            None => Ok(()),
        }
    }
}

impl Deref for TenantRead {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for TenantRead {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}
