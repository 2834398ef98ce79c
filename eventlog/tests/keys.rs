//! Keys of persons in the database, under a master key in this process and in a Vault (ADM-25, CNF-33, protocols 10).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::keys::{self, KeyRef, KeyStore, KeysError, Kms, KmsError, LocalKms, SubjectKey, VaultKms};
use support::vault::{Fault, Vault};
use support::{Database, tenant, with};
use uuid::Uuid;

const MASTER: [u8; 32] = [9; 32];

fn person(n: u128) -> PartyId {
    PartyId(Uuid::from_u128(n))
}

/// As a process that has just started: nothing is remembered.
async fn store(database: &Database, kms: Arc<dyn Kms>) -> KeyStore {
    KeyStore::new(database.pool_as("holdfast_writer", PoolSettings::default()).await, kms)
}

/// A key as it was made before tenants had keys: wrapped by the master key itself.
async fn legacy_key(database: &Database, tenant_id: TenantId, subject: PartyId) -> (KeyRef, [u8; 32]) {
    let (key, secret) = (KeyRef { subject, key_id: Uuid::new_v4() }, [3; 32]);
    let data = [tenant_id.uuid().as_bytes().as_slice(), subject.uuid().as_bytes(), key.key_id.as_bytes()].concat();
    let payload = Payload { msg: &secret, aad: &data };
    let sealed = Aes256Gcm::new(&MASTER.into()).encrypt(&Nonce::from([1; 12]), payload).unwrap();
    let wrapped = [[1; 12].as_slice(), &sealed].concat();
    sqlx::query("INSERT INTO subject_keys (tenant_id, subject, key_id, wrapped_key, created_at) VALUES ($1, $2, $3, $4, now())")
        .bind(tenant_id.uuid())
        .bind(subject.uuid())
        .bind(key.key_id)
        .bind(wrapped)
        .execute(&database.admin)
        .await
        .unwrap();
    (key, secret)
}

