//! Links that are late, altered or meant for something else.

use std::time::Duration;

use chrono::Utc;
use holdfast_files::ContentType;

use crate::content::{PDF, pdf};
use crate::on_both;
use crate::peer::{OTHER_TENANT, Peer, TENANT, asset};

on_both!(
    an_expired_ticket_is_refused,
    an_expired_download_link_is_refused,
    an_altered_ticket_is_refused,
    an_altered_download_link_is_refused,
    a_link_to_download_is_no_ticket_to_upload,
);

const LONGER_THAN_A_SECOND: Duration = Duration::from_millis(2_100);

async fn an_expired_ticket_is_refused(peer: Peer) {
    // TAL-43
    let peer = peer.with(|settings| settings.upload_expires_s = 1);
    let content = pdf(1);
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    tokio::time::sleep(LONGER_THAN_A_SECOND).await;
    assert_eq!(peer.send(&ticket, &content).await, 403);
    assert_eq!(peer.on_disk(), Vec::<String>::new());
}

async fn an_expired_download_link_is_refused(peer: Peer) {
    // TAL-43
    let peer = peer.with(|settings| settings.download_expires_s = 1);
    let link = download_link(&peer).await;
    tokio::time::sleep(LONGER_THAN_A_SECOND).await;
    assert_eq!(peer.http.get(link).send().await.unwrap().status(), 403);
}

async fn an_altered_ticket_is_refused(peer: Peer) {
    // TAL-43
    let content = pdf(1);
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    let mut altered = every_letter_changed(&ticket.url);
    altered.push(ticket.url.replace(&TENANT.to_string(), &OTHER_TENANT.to_string()));
    altered.push(ticket.url.replace("/quarantine/", "/ready/"));
    altered.push(ticket.url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000"));
    for url in altered.iter().filter(|url| **url != ticket.url) {
        let status = peer.send_to(url, &ticket, &content).await;
        assert!(!status.is_success(), "{status} for {url}");
    }
    assert_eq!(peer.on_disk(), Vec::<String>::new());
    assert!(peer.send(&ticket, &content).await.is_success());
}

async fn an_altered_download_link_is_refused(peer: Peer) {
    // TAL-43
    let link = download_link(&peer).await;
    let mut altered = every_letter_changed(&link);
    altered.push(link.replace("attachment", "inline"));
    altered.push(link.replace("application%2Fpdf", "text%2Fhtml"));
    altered.push(link.replace(&TENANT.to_string(), &OTHER_TENANT.to_string()));
    for url in altered.iter().filter(|url| **url != link) {
        let status = peer.http.get(url).send().await.unwrap().status();
        assert!(!status.is_success(), "{status} for {url}");
    }
    assert_eq!(peer.http.get(link).send().await.unwrap().status(), 200);
}

async fn a_link_to_download_is_no_ticket_to_upload(peer: Peer) {
    // TAL-43
    let link = download_link(&peer).await;
    let before = peer.on_disk();
    assert_eq!(peer.http.put(&link).body(pdf(9)).send().await.unwrap().status(), 403);
    assert_eq!(peer.http.delete(&link).send().await.unwrap().status().as_u16(), if peer.is_bucket() { 403 } else { 405 });
    assert_eq!(peer.on_disk(), before);
}

async fn download_link(peer: &Peer) -> String {
    let content = pdf(1);
    peer.upload(asset(1), PDF, &content).await;
    let confirmed = peer.confirm(asset(1), PDF, &content).await.unwrap();
    let content_type = ContentType::of(PDF).unwrap();
    peer.files.presign_download(&confirmed.key, "a.pdf", content_type, Utc::now()).await.unwrap().url
}

/// The URL once for every few letters after the host, with that letter changed.
fn every_letter_changed(url: &str) -> Vec<String> {
    let path = url.find("://").unwrap() + 3;
    let path = path + url[path..].find('/').unwrap() + 1;
    let change = |i: usize| format!("{}{}{}", &url[..i], if &url[i..=i] == "1" { "2" } else { "1" }, &url[i + 1..]);
    (path..url.len()).step_by(5).map(change).collect()
}
