//! What is not as announced does not get out of quarantine.

use chrono::Utc;
use holdfast_domain::kernel::DomainError as _;
use holdfast_files::{Checksum, ContentType, Expected, Refusal};

use crate::content::{PDF, TEXT, pdf};
use crate::on_both;
use crate::peer::{Peer, TENANT, asset, expected, refusal};

on_both!(
    nothing_is_confirmed_before_it_is_uploaded,
    a_file_of_another_size_is_refused,
    a_file_with_another_checksum_is_refused,
    content_that_lies_about_its_type_is_refused,
    a_ticket_is_given_for_files_of_a_size_that_is_allowed,
);

async fn nothing_is_confirmed_before_it_is_uploaded(peer: Peer) {
    // TAL-20
    let refused = refusal(peer.confirm(asset(1), PDF, &pdf(1)).await);
    assert_eq!((&refused, refused.describe().1), (&Refusal::NotUploaded, "ASSET_NOT_UPLOADED"));
}

async fn a_file_of_another_size_is_refused(peer: Peer) {
    // TAL-19, TAL-20
    let content = pdf(1);
    let ticket = peer.ticket(TENANT, asset(1), PDF, content.len()).await;
    let longer = [content.as_slice(), b"more"].concat();
    for (sent, code) in [(longer.as_slice(), "FILE_TOO_LARGE"), (&content[..content.len() - 1], "FILE_SIZE_DIFFERS")] {
        let (announced, found) = (content.len() as u64, sent.len() as u64);
        let status = peer.send(&ticket, sent).await;
        let answer = refusal(peer.confirm(asset(1), PDF, &content).await);
        if peer.is_bucket() {
            // A bucket takes what comes; we look before we read.
            assert_eq!((status.as_u16(), answer), (200, Refusal::SizeDiffers { announced, found }));
        } else {
            assert_eq!((status.as_u16(), answer), (422, Refusal::NotUploaded), "{code}");
            assert_eq!(peer.on_disk(), Vec::<String>::new(), "nothing stays behind");
        }
    }
    // The same ticket is still good for what was announced.
    assert!(peer.send(&ticket, &content).await.is_success());
    peer.confirm(asset(1), PDF, &content).await.unwrap();
}

async fn a_file_with_another_checksum_is_refused(peer: Peer) {
    // TAL-20
    let (content, other) = (pdf(1), pdf(2));
    peer.upload(asset(1), PDF, &other).await;
    let announced = Expected { sha256: Some(Checksum::of(&content)), ..expected(PDF, &content) };
    let refused = refusal(peer.files.confirm(TENANT, asset(1), announced).await);
    assert_eq!((&refused, refused.describe().1), (&Refusal::ChecksumDiffers, "FILE_CHECKSUM_DIFFERS"));
    assert!(peer.on_disk().iter().all(|file| file.starts_with("quarantine/")), "{:?}", peer.on_disk());

    peer.upload(asset(1), PDF, &content).await;
    let confirmed = peer.files.confirm(TENANT, asset(1), announced).await.unwrap();
    assert_eq!(confirmed.sha256, Checksum::of(&content));
}

async fn content_that_lies_about_its_type_is_refused(peer: Peer) {
    // TAL-20
    let page = b"<!DOCTYPE html><script>alert(document.cookie)</script>";
    for mime in [PDF, "image/png", "application/zip"] {
        peer.upload(asset(1), mime, page).await;
        let refused = refusal(peer.confirm(asset(1), mime, page).await);
        let announced = ContentType::of(mime).unwrap();
        assert_eq!(refused, Refusal::TypeDiffers { announced, found: "text/html".to_owned() });
        assert_eq!(refused.describe().1, "FILE_TYPE_DIFFERS");
    }
    let program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0";
    peer.upload(asset(1), TEXT, program).await;
    assert!(matches!(refusal(peer.confirm(asset(1), TEXT, program).await), Refusal::TypeDiffers { .. }));
    assert!(peer.on_disk().iter().all(|file| file.starts_with("quarantine/")), "{:?}", peer.on_disk());
}

async fn a_ticket_is_given_for_files_of_a_size_that_is_allowed(peer: Peer) {
    // TAL-19
    let peer = peer.with(|settings| settings.max_bytes = 1_000);
    let content_type = ContentType::of(PDF).unwrap();
    let ticket = |size| peer.files.presign_upload(TENANT, asset(1), content_type, size, Utc::now());
    assert_eq!(refusal(ticket(0).await), Refusal::Empty);
    assert_eq!(refusal(ticket(1_001).await), Refusal::TooLarge { size: 1_001, max: 1_000 });
    assert_eq!(refusal(ticket(u64::MAX).await).describe().1, "FILE_TOO_LARGE");
    assert!(ticket(1_000).await.is_ok());
    for size in [0, 1_001] {
        let announced = Expected { content_type, size, sha256: None };
        assert_eq!(refusal(peer.files.confirm(TENANT, asset(1), announced).await), refusal(ticket(size).await));
    }
}
