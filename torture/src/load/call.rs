//! One command and its tries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::cast::Seat;
use crate::history::History;
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(10);

/// A request as it is sent at every try.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub seat: Seat,
    pub key: String,
    pub body: Value,
}

/// What is known after a try.
#[derive(Debug, Clone)]
pub enum Outcome {
    Ok(Value),
    /// Finally, as far as this request goes.
    Refused(String),
    /// No answer, or one that says "later" or "I do not know".
    Unknown,
}

/// Sends and records.
#[derive(Debug)]
pub struct Http {
    client: reqwest::Client,
    base_urls: Vec<String>,
    history: Arc<History>,
    begun: Instant,
    tries: AtomicU64,
}

impl Http {
    pub(super) fn new(world: &World) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).connect_timeout(Duration::from_secs(2)).build()?;
        let history = Arc::clone(&world.history);
        Ok(Self { client, base_urls: world.base_urls(), history, begun: Instant::now(), tries: AtomicU64::new(0) })
    }

    /// To one of the api processes; `which` chooses.
    pub async fn send(&self, call: &Call, which: u64) -> Outcome {
        let number = self.tries.fetch_add(1, Ordering::Relaxed);
        let index = usize::try_from(which % self.base_urls.len().max(1) as u64).unwrap_or(0);
        let Seat { tenant, party, role, token } = &call.seat;
        self.history.record(&json!({
            "phase": "invoke", "try": number, "key": call.key, "t_ms": self.now_ms(), "api": index, "method": call.method,
            "path": call.path, "tenant": tenant, "party": party, "role": role, "body": call.body,
        }));
        let method = call.method.parse().unwrap_or(reqwest::Method::POST);
        let request = self.client.request(method, format!("{}{}", self.base_urls[index], call.path)).bearer_auth(token);
        let request = request.header("X-Tenant-Id", tenant.to_string()).header("Idempotency-Key", &call.key).json(&call.body);
        let answer = answer(request).await;
        let (outcome, entry) = match answer {
            Ok((status, headers, body)) => {
                let outcome = judge(status, &body);
                let mut entry = json!({ "phase": "answer", "status": status, "body": body });
                entry["replayed"] = json!(headers.get("idempotency-replayed").is_some_and(|value| value == "true"));
                entry["position"] = json!(headers.get("x-position").and_then(|value| value.to_str().ok()));
                (outcome, entry)
            }
            Err(error) => (Outcome::Unknown, json!({ "phase": "answer", "error": format!("{error:#}") })),
        };
        let name = match outcome {
            Outcome::Ok(_) => "ok",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown => "unknown",
        };
        let mut entry = entry;
        entry["outcome"] = json!(name);
        entry["try"] = json!(number);
        entry["key"] = json!(call.key);
        entry["tenant"] = json!(tenant);
        entry["party"] = json!(party);
        entry["t_ms"] = json!(self.now_ms());
        self.history.record(&entry);
        outcome
    }

    /// A query; not recorded, and nothing when it fails.
    pub async fn get(&self, seat: &Seat, path: &str) -> Option<Value> {
        let request = self.client.get(format!("{}{path}", self.base_urls.first()?)).bearer_auth(&seat.token);
        let (status, _, body) = answer(request.header("X-Tenant-Id", seat.tenant.to_string())).await.ok()?;
        (status == 200).then_some(body)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, reqwest::header::HeaderMap, Value)> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    Ok((status, headers, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

fn judge(status: u16, body: &Value) -> Outcome {
    let code = body["error"]["code"].as_str().unwrap_or_default();
    match status {
        200..300 => Outcome::Ok(body.clone()),
        _ if code == "IDEMPOTENCY_KEY_IN_FLIGHT" => Outcome::Unknown,
        408 | 429 | 500.. => Outcome::Unknown,
        _ => Outcome::Refused(code.to_owned()),
    }
}

/// The id that an answer names.
pub(super) fn id_of(body: &Value) -> Option<Uuid> {
    body["id"].as_str()?.parse().ok()
}
