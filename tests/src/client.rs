//! A caller with a token.

use holdfast_domain::kernel::TenantId;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use uuid::Uuid;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    pub tenant_id: TenantId,
    pub token: String,
}

/// Status, headers that matter, body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub text: String,
    pub position: Option<i64>,
    pub replayed: bool,
    pub headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// The stable code of an error.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The id of a created or changed thing.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.body["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
    }
}

impl Client {
    #[must_use]
    pub fn new(base_url: &str, tenant_id: TenantId, token: &str) -> Self {
        Self { http: reqwest::Client::new(), base_url: base_url.to_owned(), tenant_id, token: token.to_owned() }
    }

    /// A request with token and tenant; nothing else.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base_url))
            .bearer_auth(&self.token)
            .header("X-Tenant-Id", self.tenant_id.to_string())
    }

    /// A command under a fresh key.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        self.post_keyed(path, body, &Uuid::new_v4().to_string()).await
    }

    /// # Errors
    /// When no answer came.
    pub async fn post_keyed(&self, path: &str, body: &Value, key: &str) -> reqwest::Result<Answer> {
        send(self.request(Method::POST, path).header("Idempotency-Key", key).json(body)).await
    }

    /// # Errors
    /// When no answer came.
    pub async fn get(&self, path: &str) -> reqwest::Result<Answer> {
        send(self.request(Method::GET, path)).await
    }

    /// Waits until the read model has reached `position`.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn get_at(&self, path: &str, position: i64) -> reqwest::Result<Answer> {
        send(self.request(Method::GET, path).header("X-Min-Position", position)).await
    }
}

/// Sends and reads the whole answer.
///
/// # Errors
/// When no answer came.
pub async fn send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let position = header("x-position").and_then(|position| position.parse().ok());
    let replayed = header("idempotency-replayed").as_deref() == Some("true");
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    // A stream has no end.
    let text = if header("content-type").as_deref() == Some("text/event-stream") { String::new() } else { response.text().await? };
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status, body, text, position, replayed, headers })
}
