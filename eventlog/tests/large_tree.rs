//! A log whose tree has three levels of tiles: more than 65,536 events (docs/proof.md, "How the tree is kept").

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::seal::{self, SealKeys, Sealer, SealerSettings, SealingKey};
use sha2::Sha256;
use support::tree::{leaf_input, root};
use support::{Database, tenant, with};

const SIZES: [i64; 8] = [1, 256, 65_535, 65_536, 65_537, 65_793, 69_999, 70_000];

/// By hand: 70,000 events through the front door take long.
async fn insert(database: &Database, from: i64, to: i64) {
    let tenant_id = tenant(1);
    let events = format!(
        "INSERT INTO events (tenant_id, aggregate_id, position, sequence, recorded_at, aggregate_type, event_type, event_version, payload, metadata)
         SELECT '{tenant_id}', '{tenant_id}', n, n, '2026-01-01'::timestamptz + n * interval '1 microsecond', 'wallet', 'wallet.credited', '1',
                json_build_object('n', n), '{{}}' FROM generate_series({from}, {to}) n"
    );
    let head = format!(
        "INSERT INTO tenant_heads (tenant_id, position, previous, recorded_at) VALUES ('{tenant_id}', {to}, {from} - 1, now())
         ON CONFLICT (tenant_id) DO UPDATE SET position = excluded.position"
    );
    for statement in [events, head] {
        sqlx::query(&statement).execute(&database.admin).await.unwrap();
    }
}

#[tokio::test]
async fn proofs_of_a_tree_with_three_levels_convince_an_independent_verifier() {
    // NFR-128
    with(|database| async move {
        let tenant_id = tenant(1);
        let keys = SealKeys::try_new(&[SealingKey::new(&[7; 32]).public()]).unwrap();
        let relay = database.pool_as("holdfast_relay", PoolSettings::default()).await;
        let mut sealer = Sealer::new(relay, None, SealingKey::new(&[7; 32]), keys.clone(), SealerSettings::default());
        let mut seals = Vec::new();
        for (from, to) in [(1, 65_530), (65_531, 65_600), (65_601, 70_000)] {
            insert(&database, from, to).await;
            seals.extend(sealer.round().await.unwrap());
        }
        assert!(seals.iter().map(|seal| seal.size).eq([65_530, 65_600, 70_000]));
        assert_eq!(database.count("SELECT max(level)::bigint FROM seal_tiles").await, 2);

        let (log, mut tree) = (database.log().await, MemoryBackedTree::<Sha256, Vec<u8>>::new());
        let (mut roots, mut leaves) = (BTreeMap::new(), BTreeMap::new());
        let mut after = 0;
        while after < 70_000 {
            for event in log.read(tenant_id, after, 5_000).await.unwrap() {
                after = event.position;
                tree.push(leaf_input(&event));
                if SIZES.contains(&after) || seals.iter().any(|seal| seal.size == after) {
                    roots.insert(after, tree.root().as_bytes().to_vec());
                    leaves.insert(after, leaf_input(&event));
                }
            }
        }
        for seal in &seals {
            assert_eq!(seal.root.to_vec(), roots[&seal.size], "size {}", seal.size);
        }
        let auditor = database.pool_as("holdfast_auditor", PoolSettings::default()).await;
        let mut tx = auditor.begin_tenant_read(tenant_id).await.unwrap();
        for size in SIZES {
            for position in SIZES.into_iter().filter(|position| *position <= size) {
                let proof = seal::inclusion(&mut tx, tenant_id, position, size).await.unwrap();
                assert_eq!(proof.root.to_vec(), roots[&size]);
                let path = InclusionProof::<Sha256>::try_from_bytes(proof.path.concat()).unwrap();
                let index = u64::try_from(position - 1).unwrap();
                root(proof.root, size).verify_inclusion(&leaves[&position], index, &path).unwrap();
                let proof = seal::consistency(&mut tx, tenant_id, position, size).await.unwrap();
                assert_eq!((proof.from_root.to_vec(), proof.to_root.to_vec()), (roots[&position].clone(), roots[&size].clone()));
                let path = ConsistencyProof::<Sha256>::try_from_bytes(proof.path.concat()).unwrap();
                root(proof.to_root, size).verify_consistency(&root(proof.from_root, position), &path).unwrap();
            }
        }
        // Everything holds; a change far from the edge is found, by whoever asks and by the sealer on its rounds.
        assert_eq!(seal::check(&mut tx, tenant_id, &keys, &seals).await.unwrap().findings, Vec::<String>::new());
        tx.rollback().await.unwrap();
        let change = "ALTER TABLE events DISABLE TRIGGER append_only;
                      UPDATE events SET metadata = '{ }' WHERE position = 40000;
                      ALTER TABLE events ENABLE ALWAYS TRIGGER append_only";
        sqlx::raw_sql(change).execute(&database.admin).await.unwrap();
        let mut tx = auditor.begin_tenant_read(tenant_id).await.unwrap();
        assert!(!seal::check(&mut tx, tenant_id, &keys, &seals).await.unwrap().ok());
        tx.rollback().await.unwrap();
        let mut refused = false;
        for n in 0..40 {
            insert(&database, 70_001 + n, 70_001 + n).await;
            refused = sealer.round().await.unwrap().is_empty();
            if refused {
                break;
            }
        }
        assert!(refused, "the patrol has been everywhere");
    })
    .await;
}
