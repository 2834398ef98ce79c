//! Load over HTTP. Rates are taken from connections that are never idle; latencies from an open loop: requests are sent at their time
//! whatever became of the earlier ones, and a latency begins when its request was to be sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::http::{Answer, Connection};
use crate::measure::{Outcome, number};

/// Makes requests and is told what became of them.
pub(crate) trait Requests: Send + Sync + 'static {
    type Ticket: Send;

    fn next(&self) -> (Vec<u8>, Self::Ticket);

    /// The answer to the request of that ticket.
    ///
    /// # Errors
    /// What is wrong with it.
    fn answered(&self, ticket: Self::Ticket, answer: &Answer) -> Result<(), String>;
}

/// What a load did.
pub(crate) struct Tally {
    pub(crate) outcome: Outcome,
    /// Answers 429 and 503 with `Retry-After`: refused for load, not errors.
    pub(crate) shed: u64,
}

pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) length: Duration,
}

impl Load {
    /// Every connection sends its next request as soon as it has its answer.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(crate) async fn closed<R: Requests>(&self, requests: &Arc<R>) -> anyhow::Result<Tally> {
        self.run(requests, Pace::Closed).await
    }

    /// So many requests per second, at equal distances. Requests wait for a connection when all are busy: their latency runs already.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(crate) async fn open<R: Requests>(&self, requests: &Arc<R>, per_second: f64) -> anyhow::Result<Tally> {
        let pace = Pace::Open { every: Duration::from_secs_f64(1.0 / per_second.max(0.1)), next: Arc::default() };
        self.run(requests, pace).await
    }

    async fn run<R: Requests>(&self, requests: &Arc<R>, pace: Pace) -> anyhow::Result<Tally> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(self.address).await?);
        }
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for connection in connections {
            tasks.spawn(worker(connection, Arc::clone(requests), pace.clone(), begun, self.length));
        }
        let mut all = Tally { outcome: Outcome::empty()?, shed: 0 };
        while let Some(part) = tasks.join_next().await {
            let part = part??;
            all.outcome.add(&part.outcome);
            all.shed += part.shed;
        }
        Ok(all)
    }
}

#[derive(Clone)]
enum Pace {
    Closed,
    Open { every: Duration, next: Arc<AtomicU64> },
}

impl Pace {
    /// When the next request is to be sent; none when the load is over.
    fn next(&self, begun: Instant, length: Duration) -> Option<Instant> {
        let at = match self {
            Self::Closed => Instant::now(),
            Self::Open { every, next } => begun + every.mul_f64(number(next.fetch_add(1, Ordering::Relaxed))),
        };
        (at.saturating_duration_since(begun) < length).then_some(at)
    }
}

async fn worker<R: Requests>(
    mut connection: Connection,
    requests: Arc<R>,
    pace: Pace,
    begun: Instant,
    length: Duration,
) -> anyhow::Result<Tally> {
    let mut tally = Tally { outcome: Outcome::empty()?, shed: 0 };
    while let Some(at) = pace.next(begun, length) {
        if at > Instant::now() {
            tokio::time::sleep_until(at.into()).await;
        }
        let (request, ticket) = requests.next();
        let answer = match connection.send(&request).await {
            Ok(answer) if matches!(answer.status, 429 | 503) && answer.has_retry_after => {
                tally.shed += 1;
                continue;
            }
            Ok(answer) => requests.answered(ticket, &answer),
            Err(error) => Err(error.to_string()),
        };
        tally.outcome.note(at.elapsed(), answer);
    }
    tally.outcome.length = begun.elapsed();
    Ok(tally)
}