#[tokio::test]
async fn a_key_from_before_tenants_keys_opens_and_is_erased_like_any_other() {
    // ADM-25
    with(|database| async move {
        let keys = store(&database, Arc::new(LocalKms::new(MASTER))).await;
        let (key, secret) = legacy_key(&database, tenant(1), person(1)).await;
        assert_eq!(keys.current(tenant(1), person(1)).await.unwrap(), (key, secret), "it is still the person's key");
        let sealed = keys::seal(tenant(1), key, &secret, b"\"Ada\"").unwrap();
        assert_eq!(keys::open(tenant(1), &sealed, &secret).unwrap(), b"\"Ada\"");
        assert_eq!(keys.load(tenant(1), &[key]).await.unwrap()[&key], SubjectKey::Live(secret));

        let destroyed = keys.destroy(tenant(1), person(1)).await.unwrap();
        assert_eq!(destroyed.keys, 1);
        assert_eq!(keys.destroy(tenant(1), person(1)).await.unwrap(), destroyed, "again changes nothing");
        for keys in [keys, store(&database, Arc::new(LocalKms::new(MASTER))).await] {
            assert_eq!(keys.load(tenant(1), &[key]).await.unwrap()[&key], SubjectKey::Destroyed);
            assert!(matches!(keys.current(tenant(1), person(1)).await, Err(KeysError::Erased)));
        }
        assert_eq!(database.count("SELECT count(*) FROM subject_keys WHERE wrapped_key IS NOT NULL").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_vault_wraps_tenants_keys_and_never_tells_its_own() {
    // ADM-25: a master key that is in no process of ours.
    with(|database| async move {
        let vault = Vault::start().await;
        let keys = store(&database, vault.kms()).await;
        let (key, secret) = keys.current(tenant(1), person(1)).await.unwrap();
        let again = store(&database, vault.kms()).await;
        assert_eq!(again.load(tenant(1), &[key]).await.unwrap()[&key], SubjectKey::Live(secret));
        let stored = "SELECT count(*) FROM tenant_keys WHERE convert_from(wrapped_key, 'UTF8') LIKE 'vault:v1:%'";
        assert_eq!(database.count(stored).await, 1);

        // Rotated there: what was wrapped before opens, what is new is of the new version.
        vault.rotate();
        let rotated = store(&database, vault.kms()).await;
        assert_eq!(rotated.load(tenant(1), &[key]).await.unwrap()[&key], SubjectKey::Live(secret));
        rotated.current(tenant(2), person(1)).await.unwrap();
        assert_eq!(database.count(&stored.replace("v1", "v2")).await, 1);

        // Bound to the tenant: another's wrapped key does not open here.
        let swap = "UPDATE tenant_keys a SET wrapped_key = b.wrapped_key FROM tenant_keys b WHERE a.tenant_id <> b.tenant_id";
        sqlx::query(swap).execute(&database.admin).await.unwrap();
        let moved = store(&database, vault.kms()).await;
        assert!(matches!(moved.load(tenant(1), &[key]).await, Err(KeysError::Kms(KmsError::Refused))));
    })
    .await;
}

#[tokio::test]
async fn no_fault_of_a_vault_looks_like_an_erasure() {
    // CNF-33, NFR-27
    with(|database| async move {
        let vault = Vault::start().await;
        let keys = store(&database, vault.kms()).await;
        let (key, secret) = keys.current(tenant(1), person(1)).await.unwrap();
        for fault in [Fault::Sealed, Fault::Unavailable, Fault::TokenRevoked, Fault::Silent, Fault::NotJson, Fault::NoMount] {
            vault.fail(fault, u32::MAX);
            let cold = store(&database, vault.kms()).await;
            let found = cold.load(tenant(1), &[key]).await;
            assert!(matches!(found, Err(KeysError::Kms(KmsError::Unreachable(_)))), "{fault:?}: {found:?}");
            let made = cold.current(tenant(2), person(7)).await;
            assert!(matches!(made, Err(KeysError::Kms(KmsError::Unreachable(_)))), "{fault:?}: {made:?}");
            // Whoever has the tenant's key already goes on.
            assert_eq!(keys.load(tenant(1), &[key]).await.unwrap()[&key], SubjectKey::Live(secret));
        }
        // The version that wrapped it was taken away there: refused, and still no erasure.
        vault.fail(Fault::Sealed, 0);
        vault.rotate();
        vault.forget_before(2);
        let found = store(&database, vault.kms()).await.load(tenant(1), &[key]).await;
        assert!(matches!(found, Err(KeysError::Kms(KmsError::Refused))), "{found:?}");
        vault.forget_before(1);
        // Nobody there at all.
        let gone = VaultKms::try_new(vault.settings_at("http://127.0.0.1:1")).unwrap();
        let found = store(&database, Arc::new(gone)).await.load(tenant(1), &[key]).await;
        assert!(matches!(found, Err(KeysError::Kms(KmsError::Unreachable(_)))), "{found:?}");
        assert_eq!(database.count("SELECT count(*) FROM subject_keys WHERE destroyed_at IS NOT NULL").await, 0);
        assert_eq!(database.count("SELECT count(*) FROM tenant_keys").await, 1, "nothing half made");
        // An erasure needs no Vault.
        vault.fail(Fault::Sealed, u32::MAX);
        let cold = store(&database, vault.kms()).await;
        assert_eq!(cold.destroy(tenant(1), person(1)).await.unwrap().keys, 1);
        assert_eq!(cold.load(tenant(1), &[key]).await.unwrap()[&key], SubjectKey::Destroyed);
    })
    .await;
}

#[tokio::test]
async fn a_vault_that_stumbles_is_asked_again_and_a_wrong_token_is_not() {
    // ADM-25
    let vault = Vault::start().await;
    let kms = vault.kms();
    for fault in [Fault::Sealed, Fault::Unavailable, Fault::Silent] {
        vault.fail(fault, 2);
        let before = vault.asked();
        let wrapped = kms.wrap(b"data", &[5; 32]).await.unwrap();
        assert_eq!(vault.asked() - before, 3, "{fault:?}");
        assert_eq!(kms.unwrap(b"data", &wrapped).await.unwrap(), [5; 32]);
        assert!(matches!(kms.unwrap(b"other", &wrapped).await, Err(KmsError::Refused)));
    }
    // The tries are bounded.
    vault.fail(Fault::Unavailable, u32::MAX);
    let before = vault.asked();
    assert!(kms.wrap(b"data", &[5; 32]).await.is_err());
    assert_eq!(vault.asked() - before, 3);
    vault.fail(Fault::Unavailable, 0);
    // A token that was replaced is read anew; one that is wrong is not tried again.
    vault.write_token("wrong");
    let before = vault.asked();
    let refused = kms.wrap(b"data", &[5; 32]).await.unwrap_err();
    assert!(
        matches!(&refused, KmsError::Unreachable(cause) if cause.to_string().contains("403 Forbidden: permission denied")),
        "{refused:?}"
    );
    assert_eq!(vault.asked() - before, 1);
    vault.write_token(Vault::TOKEN);
    assert!(kms.wrap(b"data", &[5; 32]).await.is_ok());
    // What a key in this process has wrapped is not for it, and it is not asked.
    let local = LocalKms::new(MASTER).wrap(b"data", &[5; 32]).await.unwrap();
    let before = vault.asked();
    assert!(matches!(kms.unwrap(b"data", &local).await, Err(KmsError::Refused)));
    assert_eq!(vault.asked(), before);
    // Nothing secret is printed.
    let printed = format!("{:?} {}", VaultKms::try_new(vault.settings()).unwrap(), kms.name());
    assert!(!printed.contains(Vault::TOKEN), "{printed}");
}
