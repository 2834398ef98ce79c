//! The two backends, each with a server at 127.0.0.1 and all its files in one folder that a test can look into.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chrono::Utc;
use holdfast_domain::kernel::{AssetId, DomainError as _, ErrorKind, TenantId};
use holdfast_files::{
    Backend, Checksum, Confirmed, ContentType, Expected, Files, FilesError, FilesSettings, Refusal, S3Settings, UploadTicket, attachment,
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use uuid::Uuid;

pub(crate) const BUCKET: &str = "evidence";
pub(crate) const SECRET: &str = "the secret of the bucket";
pub(crate) const TENANT: TenantId = TenantId(Uuid::from_u128(0x7e));
pub(crate) const OTHER_TENANT: TenantId = TenantId(Uuid::from_u128(0x7f));

pub(crate) struct Peer {
    pub(crate) files: Files,
    pub(crate) http: reqwest::Client,
    pub(crate) settings: FilesSettings,
    server: Server,
    root: TempDir,
}

#[derive(Clone)]
enum Server {
    /// Ours; the `Files` it works with are the ones that the test opened last.
    Api(Arc<Mutex<Option<Files>>>),
    S3,
}

impl Peer {
    pub(crate) async fn folder() -> Self {
        let root = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = Backend::Local {
            folder: root.path().join("files"),
            public_base_url: format!("http://{}", listener.local_addr().unwrap()),
            link_key: [7; 32].into(),
        };
        let files = Arc::new(Mutex::new(None));
        tokio::spawn(serve_api(listener, files.clone()));
        Self::over(backend, Server::Api(files), root)
    }

    pub(crate) async fn bucket() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let address = serve_s3(root.path()).await;
        Self::over(Backend::S3(s3(address)), Server::S3, root)
    }

    fn over(backend: Backend, server: Server, root: TempDir) -> Self {
        let settings = FilesSettings::over(backend);
        let files = Files::open(&settings).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { files, http, settings, server, root }.with(|_| {})
    }

    /// The same backend under other settings.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut FilesSettings)) -> Self {
        change(&mut self.settings);
        self.files = Files::open(&self.settings).unwrap();
        if let Server::Api(files) = &self.server {
            *files.lock().unwrap() = Some(self.files.clone());
        }
        self
    }

    pub(crate) const fn is_bucket(&self) -> bool {
        matches!(self.server, Server::S3)
    }

    pub(crate) fn folder_of_files(&self) -> PathBuf {
        self.root.path().join(if self.is_bucket() { BUCKET } else { "files" })
    }

    /// Every file that is really there, as the disk has it.
    pub(crate) fn on_disk(&self) -> Vec<String> {
        let root = self.folder_of_files();
        let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    pub(crate) async fn ticket(&self, tenant: TenantId, asset: AssetId, mime: &str, size: usize) -> UploadTicket {
        self.files.presign_upload(tenant, asset, ContentType::of(mime).unwrap(), size as u64, Utc::now()).await.unwrap()
    }

    /// Sends what the ticket says, as a browser would.
    pub(crate) async fn send(&self, ticket: &UploadTicket, content: &[u8]) -> StatusCode {
        self.send_to(&ticket.url, ticket, content).await
    }

    pub(crate) async fn send_to(&self, url: &str, ticket: &UploadTicket, content: &[u8]) -> StatusCode {
        assert_eq!(ticket.method, "PUT");
        let mut request = self.http.put(url).body(content.to_vec());
        for (name, value) in &ticket.headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status()
    }

    pub(crate) async fn upload(&self, asset: AssetId, mime: &str, content: &[u8]) {
        let ticket = self.ticket(TENANT, asset, mime, content.len()).await;
        let status = self.send(&ticket, content).await;
        assert!(status.is_success(), "{status}");
    }

    pub(crate) async fn confirm(&self, asset: AssetId, mime: &str, content: &[u8]) -> Result<Confirmed, FilesError> {
        self.files.confirm(TENANT, asset, expected(mime, content)).await
    }
}

pub(crate) fn asset(n: u128) -> AssetId {
    AssetId(Uuid::from_u128(0xa5_0000 + n))
}

/// As announced by somebody who tells the truth and gives no checksum.
pub(crate) fn expected(mime: &str, content: &[u8]) -> Expected {
    Expected { content_type: ContentType::of(mime).unwrap(), size: content.len() as u64, sha256: None }
}

pub(crate) fn with_checksum(mime: &str, content: &[u8]) -> Expected {
    Expected { sha256: Some(Checksum::of(content)), ..expected(mime, content) }
}

pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, FilesError>) -> Refusal {
    match answer {
        Err(FilesError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn s3(address: SocketAddr) -> S3Settings {
    S3Settings {
        endpoint: Some(format!("http://{address}")),
        public_endpoint: None,
        bucket: BUCKET.to_owned(),
        region: "eu-central-1".to_owned(),
        access_key_id: "holdfast".to_owned(),
        secret_access_key: SECRET.into(),
        path_style: true,
        allow_http: true,
    }
}

async fn serve_s3(root: &Path) -> SocketAddr {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("holdfast", SECRET));
    let s3 = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // A bucket replaces an object at once, this server copies into the file that others are reading: copies are alone.
    let copying = Arc::new(RwLock::new(()));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (s3, copying) = (s3.clone(), copying.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (s3, copying) = (s3.clone(), copying.clone());
                async move {
                    let request = request.map(s3s::Body::from);
                    if request.headers().contains_key("x-amz-copy-source") {
                        let _alone = copying.write().await;
                        whole(s3.call(request).await).await
                    } else {
                        let _beside_others = copying.read().await;
                        whole(s3.call(request).await).await
                    }
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

/// The answer with all of its body read.
async fn whole(answer: Result<Response<s3s::Body>, s3s::HttpError>) -> Result<Response<Full<Bytes>>, s3s::HttpError> {
    let (head, body) = answer?.into_parts();
    Ok(Response::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes())))
}

async fn serve_api(listener: TcpListener, files: Arc<Mutex<Option<Files>>>) {
    while let Ok((socket, _)) = listener.accept().await {
        let files = files.clone();
        let service = service_fn(move |request| {
            let files = files.lock().unwrap().clone().unwrap();
            async move { Ok::<_, std::convert::Infallible>(answer(files, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

/// What our API does with `/v1/files/<token>`.
async fn answer(files: Files, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let Some(token) = path.strip_prefix("/v1/files/") else { return status(StatusCode::NOT_FOUND) };
    let answer = match *request.method() {
        Method::PUT => take(&files, token, request).await,
        Method::GET => give(&files, token).await,
        _ => return status(StatusCode::METHOD_NOT_ALLOWED),
    };
    answer.unwrap_or_else(|error| match error {
        FilesError::Unavailable(_) => status(StatusCode::SERVICE_UNAVAILABLE),
        FilesError::Refused(refusal) => status(match refusal.describe().0 {
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        }),
    })
}

async fn take(files: &Files, token: &str, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, FilesError> {
    let target = files.open_upload(token, Utc::now())?;
    files.write(&target, request.into_body().into_data_stream()).await?;
    Ok(status(StatusCode::NO_CONTENT))
}

async fn give(files: &Files, token: &str) -> Result<Response<Full<Bytes>>, FilesError> {
    let download = files.open_download(token, Utc::now())?;
    let content = files.read(&download.key).await?.into_bytes().await?;
    let response = Response::builder()
        .header(header::CONTENT_TYPE, download.content_type.mime())
        .header(header::CONTENT_DISPOSITION, attachment(&download.file_name));
    Ok(response.body(Full::new(content)).unwrap())
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}
