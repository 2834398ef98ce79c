//! A signing provider for tests: a real HTTP server that remembers what it was asked, and what signs as it does.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) token: String,
    pub(crate) body: Value,
    pub(crate) answered: u16,
}

pub(crate) struct Peer {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    /// Refuses the first `failures` requests as a server that is not well does.
    pub(crate) async fn start(failures: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let remembered = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let remembered = Arc::clone(&remembered);
                let service = service_fn(move |request| answer(request, Arc::clone(&remembered), failures));
                tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
            }
        });
        Ok(Self { port, asked })
    }

    pub(crate) fn settings(&self) -> String {
        format!("[esign.http]\nbase_url = 'http://127.0.0.1:{}'\napi_key = 'key'\nwebhook_secret = '{SECRET}'\n", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    asked: Arc<Mutex<Vec<Asked>>>,
    failures: usize,
) -> Result<Response<String>, Infallible> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (path, key, token) = (request.uri().path().to_owned(), header("idempotency-key"), header("authorization"));
    let bytes = http_body_util::BodyExt::collect(request.into_body()).await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut asked = asked.lock().unwrap();
    let status = if asked.len() < failures { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let envelope_id = format!("env-{}", &body["metadata"]["contractId"].as_str().unwrap_or_default());
    asked.push(Asked { path, key, token, body, answered: status.as_u16() });
    let mut response = Response::new(json!({ "envelopeId": envelope_id }).to_string());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    Ok(response)
}

/// `sent` under a signature over `signed`.
pub(crate) fn signed_webhook(
    base_url: &str,
    id: &str,
    timestamp_s: i64,
    secret: &str,
    signed: &str,
    sent: &str,
) -> reqwest::RequestBuilder {
    let signature = standardwebhooks::Webhook::new(secret).unwrap().sign(id, timestamp_s, signed.as_bytes()).unwrap();
    reqwest::Client::new()
        .post(format!("{base_url}/v1/esign/webhook"))
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp_s.to_string())
        .header("webhook-signature", signature)
        .body(sent.to_owned())
}
