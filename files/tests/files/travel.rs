//! Ticket, upload, confirmation, download.

use chrono::{TimeDelta, Utc};
use futures::future::join_all;
use holdfast_files::{Checksum, Confirmed, ContentType, Refusal, StorageKey};

use crate::content::{PDF, TEXT, large_pdf, pdf};
use crate::on_both;
use crate::peer::{OTHER_TENANT, Peer, TENANT, asset, expected, refusal, with_checksum};

on_both!(
    a_file_travels_from_one_browser_to_another,
    a_large_file_travels_too,
    a_file_that_is_not_confirmed_cannot_be_read,
    an_upload_may_be_repeated_until_it_is_confirmed,
    confirming_twice_gives_the_same_answer,
    confirming_at_once_gives_the_same_answer,
    what_is_confirmed_is_what_was_looked_at,
    a_crash_half_way_is_harmless,
    tenants_do_not_share_assets,
    uploads_that_nobody_confirms_are_swept,
    the_storage_says_that_it_is_well,
);

async fn a_file_travels_from_one_browser_to_another(peer: Peer) {
    // TAL-19, TAL-20, TAL-43
    let (content, now) = (pdf(1), Utc::now());
    let pdf_type = ContentType::of(PDF).unwrap();
    let ticket = peer.files.presign_upload(TENANT, asset(1), pdf_type, content.len() as u64, now).await.unwrap();
    assert_eq!((ticket.method, ticket.expires_at), ("PUT", now + TimeDelta::minutes(15)));
    assert_eq!(ticket.headers, [("Content-Type", PDF)]);
    assert!(peer.send(&ticket, &content).await.is_success());

    let sha256 = Checksum::of(&content);
    let key = StorageKey::ready(TENANT, asset(1), sha256);
    let confirmed = Confirmed { key: key.clone(), content_type: pdf_type, size: content.len() as u64, sha256 };
    assert_eq!(peer.files.confirm(TENANT, asset(1), with_checksum(PDF, &content)).await.unwrap(), confirmed);
    assert_eq!(peer.on_disk(), [key.to_string()], "one file is left, and it is not in quarantine");

    let link = peer.files.presign_download(&key, "Übung 1.pdf", pdf_type, now).await.unwrap();
    assert_eq!(link.expires_at, now + TimeDelta::minutes(5));
    let response = peer.http.get(&link.url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], PDF);
    let disposition = "attachment; filename=\"_bung 1.pdf\"; filename*=UTF-8''%C3%9Cbung%201.pdf";
    assert_eq!(response.headers()["content-disposition"], disposition);
    assert_eq!(response.bytes().await.unwrap(), content);
}

async fn a_large_file_travels_too(peer: Peer) {
    // TAL-43
    let content = large_pdf(12 * 1024 * 1024 + 3);
    peer.upload(asset(1), PDF, &content).await;
    let confirmed = peer.files.confirm(TENANT, asset(1), with_checksum(PDF, &content)).await.unwrap();
    let read = peer.files.read(&confirmed.key).await.unwrap();
    assert_eq!(read.size, content.len() as u64);
    assert!(read.into_bytes().await.unwrap() == content);
    assert_eq!(peer.on_disk(), [confirmed.key.to_string()]);
}

async fn a_file_that_is_not_confirmed_cannot_be_read(peer: Peer) {
    // TAL-31
    let content = pdf(1);
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    assert!(peer.send(&ticket, &content).await.is_success());
    assert_eq!(peer.http.get(&ticket.url).send().await.unwrap().status(), 403, "a ticket to write is none to read");

    let key = StorageKey::ready(TENANT, asset(1), Checksum::of(&content));
    assert_eq!(refusal(peer.files.read(&key).await), Refusal::NotFound);
    let link = peer.files.presign_download(&key, "a.pdf", ContentType::of(PDF).unwrap(), Utc::now()).await.unwrap();
    assert_eq!(peer.http.get(&link.url).send().await.unwrap().status(), 404);
    assert!(peer.on_disk().iter().all(|file| file.starts_with("quarantine/")), "{:?}", peer.on_disk());
    assert!(peer.on_disk()[0].parse::<StorageKey>().is_err(), "no key names a place in quarantine");
}

async fn an_upload_may_be_repeated_until_it_is_confirmed(peer: Peer) {
    // TAL-20
    let (first, second) = (pdf(1), pdf(2));
    peer.upload(asset(1), PDF, &first).await;
    peer.upload(asset(1), PDF, &second).await;
    let confirmed = peer.confirm(asset(1), PDF, &second).await.unwrap();
    assert_eq!(confirmed.sha256, Checksum::of(&second));

    // Afterwards nothing that is sent changes what is kept.
    let ticket = peer.ticket(TENANT, asset(1), PDF, first.len()).await;
    let status = peer.send(&ticket, &first).await;
    assert_eq!(status.as_u16(), if peer.is_bucket() { 200 } else { 409 });
    assert_eq!(peer.confirm(asset(1), PDF, &second).await.unwrap(), confirmed);
    assert_eq!(peer.files.read(&confirmed.key).await.unwrap().into_bytes().await.unwrap(), second);
    assert_eq!(peer.on_disk(), [confirmed.key.to_string()]);
}

