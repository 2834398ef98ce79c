//! One row by its key, for many readers at once: the keys that come while a statement is under way are asked for together by
//! the next one, as writers form their batches. A row of such a statement costs the server a tenth of a statement of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Pool, TenantRead};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::query::{QueryError, Read};

/// Keys in one statement; as many queries may be in work (`limits.queries`), so this only keeps answers even.
const MOST: usize = 256;
/// A transaction is given back after so long; somebody else may wait for the connection.
const LASTS: Duration = Duration::from_millis(20);

/// A row that has a key of its own.
pub trait Keyed: for<'r> FromRow<'r, PgRow> + Clone + Send + Unpin + 'static {
    /// Whose rows they are.
    const PROJECTION: &'static str;
    const TABLE: &'static str;
    /// The column of the key, a uuid.
    const KEY: &'static str;
    /// All columns of the row, the key too.
    const COLUMNS: &'static str;
}

/// Rows by their keys. Cheap to clone.
pub struct ByKey<R>(Arc<Readers<R>>);

struct Readers<R> {
    pool: Pool,
    /// `$1` tenant, `$2` keys, `$3` projection; one row at least.
    sql: String,
    /// A tenant is here while somebody asks for its rows: one statement per tenant at a time.
    waiting: Mutex<HashMap<TenantId, Vec<Waiting<R>>>>,
}

struct Waiting<R> {
    key: Uuid,
    answer: oneshot::Sender<Result<Read<Option<R>>, QueryError>>,
}

impl<R: Keyed> ByKey<R> {
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        let (table, key, columns) = (R::TABLE, R::KEY, R::COLUMNS);
        let sql = format!(
            "SELECT c.as_of_position, r.* FROM (
                 SELECT coalesce(max(position), 0) AS as_of_position FROM projection_checkpoints WHERE tenant_id = $1 AND projection = $3
             ) c LEFT JOIN (SELECT {columns} FROM {table} WHERE tenant_id = $1 AND {key} = ANY ($2)) r ON true"
        );
        Self(Arc::new(Readers { pool, sql, waiting: Mutex::default() }))
    }

    /// The row as it was committed at some moment after this call, and the position that it shows at least.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, tenant_id: TenantId, key: Uuid) -> Result<Read<Option<R>>, QueryError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { key, answer };
        let nobody_asks = match self.0.waiting().entry(tenant_id) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().push(waiting);
                false
            }
            Entry::Vacant(place) => {
                place.insert(vec![waiting]);
                true
            }
        };
        if nobody_asks {
            // A task of its own: whoever came first may go while others wait.
            tokio::spawn(Asking { readers: Arc::clone(&self.0), tenant_id, done: false }.run());
        }
        answered.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }
}

impl<R> Readers<R> {
    fn waiting(&self) -> MutexGuard<'_, HashMap<TenantId, Vec<Waiting<R>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks for a tenant's rows, until nobody waits for one.
struct Asking<R> {
    readers: Arc<Readers<R>>,
    tenant_id: TenantId,
    done: bool,
}

impl<R: Keyed> Asking<R> {
    async fn run(mut self) {
        let mut next = self.next();
        while let Some(asked) = next {
            next = self.read(asked).await;
        }
    }

    /// In one transaction, as long as somebody comes, but not so long that others wait for the connection. Gives who is next.
    async fn read(&mut self, mut asked: Vec<Waiting<R>>) -> Option<Vec<Waiting<R>>> {
        let begun = Instant::now();
        let mut read = match self.readers.pool.tenant_read(self.tenant_id).await {
            Ok(read) => read,
            Err(error) => {
                refuse(asked, error.into());
                return self.next();
            }
        };
        loop {
            match self.rows(&mut read, &asked).await {
                Ok((position, rows)) => asked.into_iter().for_each(|Waiting { key, answer }| {
                    let _ = answer.send(Ok(Read { position, value: rows.get(&key).cloned() }));
                }),
                Err(error) => {
                    refuse(asked, error);
                    return self.next();
                }
            }
            match self.next() {
                Some(next) if begun.elapsed() < LASTS => asked = next,
                next => {
                    if let Err(error) = read.end().await {
                        tracing::debug!(%error, "the end of a reading"); // everybody has an answer
                    }
                    return next;
                }
            }
        }
    }

    /// One statement, so one snapshot: the position of the checkpoint is what the rows show.
    async fn rows(&self, read: &mut TenantRead, asked: &[Waiting<R>]) -> Result<(i64, HashMap<Uuid, R>), QueryError> {
        let keys: Vec<Uuid> = asked.iter().map(|waiting| waiting.key).collect();
        let found =
            sqlx::query(&self.readers.sql).bind(self.tenant_id.uuid()).bind(keys).bind(R::PROJECTION).fetch_all(&mut **read).await?;
        let position = found.first().map(|row| row.try_get("as_of_position")).transpose()?;
        let rows = found.iter().filter_map(|row| match row.try_get::<Option<Uuid>, _>(R::KEY) {
            Ok(None) => None,
            Ok(Some(key)) => Some(R::from_row(row).map(|row| (key, row))),
            Err(error) => Some(Err(error)),
        });
        Ok((position.unwrap_or_default(), rows.collect::<Result<_, _>>()?))
    }

    /// None, and the tenant is gone, when nobody waits.
    fn next(&mut self) -> Option<Vec<Waiting<R>>> {
        let mut waiting = self.readers.waiting();
        let queue = waiting.get_mut(&self.tenant_id)?;
        queue.retain(|waiting| !waiting.answer.is_closed());
        if queue.is_empty() {
            waiting.remove(&self.tenant_id);
            self.done = true;
            return None;
        }
        let rest = queue.split_off(queue.len().min(MOST));
        Some(std::mem::replace(queue, rest))
    }
}

fn refuse<R>(asked: Vec<Waiting<R>>, error: QueryError) {
    let error = Arc::new(error);
    for waiting in asked {
        let _ = waiting.answer.send(Err(QueryError::Together(Arc::clone(&error))));
    }
}

impl<R> Drop for Asking<R> {
    /// When it was interrupted who waits is told so, and the next one asks anew.
    fn drop(&mut self) {
        if !self.done {
            self.readers.waiting().remove(&self.tenant_id);
        }
    }
}

impl<R> Clone for ByKey<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> fmt::Debug for ByKey<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey").finish_non_exhaustive()
    }
}
