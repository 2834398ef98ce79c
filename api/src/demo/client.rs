//! An HTTP client that behaves as a careful one should: a request that got no answer is repeated with its key.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// So long a request is repeated before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);
const ONE_TRY: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base_url: String,
    log: Mutex<Vec<Timing>>,
    retries: AtomicU64,
}

/// The try of a request that was answered.
#[derive(Debug, Clone, Copy)]
struct Timing {
    is_command: bool,
    micros: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) token: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) key: Option<String>,
    pub(super) min_position: Option<i64>,
    pub(super) body: Option<Value>,
    /// A plain text that goes to the address of an upload ticket as it is; `path` is then that address.
    pub(super) file: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) replayed: bool,
}

impl Answer {
    /// The stable code of a refusal; empty for successes.
    pub(super) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(super) fn describe(&self) -> String {
        format!("{} {}", self.status, self.body)
    }
}

impl Http {
    pub(super) fn new(base_url: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(ONE_TRY).pool_max_idle_per_host(64).build().context("cannot make an HTTP client")?;
        Ok(Self { client, base_url: base_url.trim_end_matches('/').to_owned(), log: Mutex::default(), retries: AtomicU64::new(0) })
    }

    /// Repeats while there is no answer, or one that says "not now".
    pub(super) async fn call(&self, call: &Call) -> anyhow::Result<Answer> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let tried = Instant::now();
            let problem = match self.once(call).await {
                Ok((answer, headers)) => match not_now(&answer, &headers) {
                    None => {
                        self.record(call, tried);
                        return Ok(answer);
                    }
                    Some(wait) => {
                        pause = pause.max(wait.min(Duration::from_secs(1)));
                        answer.describe()
                    }
                },
                Err(error) => format!("{error:#}"),
            };
            if started.elapsed() > PATIENCE {
                bail!("{} {} was not answered for {} s: {problem}", call.method, call.path, PATIENCE.as_secs());
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn once(&self, call: &Call) -> anyhow::Result<(Answer, HeaderMap)> {
        let url = if call.path.starts_with('/') { format!("{}{}", self.base_url, call.path) } else { call.path.clone() };
        let mut request = self.client.request(call.method.clone(), url);
        if let Some(file) = &call.file {
            request = request.header("Content-Type", "text/plain").body(file.clone());
        }
        if let Some(token) = &call.token {
            request = request.bearer_auth(token);
        }
        let headers = [
            ("X-Tenant-Id", call.tenant.clone()),
            ("Idempotency-Key", call.key.clone()),
            ("X-Min-Position", call.min_position.map(|n| n.to_string())),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let replayed = headers.get("Idempotency-Replayed").is_some_and(|value| value == "true");
        Ok((Answer { status, body, replayed }, headers))
    }

    fn record(&self, call: &Call, tried: Instant) {
        let micros = u64::try_from(tried.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(Timing { is_command: call.method != Method::GET, micros });
    }

    /// Sorted times of all commands, or of all queries.
    pub(super) fn micros(&self, commands: bool) -> Vec<u64> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut micros: Vec<u64> = log.iter().filter(|timing| timing.is_command == commands).map(|timing| timing.micros).collect();
        micros.sort_unstable();
        micros
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}

/// How long to wait when the answer asks to be asked again.
fn not_now(answer: &Answer, headers: &HeaderMap) -> Option<Duration> {
    let later = answer.status == StatusCode::SERVICE_UNAVAILABLE
        || answer.status == StatusCode::TOO_MANY_REQUESTS
        || answer.status == StatusCode::BAD_GATEWAY
        || answer.code() == "IDEMPOTENCY_KEY_IN_FLIGHT";
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    later.then(|| Duration::from_secs(seconds))
}
