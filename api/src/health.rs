//! What `/readyz` asks of the parts around this process (NFR-108).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::Pool;
use holdfast_files::Files;
use holdfast_projections::positions::checkpoints;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// A check that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a read model may take before it counts as late.
const GRACE: TimeDelta = TimeDelta::seconds(5);
const TENANTS_LOOKED_AT: usize = 20;
/// Looking whether files can be kept costs a write or a call to somebody else: anybody may ask, nobody makes us look more often.
const FILES_LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

/// One named question about a part that this process needs.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    /// False: the process is ready without it (NATS).
    required: bool,
    ask: Arc<dyn Fn() -> BoxFuture<'static, Result<String, Unwell>> + Send + Sync>,
    /// Whoever looks holds it: anybody may ask, and nobody makes us look more than once at a time.
    seen: Arc<Mutex<Option<Seen>>>,
}

/// What is wrong, for operators. Shown to anyone who asks, so it names no host, user or statement.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unwell(pub String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    pub name: &'static str,
    pub ok: bool,
    pub required: bool,
    /// A few words.
    pub detail: String,
}

/// What a check said last, and when it began to look.
type Seen = (Instant, Result<String, Unwell>);

impl Check {
    pub fn new<F>(name: &'static str, required: bool, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Unwell>> + Send + 'static,
    {
        Self { name, required, ask: Arc::new(move || Box::pin(ask())), seen: Arc::default() }
    }

    /// A database that must answer.
    #[must_use]
    pub fn database(name: &'static str, pool: Pool) -> Self {
        Self::new(name, true, move || {
            let pool = pool.clone();
            async move { select_one(&pool).await.map_err(|error| hidden(name, &error)) }
        })
    }

    /// The process is ready without NATS: everything follows the log itself (protocols 6).
    #[must_use]
    pub fn nats(client: async_nats::Client) -> Self {
        Self::new("nats", false, move || {
            let state = client.connection_state();
            async move {
                match state {
                    async_nats::connection::State::Connected => Ok("connected".to_owned()),
                    async_nats::connection::State::Pending | async_nats::connection::State::Disconnected => {
                        Err(Unwell("not connected".to_owned()))
                    }
                }
            }
        })
    }

    /// Whether the read models follow the log. Late ones do not make the process unready: what it answers says its
    /// position, and taking it out of service would not help the projector.
    #[must_use]
    pub fn projector_lag(log: EventLog, read: Pool) -> Self {
        Self::new("projector_lag", false, move || {
            let (log, read) = (log.clone(), read.clone());
            async move {
                let behind = lag(&log, &read).await.map_err(|error| {
                    tracing::warn!(%error, "the lag of the read models is not known");
                    Unwell("not known".to_owned())
                })?;
                metrics::gauge!("holdfast_projector_lag_events").set(f64::from(u32::try_from(behind).unwrap_or(u32::MAX)));
                if behind == 0 { Ok("read models are up to date".to_owned()) } else { Err(Unwell(format!("up to {behind} events behind"))) }
            }
        })
    }

    /// Whether files can be kept. Money moves without them.
    #[must_use]
    pub fn files(files: Arc<Files>) -> Self {
        let last: Arc<Mutex<Option<Seen>>> = Arc::default();
        Self::new("files", false, move || {
            let (files, last) = (Arc::clone(&files), Arc::clone(&last));
            async move {
                let mut last = last.lock().await;
                if let Some((at, answer)) = &*last
                    && at.elapsed() < FILES_LOOKED_AT_EVERY
                {
                    return answer.clone();
                }
                let answer = files.health().await.map(|()| "answers".to_owned()).map_err(|error| {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the file storage does not answer");
                    Unwell("does not answer".to_owned())
                });
                *last = Some((Instant::now(), answer.clone()));
                answer
            }
        })
    }

    /// The answer, or that there was none in time. What was begun is not cancelled: it ends by the server's own timers.
    pub(crate) async fn run(&self, runtime: &tokio::runtime::Handle) -> CheckResult {
        let (ok, detail) = match tokio::time::timeout(PATIENCE, self.look(runtime)).await {
            Ok(Ok(detail)) => (true, detail),
            Ok(Err(problem)) => (false, problem.0),
            Err(_) => (false, "no answer in time".to_owned()),
        };
        CheckResult { name: self.name, ok, required: self.required, detail }
    }

    /// An answer that was looked for since the question: those who wait for their turn share the next one.
    async fn look(&self, runtime: &tokio::runtime::Handle) -> Result<String, Unwell> {
        let asked = Instant::now();
        let mut seen = Arc::clone(&self.seen).lock_owned().await;
        if let Some((begun, answer)) = &*seen
            && *begun >= asked
        {
            return answer.clone();
        }
        let asking = (self.ask)();
        let looking = runtime.spawn(async move {
            let begun = Instant::now();
            let answer = asking.await;
            *seen = Some((begun, answer.clone()));
            answer
        });
        looking.await.unwrap_or_else(|_| Err(Unwell("the check failed".to_owned())))
    }
}

async fn select_one(pool: &Pool) -> Result<String, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *connection).await?;
    Ok("answers".to_owned())
}

/// The most that any projection is behind, among the tenants that were written to last. What was written a moment ago
/// is not late yet.
async fn lag(log: &EventLog, read: &Pool) -> anyhow::Result<i64> {
    let now = chrono::Utc::now();
    let mut heads: Vec<_> = log.heads().await?.into_iter().filter(|(_, (_, at))| now - at > GRACE).collect();
    heads.sort_unstable_by_key(|(_, (_, at))| std::cmp::Reverse(*at));
    let projections = holdfast_projections::all_projections();
    let mut most = 0;
    for (tenant_id, (head, _)) in heads.into_iter().take(TENANTS_LOOKED_AT) {
        let reached: HashMap<String, i64> = checkpoints(read, tenant_id).await?.into_iter().collect();
        let least = projections.iter().map(|projection| reached.get(projection.name()).copied().unwrap_or(0)).min();
        most = most.max(head - least.unwrap_or(head));
    }
    Ok(most)
}

fn hidden(name: &str, error: &sqlx::Error) -> Unwell {
    tracing::warn!(check = name, %error, "a readiness check failed");
    Unwell("does not answer".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn however_many_ask_one_looks_at_a_time_and_nobody_gets_an_old_answer() {
        // NFR-108
        let looks = Arc::new(AtomicUsize::new(0));
        let check = Check::new("slow", true, {
            let looks = Arc::clone(&looks);
            move || {
                let look = looks.fetch_add(1, Ordering::SeqCst) + 1;
                async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(look.to_string())
                }
            }
        });
        let runtime = tokio::runtime::Handle::current();
        let answers = futures::future::join_all((0..100).map(|_| check.run(&runtime))).await;
        assert!(answers.iter().all(|answer| answer.ok));
        assert!(looks.load(Ordering::SeqCst) <= 2, "{looks:?}");
        let before = looks.load(Ordering::SeqCst);
        assert_eq!(check.run(&runtime).await.detail, (before + 1).to_string());
    }
}
