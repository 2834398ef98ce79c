//! Opening sealed values with the keys of the write database (protocols 10).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_eventlog::keys::LocalKms;
use holdfast_projections::personal::{KeyRef, Keys, KeysError, Opened, StoredKeys, SubjectKey};
use sqlx::PgPool;
use support::{Log, TestKeys, party, tenant, with};

const MASTER: [u8; 32] = [9; 32];
/// What `TestKeys` seals with.
const SUBJECT_KEY: [u8; 32] = [7; 32];

fn key_of(subject: PartyId) -> KeyRef {
    KeyRef { subject, key_id: subject.uuid() }
}

async fn store(admin: &PgPool, tenant_id: TenantId, subject: PartyId, destroyed: bool) {
    let aad = [tenant_id.uuid().as_bytes().as_slice(), subject.uuid().as_bytes(), subject.uuid().as_bytes()].concat();
    let nonce = [1_u8; 12];
    let master = Aes256Gcm::new(&Key::<Aes256Gcm>::from(MASTER));
    let ciphertext = master.encrypt(&Nonce::from(nonce), Payload { msg: &SUBJECT_KEY, aad: &aad }).unwrap();
    let wrapped = (!destroyed).then(|| [nonce.as_slice(), &ciphertext].concat());
    sqlx::query(
        "INSERT INTO subject_keys (tenant_id, subject, key_id, wrapped_key, created_at, destroyed_at)
         VALUES ($1, $2, $2, $3, now(), CASE WHEN $4 THEN now() END)",
    )
    .bind(tenant_id.uuid())
    .bind(subject.uuid())
    .bind(wrapped)
    .bind(destroyed)
    .execute(admin)
    .await
    .unwrap();
}

#[tokio::test]
async fn keys_are_live_destroyed_or_an_error_and_never_silently_nothing() {
    with(|database| async move {
        let log = Log::create(&database).await;
        let (live, gone, unknown) = (party(1), party(2), party(3));
        store(&log.admin, tenant(1), live, false).await;
        store(&log.admin, tenant(1), gone, true).await;
        let keys = StoredKeys::new(log.pool_as("holdfast_projector").await, Arc::new(LocalKms::new(MASTER)));
        let found = keys.load(tenant(1), &[key_of(live), key_of(gone), key_of(unknown)]).await.unwrap();
        assert_eq!(found.get(&key_of(live)), Some(&SubjectKey::Live(SUBJECT_KEY)));
        assert_eq!(found.get(&key_of(gone)), Some(&SubjectKey::Destroyed));
        assert_eq!(found.get(&key_of(unknown)), None);
        assert!(keys.load(tenant(2), &[key_of(live)]).await.unwrap().is_empty(), "another tenant's");

        let sealing = TestKeys::default();
        let (hers, his) = (sealing.seal(tenant(1), live, "Ann"), sealing.seal(tenant(1), unknown, "Bob"));
        assert!(Opened::open_all(&keys, tenant(1), &[hers.sealed()]).await.is_ok());
        let missing = Opened::open_all(&keys, tenant(1), &[hers.sealed(), his.sealed()]).await;
        assert!(matches!(missing, Err(KeysError::Missing(key)) if key == key_of(unknown)));

        // Sealed for another tenant under the same key: moved values do not open.
        store(&log.admin, tenant(2), live, false).await;
        let moved = Opened::open_all(&keys, tenant(2), &[hers.sealed()]).await;
        assert!(matches!(moved, Err(KeysError::Open(_))));
        let other_master = StoredKeys::new(log.pool_as("holdfast_projector").await, Arc::new(LocalKms::new([8; 32])));
        assert!(matches!(other_master.load(tenant(1), &[key_of(live)]).await, Err(KeysError::Unwrap(_))));
        log.drop(&database).await;
    })
    .await;
}
