//! What only the local folder does.

use std::os::unix::fs::PermissionsExt as _;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use futures::future::join_all;
use futures::stream;
use holdfast_domain::kernel::ContractId;
use holdfast_files::{Backend, Files, FilesError, FilesSettings, Refusal, SettingsError, StorageKey};
use uuid::Uuid;

use crate::content::{PDF, large_pdf, pdf};
use crate::peer::{Peer, TENANT, asset, refusal};

/// The part of a ticket that our API is asked with.
fn token(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_behind() {
    // TAL-43
    let peer = Peer::folder().await;
    let content = Bytes::from(large_pdf(5 * 1024 * 1024));
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    let target = peer.files.open_upload(token(&ticket.url), Utc::now()).unwrap();
    let half = content.slice(..content.len() / 2);
    let more = Bytes::from_static(b"more");

    let breaks_off = stream::iter([Ok(half.clone()), Err("the browser was closed")]);
    assert_eq!(refusal(peer.files.write(&target, breaks_off).await), Refusal::Interrupted);
    let too_little = stream::iter([Ok::<_, ()>(half.clone())]);
    let (announced, found) = (content.len() as u64, half.len() as u64);
    assert_eq!(refusal(peer.files.write(&target, too_little).await), Refusal::SizeDiffers { announced, found });
    let too_much = stream::iter([Ok::<_, ()>(content.clone()), Ok(more)]);
    assert_eq!(refusal(peer.files.write(&target, too_much).await), Refusal::TooLarge { size: announced + 4, max: announced });
    assert_eq!(peer.on_disk(), Vec::<String>::new());

    // Nobody waits for the end of this one.
    let endless = futures::StreamExt::chain(stream::iter([Ok::<_, ()>(half)]), stream::pending());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), peer.files.write(&target, endless)).await.is_err());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(peer.on_disk(), Vec::<String>::new());

    peer.files.write(&target, stream::iter([Ok::<_, ()>(content.clone())])).await.unwrap();
    peer.confirm(asset(1), PDF, &content).await.unwrap();
}

#[tokio::test]
async fn a_broken_upload_leaves_the_one_before_it_as_it_was() {
    // TAL-20
    let peer = Peer::folder().await;
    let content = pdf(1);
    peer.upload(asset(1), PDF, &content).await;
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    assert_eq!(peer.send(&ticket, b"%PDF- too little").await, 422);
    peer.confirm(asset(1), PDF, &content).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_documents_at_once_one_is_kept() {
    // CTR-06
    let peer = Peer::folder().await;
    for round in 0..20 {
        let key = StorageKey::contract_pdf(TENANT, ContractId(Uuid::from_u128(round)), "signed").unwrap();
        let answers = join_all((0..4).map(|n| {
            let (files, key) = (peer.files.clone(), key.clone());
            tokio::spawn(async move { files.store(&key, pdf(n).into()).await })
        }))
        .await;
        let kept: Vec<_> = answers.into_iter().filter_map(|answer| answer.unwrap().ok()).collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
        let content = peer.files.read(&key).await.unwrap().into_bytes().await.unwrap();
        assert_eq!(holdfast_files::Checksum::of(&content), kept[0].sha256);
    }
    assert_eq!(peer.on_disk().len(), 20);
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_swept() {
    // TAL-43
    let peer = Peer::folder().await;
    let part = peer.folder_of_files().join(format!("quarantine/{TENANT}/{}#1", asset(1)));
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::fs::write(&part, "%PDF-").unwrap();
    assert_eq!(peer.files.sweep(Utc::now() - TimeDelta::hours(1)).await.unwrap(), 0);
    assert_eq!(peer.files.sweep(Utc::now() + TimeDelta::minutes(1)).await.unwrap(), 1);
    assert!(!part.exists());
}

#[tokio::test]
async fn the_folder_is_made_for_us_alone_and_missed_when_it_is_gone() {
    let peer = Peer::folder().await;
    let folder = peer.folder_of_files();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    peer.files.health().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    assert!(matches!(peer.files.health().await, Err(FilesError::Unavailable(_))));
    assert_eq!(peer.confirm(asset(1), PDF, &pdf(1)).await.unwrap_err().code(), "FILES_UNAVAILABLE");
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let peer = Peer::folder().await;
    let field = |change: &dyn Fn(&mut FilesSettings)| {
        let mut settings = peer.settings.clone();
        change(&mut settings);
        match Files::open(&settings) {
            Err(SettingsError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(field(&|settings| settings.max_bytes = 0), "max_bytes");
    assert_eq!(field(&|settings| settings.max_bytes = 5 * 1024 * 1024 * 1024 + 1), "max_bytes");
    assert_eq!(field(&|settings| settings.upload_expires_s = 0), "upload_expires_s");
    assert_eq!(field(&|settings| settings.download_expires_s = 604_801), "download_expires_s");
    let no_url = |settings: &mut FilesSettings| {
        if let Backend::Local { public_base_url, .. } = &mut settings.backend {
            *public_base_url = "holdfast.example.com".to_owned();
        }
    };
    assert_eq!(field(&no_url), "public_base_url");
    assert!(!format!("{:?}", peer.settings).contains("7, 7"), "keys are never printed");
}
