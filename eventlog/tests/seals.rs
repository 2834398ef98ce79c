//! Seals: against an independent implementation of RFC 6962, and against tampering.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::seal::{self, Seal, SealerSettings, SealingKey};
use sha2::Sha256;
use sqlx::{Connection as _, Executor as _, PgConnection};
use support::tree::{append, auditor, keys, leaf_input, root, sealer};
use support::{Database, batch, event, tenant, unit, wallet, with};
use uuid::Uuid;

#[tokio::test]
async fn proofs_convince_an_independent_verifier() {
    with(|database| async move {
        // Sizes around tiles and powers of two; large_tree.rs has a third level.
        let tenant_id = tenant(1);
        let mut sealer = sealer(&database, SealerSettings { patrol: 300, ..SealerSettings::default() }).await;
        let (mut first, mut seals) = (1, Vec::new());
        for events in [1, 1, 5, 248, 1, 1, 255, 1, 257, 300] {
            append(&database, tenant_id, 1, first, events).await;
            first += i64::try_from(events).unwrap();
            seals.extend(sealer.round().await.unwrap());
        }
        assert_eq!(seals.len(), 10);
        let events = database.log().await.read(tenant_id, 0, 2_000).await.unwrap();
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut roots = Vec::new();
        for event in &events {
            tree.push(leaf_input(event));
            roots.push(tree.root().as_bytes().to_vec());
        }
        let root_of = |size: i64| roots[usize::try_from(size).unwrap() - 1].clone();
        for seal in &seals {
            assert_eq!(seal.root.to_vec(), root_of(seal.size), "size {}", seal.size);
            assert!(keys().accept(seal));
        }
        let pool = auditor(&database).await;
        let mut tx = pool.begin_tenant_read(tenant_id).await.unwrap();
        let sizes = [1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 770, 1_000, 1_070];
        for size in sizes {
            for position in sizes.into_iter().filter(|position| *position <= size) {
                let proof = seal::inclusion(&mut tx, tenant_id, position, size).await.unwrap();
                assert_eq!(proof.root.to_vec(), root_of(size));
                let path = InclusionProof::<Sha256>::try_from_bytes(proof.path.concat()).unwrap();
                let index = usize::try_from(position - 1).unwrap();
                root(proof.root, size).verify_inclusion(&leaf_input(&events[index]), index as u64, &path).unwrap();

                let proof = seal::consistency(&mut tx, tenant_id, position, size).await.unwrap();
                assert_eq!((proof.from_root.to_vec(), proof.to_root.to_vec()), (root_of(position), root_of(size)));
                let path = ConsistencyProof::<Sha256>::try_from_bytes(proof.path.concat()).unwrap();
                root(proof.to_root, size).verify_consistency(&root(proof.from_root, position), &path).unwrap();
            }
        }
        // The test can fail: another event, another root.
        let proof = seal::inclusion(&mut tx, tenant_id, 5, 257).await.unwrap();
        let path = InclusionProof::<Sha256>::try_from_bytes(proof.path.concat()).unwrap();
        assert!(root(proof.root, 257).verify_inclusion(&leaf_input(&events[5]), 4, &path).is_err());
        tx.rollback().await.unwrap();
        assert!(check(&database, tenant_id, &seals).await.is_empty());
    })
    .await;
}

/// What the check finds, as the auditor.
async fn check(database: &Database, tenant_id: TenantId, outside: &[Seal]) -> Vec<String> {
    let mut tx = auditor(database).await.begin_tenant_read(tenant_id).await.unwrap();
    let report = seal::check(&mut tx, tenant_id, &keys(), outside).await.unwrap();
    tx.rollback().await.unwrap();
    report.findings
}

/// Numbers without a pattern, the same at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % u64::try_from(limit).unwrap()).unwrap()
    }
}

const EVENTS: i64 = 60;

