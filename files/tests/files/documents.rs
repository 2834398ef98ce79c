//! Documents that we make ourselves.

use bytes::Bytes;
use holdfast_domain::kernel::ContractId;
use holdfast_files::{Checksum, Refusal, StorageKey, Stored};
use uuid::Uuid;

use crate::content::pdf;
use crate::on_both;
use crate::peer::{OTHER_TENANT, Peer, TENANT, asset, refusal};

on_both!(a_document_is_kept_as_it_was_first_stored, a_file_can_be_deleted, an_asset_is_stored_only_under_its_own_checksum);

fn contract(name: &str) -> StorageKey {
    StorageKey::contract_pdf(TENANT, ContractId(Uuid::from_u128(0xc0)), name).unwrap()
}

async fn a_document_is_kept_as_it_was_first_stored(peer: Peer) {
    // CTR-06
    let (key, first) = (contract("signed"), Bytes::from(pdf(1)));
    let stored = Stored { size: first.len() as u64, sha256: Checksum::of(&first) };
    assert_eq!(refusal(peer.files.read(&key).await), Refusal::NotFound);
    assert_eq!(peer.files.store(&key, first.clone()).await.unwrap(), stored);
    assert_eq!(peer.files.store(&key, first.clone()).await.unwrap(), stored, "again changes nothing");
    for other in [pdf(2), [pdf(1), pdf(2)].concat(), Vec::new()] {
        assert_eq!(refusal(peer.files.store(&key, other.into()).await), Refusal::StoredDifferently);
    }
    assert_eq!(peer.files.read(&key).await.unwrap().into_bytes().await.unwrap(), first);
    peer.files.store(&contract("rendered"), pdf(2).into()).await.unwrap();
    let theirs = StorageKey::contract_pdf(OTHER_TENANT, ContractId(Uuid::from_u128(0xc0)), "signed").unwrap();
    assert_eq!(refusal(peer.files.read(&theirs).await), Refusal::NotFound);
    assert_eq!(peer.on_disk(), [contract("rendered").to_string(), key.to_string()]);
}

async fn a_file_can_be_deleted(peer: Peer) {
    // TAL-31
    peer.files.store(&contract("draft"), pdf(1).into()).await.unwrap();
    peer.files.delete(&contract("draft")).await.unwrap();
    peer.files.delete(&contract("draft")).await.unwrap();
    assert_eq!(refusal(peer.files.read(&contract("draft")).await), Refusal::NotFound);
    peer.files.store(&contract("draft"), pdf(2).into()).await.unwrap();
}

async fn an_asset_is_stored_only_under_its_own_checksum(peer: Peer) {
    // DSP-38
    let key = StorageKey::ready(TENANT, asset(1), Checksum::of(&pdf(1)));
    assert_eq!(refusal(peer.files.store(&key, pdf(2).into()).await), Refusal::ChecksumDiffers);
    assert_eq!(peer.on_disk(), Vec::<String>::new());
    peer.files.store(&key, pdf(1).into()).await.unwrap();
}
