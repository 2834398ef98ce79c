//! Batches of several tenants that go on with one statement (decision 0025): those that come while one is under way go with the next.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_eventlog::db::Pool;
use tokio::sync::{Semaphore, oneshot};

use crate::runtime::checkpoint::{Going, advance_from};
use crate::runtime::memory::Stamp;

/// Statements under way. While one of them runs, the server and this process have something else to do too.
const AT_ONCE: usize = 2;

/// Events of a statement, after which it takes no further batch: batches that are long gain nothing from company.
const EVENTS: i64 = 500;

/// What a convoy has to write and nobody has sent yet. Each tenant has one batch at a time, so it is bounded by the tenants at once.
pub(super) struct Gathering {
    pub(super) pool: Pool,
    pub(super) projections: Vec<&'static str>,
    waiting: Mutex<VecDeque<Waiting>>,
    turns: Semaphore,
}

struct Waiting {
    going: Going,
    done: oneshot::Sender<Result<Stamp, sqlx::Error>>,
}

impl Gathering {
    pub(super) fn new(pool: Pool, projections: Vec<&'static str>) -> Self {
        Self { pool, projections, waiting: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// As [`advance_from`], for this one.
    pub(super) async fn go(&self, going: Going) -> Result<Stamp, sqlx::Error> {
        let (done, answer) = oneshot::channel();
        self.waiting().push_back(Waiting { going, done });
        {
            // Whoever's turn it is sends what has come meanwhile, whosever it is; each has a turn, so that nothing stays.
            let _turn = self.turns.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
            tokio::task::yield_now().await; // tenants are served at the same ticks: others are about to come
            let together = self.take();
            self.send(together).await;
        }
        answer.await.map_err(|_| sqlx::Error::WorkerCrashed)? // whoever sent it has been stopped
    }

    fn take(&self) -> Vec<Waiting> {
        let (mut waiting, mut events, mut taken) = (self.waiting(), 0, Vec::new());
        while events < EVENTS
            && let Some(next) = waiting.pop_front()
        {
            events += next.going.to - next.going.from.position;
            taken.push(next);
        }
        taken
    }

    async fn send(&self, together: Vec<Waiting>) {
        let (going, answers): (Vec<Going>, Vec<_>) = together.into_iter().map(|Waiting { going, done }| (going, done)).unzip();
        if going.is_empty() {
            return;
        }
        metrics::histogram!("holdfast_projection_batches_together").record(u32::try_from(going.len()).unwrap_or(u32::MAX));
        match advance_from(&self.pool, &self.projections, &going).await {
            Ok(xmin) => {
                for (Going { to, .. }, done) in going.into_iter().zip(answers) {
                    let _ = done.send(Ok(Stamp { position: to, xmin }));
                }
            }
            Err(error) if going.len() > 1 => {
                // One that does not stand where it was left holds nobody else back.
                tracing::debug!(%error, batches = going.len(), "batches go on one by one");
                for (going, done) in going.into_iter().zip(answers) {
                    let to = going.to;
                    let written = advance_from(&self.pool, &self.projections, &[going]).await;
                    let _ = done.send(written.map(|xmin| Stamp { position: to, xmin }));
                }
            }
            Err(error) => {
                if let Some(done) = answers.into_iter().next() {
                    let _ = done.send(Err(error));
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
