//! What only a bucket does: a real S3 server checks every signature.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::Utc;
use holdfast_files::{Backend, ContentType, Files, FilesError, FilesSettings, S3Settings, SettingsError};

use crate::content::{PDF, pdf};
use crate::peer::{BUCKET, Peer, SECRET, TENANT, asset, expected, s3};

fn change(peer: Peer, change: impl FnOnce(&mut S3Settings)) -> Peer {
    peer.with(|settings| {
        if let Backend::S3(s3) = &mut settings.backend {
            change(s3);
        }
    })
}

#[tokio::test]
async fn a_wrong_secret_opens_nothing() {
    // TAL-43
    let peer = change(Peer::bucket().await, |s3| s3.secret_access_key = "a wrong secret".into());
    let content = pdf(1);
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    assert_eq!(peer.send(&ticket, &content).await, 403);
    assert!(matches!(peer.confirm(asset(1), PDF, &content).await, Err(FilesError::Unavailable(_))));
    assert!(matches!(peer.files.health().await, Err(FilesError::Unavailable(_))));
    assert_eq!(peer.on_disk(), Vec::<String>::new());
    assert!(!format!("{:?} {:?}", peer.settings, peer.files).contains("a wrong secret"), "secrets are never printed");
}

#[tokio::test]
async fn a_ticket_is_good_for_the_announced_type_only() {
    // TAL-19
    let peer = Peer::bucket().await;
    let content = pdf(1);
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    for mime in ["text/html", "image/png"] {
        let response = peer.http.put(&ticket.url).header("Content-Type", mime).body(content.clone()).send().await.unwrap();
        assert_eq!(response.status(), 403, "{mime}");
    }
    assert_eq!(peer.http.put(&ticket.url).body(content.clone()).send().await.unwrap().status(), 403, "no type at all");
    assert_eq!(peer.on_disk(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_signature_nothing_is_given() {
    // TAL-43
    let peer = Peer::bucket().await;
    let content = pdf(1);
    peer.upload(asset(1), PDF, &content).await;
    let key = peer.confirm(asset(1), PDF, &content).await.unwrap().key;
    let link = peer.files.presign_download(&key, "a.pdf", ContentType::of(PDF).unwrap(), Utc::now()).await.unwrap().url;
    let (bare, _) = link.split_once('?').unwrap();
    for url in [bare, bare.rsplit_once('/').unwrap().0, bare.split_once(BUCKET).unwrap().0] {
        assert_eq!(peer.http.get(url).send().await.unwrap().status(), 403, "{url}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_missing_is_unavailable() {
    let peer = change(Peer::bucket().await, |s3| s3.bucket = "another".to_owned());
    assert!(matches!(peer.files.health().await, Err(FilesError::Unavailable(_))));
    assert_eq!(peer.confirm(asset(1), PDF, &pdf(1)).await.unwrap_err().code(), "FILES_UNAVAILABLE");
}

#[tokio::test]
async fn a_server_that_is_down_is_said_to_be_down_soon() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let files = Files::open(&FilesSettings::over(Backend::S3(s3(nobody)))).unwrap();
    let started = Instant::now();
    assert!(matches!(files.health().await, Err(FilesError::Unavailable(_))));
    let answer = files.confirm(TENANT, asset(1), expected(PDF, &pdf(1))).await;
    assert!(matches!(answer, Err(FilesError::Unavailable(_))));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn there_are_no_links_to_our_own_api() {
    let (folder, bucket) = (Peer::folder().await, Peer::bucket().await);
    let ticket = folder.ticket(TENANT, asset(1), PDF, 10).await;
    let token = ticket.url.rsplit_once('/').unwrap().1;
    assert!(folder.files.open_upload(token, Utc::now()).is_ok());
    assert!(bucket.files.open_upload(token, Utc::now()).is_err());
    assert!(bucket.files.open_download(token, Utc::now()).is_err());
}

#[tokio::test]
async fn links_lead_to_where_browsers_reach_the_bucket() {
    let at = |change: &dyn Fn(&mut S3Settings)| {
        let mut settings = s3(SocketAddr::from(([127, 0, 0, 1], 9)));
        change(&mut settings);
        Files::open(&FilesSettings::over(Backend::S3(settings)))
    };
    let url = |files: Files| async move {
        let content_type = ContentType::of(PDF).unwrap();
        files.presign_upload(TENANT, asset(1), content_type, 10, Utc::now()).await.unwrap().url
    };
    let path = format!("quarantine/{TENANT}/{}?", asset(1));
    let plain = url(at(&|_| {}).unwrap()).await;
    assert!(plain.starts_with(&format!("http://127.0.0.1:9/{BUCKET}/{path}")), "{plain}");
    assert!(!plain.contains(SECRET));
    let public = url(at(&|s3| s3.public_endpoint = Some("https://files.example.com".to_owned())).unwrap()).await;
    assert!(public.starts_with(&format!("https://files.example.com/{BUCKET}/{path}")), "{public}");
    let hosted = url(at(&|s3| {
        s3.endpoint = Some("https://s3.example.com".to_owned());
        s3.path_style = false;
    })
    .unwrap())
    .await;
    assert!(hosted.starts_with(&format!("https://{BUCKET}.s3.example.com/{path}")), "{hosted}");
    let amazon = url(at(&|s3| s3.endpoint = None).unwrap()).await;
    assert!(amazon.starts_with(&format!("https://s3.eu-central-1.amazonaws.com/{BUCKET}/{path}")), "{amazon}");

    for (change, field) in [
        (&(|s3: &mut S3Settings| s3.allow_http = false) as &dyn Fn(&mut S3Settings), "endpoint"),
        (&|s3| s3.bucket.clear(), "bucket"),
        (&|s3| s3.access_key_id.clear(), "access_key_id"),
    ] {
        assert!(matches!(at(change), Err(SettingsError::Invalid { field: named, .. }) if named == field), "{field}");
    }
}