/// One change of the rows of tenant 1 by somebody who may do everything; what it does, for the message.
fn tampering(dice: &mut Dice) -> (String, Vec<String>) {
    let (position, other) = (1 + dice.below(EVENTS), 1 + dice.below(EVENTS - 1));
    let other = if other >= position { other + 1 } else { other };
    let at = format!("WHERE tenant_id = '{}' AND position", tenant(1));
    let head = |to: i64| format!("UPDATE tenant_heads SET position = {to} WHERE tenant_id = '{}'", tenant(1));
    let noise = dice.below(1 << 30);
    let (what, statements) = match dice.below(16) {
        0 => ("payload", vec![format!(r#"UPDATE events SET payload = '{{"text": "x{noise}"}}' {at} = {position}"#)]),
        1 => ("one space in the payload", vec![format!("UPDATE events SET payload = (payload::text || ' ')::json {at} = {position}")]),
        2 => ("metadata", vec![format!(r#"UPDATE events SET metadata = '{{"by":"n{noise}"}}' {at} = {position}"#)]),
        3 => ("type", vec![format!("UPDATE events SET event_type = 'wallet.t{noise}' {at} = {position}")]),
        4 => ("version", vec![format!("UPDATE events SET event_version = 'v{noise}' {at} = {position}")]),
        5 => ("time", vec![format!("UPDATE events SET recorded_at = recorded_at + interval '{} microseconds' {at} = {position}", 1 + noise)]),
        6 => ("aggregate", vec![format!("UPDATE events SET aggregate_id = '{}' {at} = {position}", Uuid::from_u128(noise.unsigned_abs().into()))]),
        7 => ("aggregate type", vec![format!("UPDATE events SET aggregate_type = 'a{noise}' {at} = {position}")]),
        8 => ("sequence", vec![format!("UPDATE events SET sequence = sequence + {} {at} = {position}", 1_000 + noise)]),
        9 => ("delete", vec![format!("DELETE FROM events {at} = {position}")]),
        10 => (
            "delete and close the gap",
            vec![
                format!("DELETE FROM events {at} = {position}"),
                format!("UPDATE events SET position = -position {at} > {position}"),
                format!("UPDATE events SET position = -position - 1 {at} < 0"),
                head(EVENTS - 1),
            ],
        ),
        11 => (
            "swap",
            vec![
                format!("UPDATE events SET position = 1000000 {at} = {position}"),
                format!("UPDATE events SET position = {position} {at} = {other}"),
                format!("UPDATE events SET position = {other} {at} = 1000000"),
            ],
        ),
        12 => (
            "insert",
            vec![
                format!("UPDATE events SET position = -position {at} >= {position}"),
                format!("UPDATE events SET position = -position + 1 {at} < 0"),
                format!(
                    "INSERT INTO events (tenant_id, aggregate_id, position, sequence, recorded_at, aggregate_type, event_type, event_version, payload, metadata)
                     SELECT tenant_id, aggregate_id, {position}, 900000, recorded_at, aggregate_type, event_type, event_version, payload, metadata
                     FROM events {at} = {}",
                    if position == 1 { 2 } else { 1 }
                ),
                head(EVENTS + 1),
            ],
        ),
        13 => ("renumber", vec![format!("UPDATE events SET position = {} {at} = {position}", EVENTS + 1 + noise)]),
        14 => ("cut off the tail", vec![format!("DELETE FROM events {at} >= {position}"), head(position - 1)]),
        _ => (
            "swap the contents",
            vec![format!(
                "UPDATE events e SET payload = o.payload, sequence = e.sequence FROM events o
                 WHERE e.tenant_id = o.tenant_id AND e.tenant_id = '{}' AND e.position = {position} AND o.position = {other}",
                tenant(1)
            )],
        ),
    };
    (format!("{what} at {position} ({other}, {noise})"), statements)
}

#[tokio::test]
async fn a_thousand_random_tamperings_are_all_found() {
    with(|database| async move {
        let tenant_id = tenant(1);
        let mut sealer = sealer(&database, SealerSettings::default()).await;
        for stream in 1..=12_u128 {
            let mut events = unit(wallet(tenant_id, stream), 1, 5);
            for (n, new) in (0..).zip(&mut events.events) {
                *new = event(&format!("{stream}-{n}"));
            }
            database.log().await.append(&batch(&[], vec![events])).await.unwrap();
            if stream % 6 == 0 {
                assert_eq!(sealer.round().await.unwrap().len(), 1);
            }
        }
        assert!(check(&database, tenant_id, &[]).await.is_empty(), "untouched");
        // Whoever may switch the triggers off and see past every policy.
        let mut superuser = database.admin.acquire().await.unwrap();
        superuser
            .execute("ALTER TABLE events DISABLE TRIGGER append_only; ALTER TABLE events DROP CONSTRAINT events_position_check")
            .await
            .unwrap();
        let mut dice = Dice(4);
        for number in 0..1_000 {
            let (what, statements) = tampering(&mut dice);
            let mut tx = superuser.begin().await.unwrap();
            for statement in &statements {
                tx.execute(statement.as_str()).await.unwrap_or_else(|error| panic!("{what}: {statement}: {error}"));
            }
            let report = seal::check(&mut tx, tenant_id, &keys(), &[]).await.unwrap();
            assert!(!report.ok(), "number {number} was not found: {what}");
            tx.rollback().await.unwrap();
        }
        assert!(check(&database, tenant_id, &[]).await.is_empty(), "everything was undone");
    })
    .await;
}

/// Runs the statements past all triggers, for good.
async fn vandalise(database: &Database, statements: &str) {
    let tables = ["events", "seals", "seal_tiles"];
    let switch = |verb: &str| tables.map(|table| format!("ALTER TABLE {table} {verb} TRIGGER ALL;")).concat();
    let script = format!("{} {statements}; {}", switch("DISABLE"), switch("ENABLE"));
    let mut session = PgConnection::connect_with(&database.admin.connect_options()).await.unwrap();
    session.execute(sqlx::raw_sql(&script)).await.unwrap();
}

#[tokio::test]
async fn tampered_seals_and_tiles_are_found() {
    with(|database| async move {
        let tenant_id = tenant(1);
        let mut sealer = sealer(&database, SealerSettings::default()).await;
        let mut kept = Vec::new();
        for round in 0..3 {
            append(&database, tenant_id, 1, round * 200 + 1, 200).await;
            kept.extend(sealer.round().await.unwrap());
        }
        let mut superuser = database.admin.acquire().await.unwrap();
        superuser.execute("ALTER TABLE seals DISABLE TRIGGER ALL; ALTER TABLE seal_tiles DISABLE TRIGGER ALL").await.unwrap();
        let changes = [
            "DELETE FROM seals WHERE size = 600",
            "DELETE FROM seals WHERE size = 400",
            "DELETE FROM seals",
            "UPDATE seals SET root = sha256(root) WHERE size = 200",
            "UPDATE seals SET signature = signature || ''::bytea, sealed_at = sealed_at + interval '1 second' WHERE size = 600",
            "UPDATE seals SET key_id = 'other' WHERE size = 600",
            "DELETE FROM seal_tiles WHERE level = 1",
            "UPDATE seal_tiles SET hashes = set_byte(hashes, 39, 255 - get_byte(hashes, 39)) WHERE level = 0 AND tile = 0",
            "UPDATE seal_tiles SET hashes = hashes || hashes WHERE level = 1",
            "INSERT INTO seal_tiles SELECT tenant_id, 9, 0, hashes FROM seal_tiles WHERE level = 1",
        ];
        for change in changes {
            let mut tx = superuser.begin().await.unwrap();
            assert!(tx.execute(change).await.unwrap().rows_affected() > 0, "{change}");
            assert!(!seal::check(&mut tx, tenant_id, &keys(), &kept).await.unwrap().ok(), "{change}");
            tx.rollback().await.unwrap();
        }
        // A seal of a key that is not ours.
        let strange = SealingKey::new(&[1; 32]).sign(tenant_id, 600, kept[2].root, 400, chrono::Utc::now());
        assert!(!check(&database, tenant_id, &[strange]).await.is_empty());
        assert!(check(&database, tenant_id, &kept).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_sealer_does_not_sign_a_log_that_changed() {
    with(|database| async move {
        // One tenant per way of changing the log; all but the last are refused, also by a sealer that remembers nothing.
        let folder = std::env::temp_dir().join(format!("holdfast-seals-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("seals.ndjson");
        let settings = SealerSettings { file: Some(file.clone()), patrol: 1_024, ..SealerSettings::default() };
        for n in 1..=5 {
            append(&database, tenant(n), 1, 1, if n == 4 { 1_500 } else { 20 }).await;
        }
        assert_eq!(sealer(&database, settings.clone()).await.round().await.unwrap().len(), 5);
        assert_eq!(seal::read_seals(&file).unwrap().len(), 5);
        let of = |n| format!("tenant_id = '{}'", tenant(n));
        vandalise(&database, &format!("UPDATE events SET payload = '{{}}' WHERE {} AND position = 3", of(1))).await;
        vandalise(
            &database,
            &format!("DELETE FROM events WHERE {0} AND position > 15; UPDATE tenant_heads SET position = 15 WHERE {0}", of(2)),
        )
        .await;
        // Cut off, with its seals and its tree, as if it had never been sealed: the file knows.
        vandalise(
            &database,
            &format!(
                "DELETE FROM seals WHERE {0}; DELETE FROM seal_tiles WHERE {0}; UPDATE events SET metadata = '{{}}' WHERE {0} AND position = 20",
                of(3)
            ),
        )
        .await;
        // A larger log, read again part by part: its second half.
        vandalise(&database, &format!("UPDATE events SET payload = '{{}}' WHERE {} AND position = 1300", of(4))).await;
        for n in [1, 3, 4, 5] {
            append(&database, tenant(n), 2, 1, 1).await;
        }
        let mut sealer = sealer(&database, settings).await;
        let sealed: Vec<_> = sealer.round().await.unwrap().into_iter().map(|seal| seal.tenant_id).collect();
        assert!(sealed.contains(&tenant(5)) && !sealed.contains(&tenant(1)) && !sealed.contains(&tenant(2)) && !sealed.contains(&tenant(3)));
        append(&database, tenant(4), 2, 2, 1).await;
        sealer.round().await.unwrap();
        append(&database, tenant(4), 2, 3, 1).await;
        assert!(sealer.round().await.unwrap().is_empty(), "the patrol has come to the changed event");
        // Restored: sealed again.
        let before: String = r#"{"text": "2"}"#.to_owned();
        vandalise(&database, &format!("UPDATE events SET payload = '{before}' WHERE {} AND position = 3", of(1))).await;
        let again: Vec<_> = sealer.round().await.unwrap().into_iter().map(|seal| seal.tenant_id).collect();
        assert_eq!(again, [tenant(1)]);
        std::fs::remove_dir_all(folder).unwrap();
    })
    .await;
}
