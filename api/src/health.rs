//! What `/readyz` asks of the parts around this process (NFR-108).

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use holdfast_eventlog::db::Pool;
use serde::Serialize;
use utoipa::ToSchema;

/// A check that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// One named question about a part that this process needs.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    /// False: the process is ready without it (NATS).
    required: bool,
    ask: Arc<dyn Fn() -> BoxFuture<'static, Result<String, Unwell>> + Send + Sync>,
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

impl Check {
    pub fn new<F>(name: &'static str, required: bool, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Unwell>> + Send + 'static,
    {
        Self { name, required, ask: Arc::new(move || Box::pin(ask())) }
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

    /// The answer, or that there was none in time. What was begun is not cancelled: it ends by the server's own timers.
    pub(crate) async fn run(&self, runtime: &tokio::runtime::Handle) -> CheckResult {
        let answer = tokio::time::timeout(PATIENCE, runtime.spawn((self.ask)())).await;
        let (ok, detail) = match answer {
            Ok(Ok(Ok(detail))) => (true, detail),
            Ok(Ok(Err(problem))) => (false, problem.0),
            Ok(Err(_)) => (false, "the check failed".to_owned()),
            Err(_) => (false, "no answer in time".to_owned()),
        };
        CheckResult { name: self.name, ok, required: self.required, detail }
    }
}

async fn select_one(pool: &Pool) -> Result<String, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *connection).await?;
    Ok("answers".to_owned())
}

fn hidden(name: &str, error: &sqlx::Error) -> Unwell {
    tracing::warn!(check = name, %error, "a readiness check failed");
    Unwell("does not answer".to_owned())
}
