//! The way of a file when it lies in a bucket: links lead to an S3 server, in this process, that checks their signatures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, System, expect, send};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::Method;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

const BUCKET: &str = "evidence";
const SECRET: &str = "the secret of the bucket";

/// A server whose buckets are folders of `root`.
async fn serve_s3(root: &Path) -> SocketAddr {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("holdfast", SECRET));
    let s3 = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let s3 = s3.clone();
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let s3 = s3.clone();
                async move { s3.call(request.map(s3s::Body::from)).await }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

async fn put(ticket: &Answer, content: &'static [u8]) -> anyhow::Result<u16> {
    let upload = &ticket.body["upload"];
    let mut request = plain().put(upload["url"].as_str().unwrap()).body(content);
    for (name, value) in upload["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    Ok(request.send().await?.status().as_u16())
}

fn plain() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_a_bucket_goes_the_same_way_past_us() -> anyhow::Result<()> {
    // TAL-19, TAL-20, TAL-43
    let mut system = System::start().await?;
    let root = system.settings_file().with_file_name("s3");
    std::fs::create_dir_all(root.join(BUCKET))?;
    let address = serve_s3(&root).await;
    let settings = std::fs::read_to_string(system.settings_file())?;
    let bucket = format!(
        "[files]\nbackend = 's3'\n[files.s3]\nendpoint = 'http://{address}'\nbucket = '{BUCKET}'\nregion = 'eu-central-1'\n\
         access_key_id = 'holdfast'\nsecret_access_key = '{SECRET}'\npath_style = true\nallow_http = true\n"
    );
    let (before, after) = settings.split_once("[files]").unwrap();
    let (_, after) = after.split_once("[telemetry]").unwrap();
    std::fs::write(system.settings_file(), format!("{before}{bucket}[telemetry]{after}"))?;
    system.kill()?;
    system.serve().await?;

    let (tenant_id, talent_id) = (system.tenant("")?, PartyId(Uuid::new_v4()));
    let talent = system.client(tenant_id, talent_id, &[Role::Talent])?;
    let content = b"%PDF-1.7\nwhat was agreed";
    let body = json!({
        "ownerType": "talent_portfolio", "ownerId": talent_id, "kind": "id", "mime": "application/pdf", "size": content.len(), "fileName": "a.pdf",
    });
    let ticket = expect(talent.post("/v1/assets/presign-upload", &body).await?, &[201])?;
    let url = ticket.body["upload"]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("http://{address}/{BUCKET}/quarantine/")), "{url}");
    let confirm = async || talent.post("/v1/assets/confirm-upload", &json!({ "assetId": ticket.id() })).await;
    assert_eq!(confirm().await?.code(), "ASSET_NOT_UPLOADED");

    // The bucket cannot be told a size: what is too long or something else is found by the confirmation.
    assert_eq!(put(&ticket, b"%PDF-1.7\nwhat was agreed, and more").await?, 200);
    assert_eq!(confirm().await?.code(), "FILE_SIZE_DIFFERS");
    assert_eq!(put(&ticket, b"GIF89a__\nwhat was agreed").await?, 200);
    assert_eq!(confirm().await?.code(), "FILE_TYPE_DIFFERS");
    assert_eq!(put(&ticket, content).await?, 200);
    let confirmed = expect(confirm().await?, &[200])?;
    assert_eq!(confirmed.body["status"], "ready");

    let path = format!("/v1/assets/{}/download", ticket.id());
    let link = expect(talent.get_at(&path, confirmed.position.unwrap()).await?, &[200])?;
    let url = link.body["url"].as_str().unwrap();
    let answer = plain().get(url).send().await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("content-disposition").unwrap(), "attachment; filename=\"a.pdf\"");
    assert_eq!(answer.bytes().await?.as_ref(), content);
    let altered = url.replace("a.pdf", "b.pdf");
    assert_eq!(plain().get(&altered).send().await?.status(), 403, "signed by us, checked by the bucket");

    // Our own route opens nothing then.
    let ours = send(plain().get(format!("{}/v1/files/x", system.base_url))).await?;
    assert_eq!((ours.status, ours.code()), (403, "FILE_LINK_INVALID"));
    let deleted = send(talent.request(Method::DELETE, &format!("/v1/assets/{}", ticket.id()))).await?;
    assert_eq!((deleted.status, &deleted.body["status"]), (200, &json!("deleted")), "{}", deleted.text);
    gone(url).await;
    Ok(())
}

/// The bytes follow the event a moment later.
async fn gone(url: &str) {
    for _ in 0..400 {
        if plain().get(url).send().await.unwrap().status() == 404 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the bucket still has it");
}
