//! Vault's transit engine as its API documentation describes it, with real AES-256-GCM, key versions, and faults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use holdfast_eventlog::keys::{Kms, VaultKms, VaultSettings};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// As after a restart, until somebody unseals it.
    Sealed,
    Unavailable,
    TokenRevoked,
    /// Longer than anybody waits.
    Silent,
    /// A proxy in between has an opinion.
    NotJson,
    /// The engine was unmounted.
    NoMount,
}

struct State {
    /// Version 1 first.
    keys: Mutex<Vec<[u8; 32]>>,
    least_version: AtomicU32,
    fault: Mutex<(Fault, u32)>,
    asked: AtomicU32,
}

pub(crate) struct Vault {
    state: Arc<State>,
    address: SocketAddr,
    token_file: PathBuf,
    server: tokio::task::JoinHandle<()>,
}

impl Vault {
    pub(crate) const TOKEN: &'static str = "hvs.a-token-of-a-test";

    pub(crate) async fn start() -> Self {
        let state = Arc::new(State {
            keys: Mutex::new(vec![[11; 32]]),
            least_version: AtomicU32::new(1),
            fault: Mutex::new((Fault::Sealed, 0)),
            asked: AtomicU32::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = state.clone();
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = serving.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let token_file = std::env::temp_dir().join(format!("holdfast-vault-{}", Uuid::new_v4().simple()));
        let vault = Self { state, address, token_file, server };
        vault.write_token(Self::TOKEN);
        vault
    }

    pub(crate) fn settings(&self) -> VaultSettings {
        self.settings_at(&format!("http://{}", self.address))
    }

    pub(crate) fn settings_at(&self, address: &str) -> VaultSettings {
        VaultSettings {
            address: address.to_owned(),
            mount: "transit".to_owned(),
            key: "holdfast".to_owned(),
            token_file: self.token_file.clone(),
            namespace: Some("escrow".to_owned()),
            ca_pem: None,
            timeout: Duration::from_millis(300),
        }
    }

    pub(crate) fn kms(&self) -> Arc<dyn Kms> {
        Arc::new(VaultKms::try_new(self.settings()).unwrap())
    }

    /// As agents write it, with a line feed.
    pub(crate) fn write_token(&self, token: &str) {
        std::fs::write(&self.token_file, format!("{token}\n")).unwrap();
    }

    pub(crate) fn rotate(&self) {
        let mut keys = self.state.keys.lock().unwrap();
        let next = u8::try_from(keys.len()).unwrap() + 11;
        keys.push([next; 32]);
    }

    /// `min_decryption_version`.
    pub(crate) fn forget_before(&self, version: u32) {
        self.state.least_version.store(version, Ordering::SeqCst);
    }

    /// For the next so many requests.
    pub(crate) fn fail(&self, fault: Fault, times: u32) {
        *self.state.fault.lock().unwrap() = (fault, times);
    }

    pub(crate) fn asked(&self) -> u32 {
        self.state.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.server.abort();
        let _ = std::fs::remove_file(&self.token_file);
    }
}

type Answer = Response<Full<Bytes>>;

fn said(status: u16, body: &Value) -> Answer {
    Response::builder().status(status).header("Content-Type", "application/json").body(Full::from(body.to_string())).unwrap()
}

fn refused(status: u16, why: &str) -> Answer {
    said(status, &json!({ "errors": [why] }))
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, std::convert::Infallible> {
    state.asked.fetch_add(1, Ordering::SeqCst);
    let fault = {
        let mut fault = state.fault.lock().unwrap();
        let now = (fault.1 > 0).then_some(fault.0);
        fault.1 = fault.1.saturating_sub(u32::from(fault.1 != u32::MAX));
        now
    };
    match fault {
        Some(Fault::Sealed) => return Ok(refused(503, "Vault is sealed")),
        Some(Fault::Unavailable) => return Ok(refused(500, "internal error")),
        Some(Fault::TokenRevoked) => return Ok(refused(403, "permission denied")),
        Some(Fault::NoMount) => return Ok(refused(404, "no handler for route \"transit\"")),
        Some(Fault::NotJson) => return Ok(Response::new(Full::from("<html>it works</html>"))),
        Some(Fault::Silent) => tokio::time::sleep(Duration::from_secs(30)).await,
        None => {}
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if header("X-Vault-Token") != Vault::TOKEN || header("X-Vault-Namespace") != "escrow" || header("X-Vault-Request") != "true" {
        return Ok(refused(403, "permission denied"));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body: Value = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    Ok(match (method.as_str(), path.as_str()) {
        ("POST", "/v1/transit/encrypt/holdfast") => encrypt(&state, &body),
        ("POST", "/v1/transit/decrypt/holdfast") => decrypt(&state, &body),
        _ => refused(404, "no handler for route"),
    })
}

fn field(body: &Value, name: &str) -> Vec<u8> {
    BASE64.decode(body[name].as_str().unwrap()).unwrap()
}

fn encrypt(state: &State, body: &Value) -> Answer {
    let keys = state.keys.lock().unwrap();
    let (version, nonce) = (keys.len(), *Uuid::new_v4().as_bytes().first_chunk::<12>().unwrap());
    let (plaintext, data) = (field(body, "plaintext"), field(body, "associated_data"));
    let sealed = Aes256Gcm::new(&keys[version - 1].into()).encrypt(&Nonce::from(nonce), Payload { msg: &plaintext, aad: &data }).unwrap();
    let ciphertext = format!("vault:v{version}:{}", BASE64.encode([nonce.as_slice(), &sealed].concat()));
    said(200, &json!({ "request_id": Uuid::new_v4(), "data": { "ciphertext": ciphertext, "key_version": version } }))
}

fn decrypt(state: &State, body: &Value) -> Answer {
    let keys = state.keys.lock().unwrap();
    let text = body["ciphertext"].as_str().unwrap();
    let Some((version, sealed)) = text.strip_prefix("vault:v").and_then(|text| text.split_once(':')) else {
        return refused(400, "invalid ciphertext: no prefix");
    };
    let version: u32 = version.parse().unwrap();
    if version < state.least_version.load(Ordering::SeqCst) {
        return refused(400, "ciphertext or signature version is disallowed by policy (too old)");
    }
    let Some(key) = keys.get(usize::try_from(version).unwrap() - 1) else { return refused(400, "invalid ciphertext: version is too new") };
    let sealed = BASE64.decode(sealed).unwrap();
    let (nonce, sealed) = sealed.split_first_chunk::<12>().unwrap();
    let data = field(body, "associated_data");
    match Aes256Gcm::new(&(*key).into()).decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &data }) {
        Ok(plaintext) => said(200, &json!({ "request_id": Uuid::new_v4(), "data": { "plaintext": BASE64.encode(plaintext) } })),
        Err(_) => refused(400, "cipher: message authentication failed"),
    }
}