async fn confirming_twice_gives_the_same_answer(peer: Peer) {
    // TAL-20
    let content = "größer, wärmer\n".as_bytes();
    peer.upload(asset(1), TEXT, content).await;
    let first = peer.confirm(asset(1), TEXT, content).await.unwrap();
    assert_eq!(peer.confirm(asset(1), TEXT, content).await.unwrap(), first);
    // And it still has to be true.
    let other = peer.files.confirm(TENANT, asset(1), with_checksum(TEXT, b"another text")).await;
    assert_eq!(refusal(other), Refusal::SizeDiffers { announced: 12, found: content.len() as u64 });
    assert!(matches!(refusal(peer.confirm(asset(1), PDF, content).await), Refusal::TypeDiffers { .. }));
}

async fn confirming_at_once_gives_the_same_answer(peer: Peer) {
    // TAL-20
    for round in 0..10 {
        let content = pdf(1);
        peer.upload(asset(round), PDF, &content).await;
        let answers = join_all((0..6).map(|_| {
            let (files, expected) = (peer.files.clone(), expected(PDF, &content));
            tokio::spawn(async move { files.confirm(TENANT, asset(round), expected).await.unwrap() })
        }))
        .await;
        let answers: Vec<Confirmed> = answers.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    assert_eq!(peer.on_disk().len(), 10, "{:?}", peer.on_disk());
}

async fn what_is_confirmed_is_what_was_looked_at(peer: Peer) {
    // TAL-20, DSP-38: the ticket stays good while the content is looked at.
    let versions: Vec<Vec<u8>> = (0..4).map(pdf).collect();
    for round in 0..10 {
        peer.upload(asset(round), PDF, &versions[0]).await;
        let ticket = peer.ticket(TENANT, asset(round), PDF, versions[0].len()).await;
        let sending = async {
            for content in &versions[1..] {
                peer.send(&ticket, content).await;
            }
        };
        let (answer, ()) = tokio::join!(peer.confirm(asset(round), PDF, &versions[0]), sending);
        let answer = answer.unwrap();
        let kept = peer.files.read(&answer.key).await.unwrap().into_bytes().await.unwrap();
        assert_eq!(Checksum::of(&kept), answer.sha256);
        assert!(versions.contains(&kept.to_vec()));
    }
}

async fn a_crash_half_way_is_harmless(peer: Peer) {
    // TAL-20
    let content = pdf(1);
    peer.upload(asset(1), PDF, &content).await;
    let upload = peer.folder_of_files().join(format!("quarantine/{TENANT}/{}", asset(1)));
    let copy = peer.folder_of_files().join(format!("checking/{TENANT}/{}", uuid::Uuid::from_u128(1)));

    // Copied to be looked at, then the process died.
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::copy(&upload, &copy).unwrap();
    let confirmed = peer.confirm(asset(1), PDF, &content).await.unwrap();

    // Kept, then the process died before it cleared up.
    std::fs::create_dir_all(upload.parent().unwrap()).unwrap();
    std::fs::copy(&copy, &upload).unwrap();
    assert_eq!(peer.confirm(asset(1), PDF, &content).await.unwrap(), confirmed);
    assert!(!upload.exists(), "the leftover is cleared up by the next confirmation");
    assert_eq!(peer.files.sweep(Utc::now() + TimeDelta::minutes(1)).await.unwrap(), 1, "and the copy by the sweep");
    assert_eq!(peer.on_disk(), [confirmed.key.to_string()]);
}

async fn tenants_do_not_share_assets(peer: Peer) {
    // TAL-20: also where ids are the same.
    let (ours, theirs) = (pdf(1), pdf(2));
    peer.upload(asset(1), PDF, &ours).await;
    let theirs_expected = expected(PDF, &theirs);
    assert_eq!(refusal(peer.files.confirm(OTHER_TENANT, asset(1), theirs_expected).await), Refusal::NotUploaded);

    let ticket = peer.ticket(OTHER_TENANT, asset(1), PDF, theirs.len()).await;
    assert!(peer.send(&ticket, &theirs).await.is_success());
    let ours_confirmed = peer.confirm(asset(1), PDF, &ours).await.unwrap();
    let theirs_confirmed = peer.files.confirm(OTHER_TENANT, asset(1), theirs_expected).await.unwrap();
    assert_eq!((ours_confirmed.sha256, theirs_confirmed.sha256), (Checksum::of(&ours), Checksum::of(&theirs)));
    assert_eq!((ours_confirmed.key.tenant_id(), theirs_confirmed.key.tenant_id()), (TENANT, OTHER_TENANT));
    let stolen = StorageKey::ready(OTHER_TENANT, asset(1), ours_confirmed.sha256);
    assert_eq!(refusal(peer.files.read(&stolen).await), Refusal::NotFound);
}

async fn uploads_that_nobody_confirms_are_swept(peer: Peer) {
    // TAL-31
    let content = pdf(1);
    for n in 1..=3 {
        peer.upload(asset(n), PDF, &content).await;
    }
    let confirmed = peer.confirm(asset(1), PDF, &content).await.unwrap();
    peer.files.discard_upload(TENANT, asset(2)).await.unwrap();
    peer.files.discard_upload(TENANT, asset(2)).await.unwrap();
    assert_eq!(peer.files.sweep(Utc::now() - TimeDelta::hours(1)).await.unwrap(), 0, "what is young stays");
    assert_eq!(peer.on_disk().len(), 2);
    assert_eq!(peer.files.sweep(Utc::now() + TimeDelta::minutes(1)).await.unwrap(), 1);
    assert_eq!(peer.on_disk(), [confirmed.key.to_string()]);
    assert_eq!(refusal(peer.confirm(asset(3), PDF, &content).await), Refusal::NotUploaded);
}

async fn the_storage_says_that_it_is_well(peer: Peer) {
    peer.files.health().await.unwrap();
    peer.files.health().await.unwrap();
}
