//! Sealed logs, and their trees computed apart from the code.

use ct_merkle::RootHash;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::StoredEvent;
use holdfast_eventlog::db::{Pool, PoolSettings};
use holdfast_eventlog::seal::{SealKeys, Sealer, SealerSettings, SealingKey};
use sha2::Sha256;

use super::{Database, batch, unit, wallet};

pub(crate) const SEED: [u8; 32] = [7; 32];

pub(crate) fn keys() -> SealKeys {
    SealKeys::try_new(&[SealingKey::new(&SEED).public()]).unwrap()
}

pub(crate) async fn sealer(database: &Database, settings: SealerSettings) -> Sealer {
    let pool = database.pool_as("holdfast_relay", PoolSettings::default()).await;
    Sealer::new(pool, None, SealingKey::new(&SEED), keys(), settings)
}

pub(crate) async fn auditor(database: &Database) -> Pool {
    database.pool_as("holdfast_auditor", PoolSettings::default()).await
}

/// `events` more of one stream, in one append.
pub(crate) async fn append(database: &Database, tenant_id: TenantId, stream: u128, first: i64, events: usize) {
    database.log().await.append(&batch(&[], vec![unit(wallet(tenant_id, stream), first, events)])).await.unwrap();
}

/// Written again from docs/proof.md, apart from the code.
pub(crate) fn leaf_input(event: &StoredEvent) -> Vec<u8> {
    let recorded_at = event.recorded_at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let fields = [
        event.tenant_id.to_string(),
        event.position.to_string(),
        event.aggregate_type.clone(),
        event.aggregate_id.to_string(),
        event.sequence.to_string(),
        event.event_type.clone(),
        event.event_version.clone(),
        recorded_at,
        event.payload.clone(),
        event.metadata.clone(),
    ];
    fields.iter().flat_map(|field| [&(field.len() as u64).to_be_bytes()[..], field.as_bytes()].concat()).collect()
}

pub(crate) fn root(hash: [u8; 32], size: i64) -> RootHash<Sha256> {
    RootHash::new(hash.into(), size.try_into().unwrap())
}
