//! The append against a real server: positions, units, receipts, claims, gates, locks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::{AppendError, Batch, EventLog, LoadRequest, UnitOutcome};
use support::{UnitExt, batch, event, key, rejection, tenant, unit, wallet, with};
use uuid::Uuid;

fn stored(first_position: i64) -> UnitOutcome {
    UnitOutcome::Stored { first_position }
}

#[tokio::test]
async fn positions_follow_the_units_and_the_answer_tells_where_the_head_stood() {
    with(|database| async move {
        let log = database.log().await;
        let (a, b) = (tenant(1), tenant(2));
        let first = log
            .append(&batch(&[(a, 0), (b, 0)], vec![unit(wallet(a, 1), 1, 2), unit(wallet(b, 1), 1, 1), unit(wallet(a, 2), 1, 3)]))
            .await
            .unwrap();
        assert_eq!(first.units, vec![stored(1), stored(1), stored(3)]);
        assert_eq!((first.heads[&a].before, first.heads[&a].after), (0, 5));
        assert_eq!((first.heads[&b].before, first.heads[&b].after), (0, 1));
        let second = log.append(&batch(&[(a, 5)], vec![unit(wallet(a, 1), 3, 1)])).await.unwrap();
        assert_eq!((second.heads[&a].before, second.heads[&a].after), (5, 6));
        assert!(second.heads[&a].recorded_at > first.heads[&a].recorded_at);
        let events = log.read(a, 0, 100).await.unwrap();
        let places: Vec<_> = events.iter().map(|event| (event.position, event.aggregate_id.as_u128(), event.sequence)).collect();
        assert_eq!(places, vec![(1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 2, 2), (5, 2, 3), (6, 1, 3)]);
        assert_eq!(log.read(a, 2, 2).await.unwrap(), events[2..4]);
        assert_eq!(log.read_stream(wallet(a, 1), 1, 10).await.unwrap().len(), 2);
        let mut touched = log.touched(a, 2, 5).await.unwrap();
        touched.sort();
        assert_eq!(touched, vec![wallet(a, 2)]);
        assert_eq!(log.heads().await.unwrap()[&a].0, 6);
    })
    .await;
}

#[tokio::test]
async fn payload_and_metadata_come_back_byte_for_byte() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        let odd = "{ \"b\" : 1,\n\t\"a\":1.10, \"a\": \"\\u00e9 é \\u0000 👍\" , \"n\":1e400 }".to_owned();
        let mut new = unit(wallet(a, 1), 1, 1);
        new.events[0].payload = odd.clone();
        new.events[0].metadata = " [ 1 ,2]".to_owned();
        log.append(&batch(&[(a, 0)], vec![new.with_receipt("k", 1)])).await.unwrap();
        let event = &log.read(a, 0, 1).await.unwrap()[0];
        assert_eq!((event.payload.as_str(), event.metadata.as_str()), (odd.as_str(), " [ 1 ,2]"));
        let request = LoadRequest { streams: vec![wallet(a, 1)], receipts: vec![key(a, "k")], tenants: vec![a], ..LoadRequest::default() };
        let loaded = log.load(&request).await.unwrap();
        assert_eq!(loaded.streams[&wallet(a, 1)], vec![event.clone()]);
        assert_eq!(loaded.receipts[&key(a, "k")].answer, "{\"key\": \"k\"}");
        assert_eq!(loaded.receipts[&key(a, "k")].request_hash, vec![1, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn another_tenants_stream_and_keys_are_not_found() {
    with(|database| async move {
        let log = database.log().await;
        let (a, b) = (tenant(1), tenant(2));
        log.append(&batch(&[(a, 0)], vec![unit(wallet(a, 1), 1, 2).with_receipt("k", 1)])).await.unwrap();
        let request =
            LoadRequest { streams: vec![wallet(b, 1)], receipts: vec![key(b, "k")], tenants: vec![a, b], ..LoadRequest::default() };
        let loaded = log.load(&request).await.unwrap();
        assert!(loaded.streams.is_empty() && loaded.receipts.is_empty());
        assert_eq!(loaded.heads, [(a, 2)].into());
        // The same stream, key and claim under another tenant collide with nothing.
        let units = vec![unit(wallet(b, 1), 1, 1).with_receipt("k", 1)];
        assert_eq!(log.append(&batch(&[(b, 0)], units)).await.unwrap().units, vec![stored(1)]);
    })
    .await;
}

#[tokio::test]
async fn a_unit_whose_sequence_is_taken_is_left_out_whole_and_the_others_go_through() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        log.append(&batch(&[(a, 0)], vec![unit(wallet(a, 1), 1, 1)])).await.unwrap();
        let units = vec![unit(wallet(a, 2), 1, 1), unit(wallet(a, 1), 1, 3).with_receipt("k", 3), unit(wallet(a, 3), 1, 2)];
        let appended = log.append(&batch(&[(a, 1)], units)).await.unwrap();
        assert_eq!(appended.units, vec![stored(2), UnitOutcome::SequenceTaken, stored(3)]);
        assert_eq!((appended.heads[&a].before, appended.heads[&a].after), (1, 4));
        assert_eq!(log.read_stream(wallet(a, 1), 0, 10).await.unwrap().len(), 1);
        assert_eq!(database.count("SELECT count(*) FROM receipts").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_receipt_carries_the_position_of_its_commands_last_event() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        let units = vec![
            unit(wallet(a, 1), 1, 1),
            unit(wallet(a, 2), 1, 3).with_receipt("one", 1).with_receipt("three", 3),
            rejection(wallet(a, 3), "no"),
        ];
        log.append(&batch(&[(a, 0)], units)).await.unwrap();
        let request = LoadRequest { receipts: ["one", "three", "no"].map(|name| key(a, name)).to_vec(), ..LoadRequest::default() };
        let receipts = log.load(&request).await.unwrap().receipts;
        let position = |name| receipts[&key(a, name)].position;
        assert_eq!((position("one"), position("three"), position("no")), (2, 4, 0));
    })
    .await;
}

#[tokio::test]
async fn a_taken_key_leaves_out_its_whole_unit() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        log.append(&batch(&[(a, 0)], vec![unit(wallet(a, 1), 1, 1).with_receipt("k", 1)])).await.unwrap();
        let units = vec![
            unit(wallet(a, 2), 1, 2).with_receipt("k", 1).with_receipt("new", 2),
            unit(wallet(a, 3), 1, 1).with_receipt("other", 1),
            unit(wallet(a, 4), 1, 1).with_receipt("other", 1),
            rejection(wallet(a, 5), "k"),
        ];
        let appended = log.append(&batch(&[(a, 1)], units)).await.unwrap();
        let taken = |name| UnitOutcome::KeysTaken(vec![key(a, name)]);
        assert_eq!(appended.units, vec![taken("k"), stored(2), taken("other"), taken("k")]);
        assert_eq!(database.count("SELECT count(*) FROM receipts").await, 2);
        assert_eq!(database.count("SELECT count(*) FROM events").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_claim_belongs_to_one_stream_until_it_is_given_back() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        log.append(&batch(&[(a, 0)], vec![unit(wallet(a, 1), 1, 1).with_claim("x", true)])).await.unwrap();
        let refused =
            log.append(&batch(&[(a, 1)], vec![unit(wallet(a, 2), 1, 1).with_claim("x", true), unit(wallet(a, 3), 1, 1)])).await.unwrap();
        let taken_by_first = UnitOutcome::ClaimTaken { kind: "reference".to_owned(), value: "x".to_owned(), holder: Uuid::from_u128(1) };
        assert_eq!(refused.units, vec![taken_by_first, stored(2)]);
        // Only its holder can give it back.
        log.append(&batch(&[(a, 2)], vec![unit(wallet(a, 4), 1, 1).with_claim("x", false)])).await.unwrap();
        assert_eq!(database.count("SELECT count(*) FROM claims").await, 1);
        // Given back and taken by another stream in the same batch.
        let moved = log
            .append(&batch(
                &[(a, 3)],
                vec![unit(wallet(a, 2), 1, 1).with_claim("x", true), unit(wallet(a, 1), 2, 1).with_claim("x", false)],
            ))
            .await
            .unwrap();
        assert_eq!(moved.units, vec![stored(4), stored(5)]);
        // Two of one batch want the same.
        let both = log
            .append(&batch(&[(a, 5)], vec![unit(wallet(a, 5), 1, 1).with_claim("y", true), unit(wallet(a, 6), 1, 1).with_claim("y", true)]))
            .await
            .unwrap();
        assert!(
            matches!(both.units[..], [UnitOutcome::Stored { .. }, UnitOutcome::ClaimTaken { holder, .. }] if holder == Uuid::from_u128(5))
        );
    })
    .await;
}

#[tokio::test]
async fn gated_units_are_stored_only_when_nobody_else_has_written() {
    with(|database| async move {
        let log = database.log().await;
        let (a, b) = (tenant(1), tenant(2));
        // A log that ends before what a batch was decided on is another one: nothing is stored there.
        let wrong = log
            .append(&batch(&[(a, 7)], vec![unit(wallet(a, 1), 1, 1).gated(), unit(wallet(a, 2), 1, 1), rejection(wallet(a, 9), "no")]))
            .await
            .unwrap();
        assert_eq!(wrong.units, vec![UnitOutcome::Stale; 3]);
        assert_eq!(database.count("SELECT count(*) FROM events").await, 0);
        // New heads pass the gate at 0.
        let first = log.append(&batch(&[(a, 0)], vec![unit(wallet(a, 2), 1, 1)])).await.unwrap();
        assert_eq!(first.units, vec![stored(1)]);
        let right = log.append(&batch(&[(b, 0)], vec![unit(wallet(b, 1), 1, 1).gated(), unit(wallet(b, 2), 1, 1)])).await.unwrap();
        assert_eq!(right.units, vec![stored(1), stored(2)]);
        // Stale: neither events nor receipts nor claims of gated units, and the others' positions have no gap.
        let units = vec![
            unit(wallet(a, 3), 1, 2).with_claim("x", true).with_receipt("gated", 2).gated(),
            unit(wallet(a, 4), 1, 2).with_receipt("free", 2),
            rejection(wallet(a, 5), "rejected"),
        ];
        let stale = log.append(&batch(&[(a, 0)], units.clone())).await.unwrap();
        assert_eq!(stale.units, vec![UnitOutcome::Stale, stored(2), UnitOutcome::Stale]);
        assert_eq!((stale.heads[&a].before, stale.heads[&a].after), (1, 3));
        assert_eq!(database.count("SELECT count(*) FROM receipts").await, 1);
        assert_eq!(database.count("SELECT position FROM receipts").await, 3);
        assert_eq!(database.count("SELECT count(*) FROM claims").await, 0);
        // Decided again on what is there now.
        let again = log.append(&batch(&[(a, 3)], vec![units[0].clone(), units[2].clone()])).await.unwrap();
        assert_eq!(again.units, vec![stored(4), stored(3)]);
        // A receipt-only batch moves no position.
        let only = log.append(&batch(&[(a, 5)], vec![rejection(wallet(a, 6), "later")])).await.unwrap();
        assert_eq!((only.heads[&a].before, only.heads[&a].after), (5, 5));
    })
    .await;
}

#[tokio::test]
async fn positions_stay_gapless_when_several_processes_append_at_once() {
    with(|database| async move {
        let mut workers = Vec::new();
        for worker in 0..4_u128 {
            let log = database.log().await;
            workers.push(tokio::spawn(async move {
                for round in 0..40_i64 {
                    // Two tenants in crossed order, one stream of its own, one that all fight for.
                    let order = if worker % 2 == 0 { [tenant(1), tenant(2)] } else { [tenant(2), tenant(1)] };
                    let mut units = Vec::new();
                    for tenant_id in order {
                        units.push(unit(wallet(tenant_id, 100 + worker), round * 2 + 1, 2));
                        units.push(unit(wallet(tenant_id, 1), round + 1, 3));
                    }
                    let appended = log.append(&Batch { units, ..Batch::default() }).await.unwrap();
                    assert!(appended.units.iter().step_by(2).all(|outcome| matches!(outcome, UnitOutcome::Stored { .. })));
                }
            }));
        }
        for worker in workers {
            worker.await.unwrap();
        }
        for tenant_id in [tenant(1), tenant(2)] {
            assert_gapless(&database.log().await, tenant_id).await;
        }
        let batches = "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY tenant_id, aggregate_id, recorded_at HAVING count(*) NOT IN (2, 3)) halves";
        assert_eq!(database.count(batches).await, 0, "a unit is stored whole");
        let later = "SELECT count(*) FROM (SELECT recorded_at < lag(recorded_at) OVER (PARTITION BY tenant_id ORDER BY position) AS back FROM events) e WHERE back";
        assert_eq!(database.count(later).await, 0, "time does not go back");
    })
    .await;
}

async fn assert_gapless(log: &EventLog, tenant_id: TenantId) {
    let events = log.read(tenant_id, 0, 1_000_000).await.unwrap();
    assert!(events.iter().map(|event| event.position).eq(1..=i64::try_from(events.len()).unwrap()));
    let mut next = std::collections::HashMap::new();
    for event in &events {
        let sequence = next.entry(event.aggregate_id).or_insert(1);
        assert!(event.sequence <= *sequence, "no gap within a stream");
        *sequence = event.sequence.max(*sequence) + 1;
    }
    assert_eq!(log.heads().await.unwrap()[&tenant_id].0, i64::try_from(events.len()).unwrap());
}

/// Protocol test 2. `HOLDFAST_LONG=1`: 10,000 rounds.
#[tokio::test]
async fn receipt_only_batches_with_crossed_keys_never_deadlock() {
    with(|database| async move {
        let rounds = if std::env::var_os("HOLDFAST_LONG").is_some() { 10_000 } else { 300 };
        // Many tenants per batch: the longer the row of locks, the surer two batches meet in the middle of it.
        let tenants = 24;
        let known: Vec<_> = (1..=tenants).map(|t| (tenant(t), 0)).collect();
        let mut workers = Vec::new();
        for worker in 0..4_usize {
            let (log, known) = (database.log().await, known.clone());
            workers.push(tokio::spawn(async move {
                let mut won = 0;
                for round in 0..rounds {
                    let mut units: Vec<_> = (1..=tenants).map(|t| rejection(wallet(tenant(t), 1), &format!("{round}"))).collect();
                    if worker % 2 == 1 {
                        units.reverse();
                    }
                    let appended = log.append(&batch(&known, units)).await.unwrap();
                    won += appended.units.iter().filter(|outcome| matches!(outcome, UnitOutcome::Stored { .. })).count();
                    // Four at once on one key: whoever was refused again and again is told to decide again.
                    let fine = |outcome: &UnitOutcome| {
                        matches!(outcome, UnitOutcome::Stored { .. } | UnitOutcome::KeysTaken(_) | UnitOutcome::Stale)
                    };
                    assert!(appended.units.iter().all(fine));
                }
                won
            }));
        }
        let mut won = 0;
        for worker in workers {
            won += worker.await.unwrap();
        }
        assert_eq!(won, 24 * rounds, "each key has one answer");
        assert_eq!(database.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await, 0);
    })
    .await;
}

#[tokio::test]
async fn under_the_lock_nothing_else_is_written_and_what_is_taken_is_reported() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        log.append(&batch(&[(a, 0)], vec![unit(wallet(a, 1), 1, 1).with_receipt("k", 1)])).await.unwrap();
        let mut locked = log.lock(a).await.unwrap();
        assert_eq!(locked.position(), 1);
        let other = database.log().await;
        let waiting = tokio::spawn(async move {
            other.append(&batch(&[(tenant(1), 1)], vec![unit(wallet(tenant(1), 2), 1, 1), rejection(wallet(tenant(1), 9), "r")])).await
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished());
        let request = LoadRequest { streams: vec![wallet(a, 1)], ..LoadRequest::default() };
        assert_eq!(locked.load(&request).await.unwrap().streams[&wallet(a, 1)].len(), 1);
        let units = vec![unit(wallet(a, 4), 1, 1).gated(), unit(wallet(a, 3), 1, 1).with_receipt("k", 1), unit(wallet(a, 1), 1, 1)];
        let appended = locked.append(&batch(&[(a, 1)], units)).await.unwrap();
        assert_eq!(appended.units, vec![stored(2), UnitOutcome::KeysTaken(vec![key(a, "k")]), UnitOutcome::SequenceTaken]);
        assert_eq!(locked.position(), 2);
        locked.commit().await.unwrap();
        let waited = waiting.await.unwrap().unwrap();
        assert_eq!(waited.units, vec![stored(3), UnitOutcome::Stale]);
        assert_eq!(waited.heads[&a].before, 2);
        // Rolled back or dropped: nothing.
        let mut locked = log.lock(tenant(5)).await.unwrap();
        locked.append(&batch(&[(tenant(5), 0)], vec![unit(wallet(tenant(5), 1), 1, 1)])).await.unwrap();
        drop(locked);
        let locked = log.lock(tenant(5)).await.unwrap();
        assert_eq!(locked.position(), 0);
        locked.rollback().await.unwrap();
        assert_gapless(&log, a).await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_an_unknown_outcome_and_a_refusal_is_a_failure() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        log.append(&batch(&[(a, 0)], vec![unit(wallet(a, 1), 1, 1)])).await.unwrap();
        let mut not_json = unit(wallet(a, 2), 1, 1);
        not_json.events[0].payload = "{".to_owned();
        assert!(matches!(log.append(&batch(&[(a, 1)], vec![not_json])).await, Err(AppendError::Failed(_))));
        assert_eq!(log.heads().await.unwrap()[&a].0, 1);
        let locked = log.lock(a).await.unwrap();
        let other = database.log().await;
        let waiting = tokio::spawn(async move { other.append(&batch(&[(tenant(1), 1)], vec![unit(wallet(tenant(1), 3), 1, 1)])).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let kill =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        assert_eq!(database.count(kill).await, 1);
        assert!(matches!(waiting.await.unwrap(), Err(AppendError::Unknown(_))));
        locked.rollback().await.unwrap();
        // And the log goes on.
        assert_eq!(log.append(&batch(&[(a, 1)], vec![unit(wallet(a, 4), 1, 1)])).await.unwrap().units, vec![stored(2)]);
    })
    .await;
}

#[tokio::test]
async fn a_notification_names_the_tenants_of_a_batch_that_stored_events_and_where_they_stand() {
    with(|database| async move {
        let log = database.log().await;
        let mut listener = sqlx::postgres::PgListener::connect(&database.url_as("holdfast_projector")).await.unwrap();
        listener.listen("holdfast_log").await.unwrap();
        log.append(&batch(&[(tenant(1), 0)], vec![rejection(wallet(tenant(1), 1), "k")])).await.unwrap();
        log.append(&batch(&[], vec![unit(wallet(tenant(1), 1), 1, 1), unit(wallet(tenant(2), 1), 1, 1)])).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(2), listener.recv()).await.unwrap().unwrap();
        let mut moved: Vec<_> = heard.payload().split(',').map(str::to_owned).collect();
        moved.sort();
        assert_eq!(moved, [format!("{}:1", tenant(1)), format!("{}:1", tenant(2))]);
    })
    .await;
}

#[tokio::test]
async fn a_large_batch_keeps_the_order_of_its_events() {
    with(|database| async move {
        let log = database.log().await;
        let a = tenant(1);
        let mut units = Vec::new();
        for n in 0..200_u128 {
            let mut one = unit(wallet(a, n), 1, 0);
            one.events = (0..3).map(|i| event(&format!("{n}-{i}"))).collect();
            units.push(one.with_receipt(&n.to_string(), 3));
        }
        log.append(&batch(&[(a, 0)], units)).await.unwrap();
        let events = log.read(a, 0, 1000).await.unwrap();
        for (n, event) in events.iter().enumerate() {
            assert_eq!(event.payload, format!(r#"{{"text": "{}-{}"}}"#, n / 3, n % 3));
        }
        assert_eq!(events.len(), 600);
    })
    .await;
}

/// Protocol test 10 at this level: whatever the moment of the kill, repeating with the key stores once.
/// `HOLDFAST_LONG=1`: 1,000 kills.
#[tokio::test]
async fn a_backend_killed_at_any_moment_loses_nothing_and_doubles_nothing() {
    with(|database| async move {
        let kills = if std::env::var_os("HOLDFAST_LONG").is_some() { 1000 } else { 60 };
        let log = database.log().await;
        let a = tenant(1);
        let done = Arc::new(AtomicBool::new(false));
        let worker = tokio::spawn({
            let done = done.clone();
            async move {
                let (mut sequence, mut unknown) = (0, 0);
                while !done.load(Ordering::SeqCst) {
                    sequence += 1;
                    let name = sequence.to_string();
                    loop {
                        let appended = log.append(&batch(&[], vec![unit(wallet(a, 1), sequence, 1).with_receipt(&name, 1)])).await;
                        match appended.map(|appended| appended.units[0].clone()) {
                            // Taken: the lost answer was a success.
                            Ok(UnitOutcome::Stored { first_position }) => assert_eq!(first_position, sequence),
                            Ok(UnitOutcome::SequenceTaken | UnitOutcome::KeysTaken(_)) => {}
                            Ok(other) => panic!("{other:?}"),
                            Err(AppendError::Unknown(_)) => {
                                unknown += 1;
                                continue;
                            }
                            Err(AppendError::Failed(error)) => panic!("{error}"),
                        }
                        break;
                    }
                }
                (sequence, unknown)
            }
        });
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'holdfast_writer'";
        for _ in 0..kills {
            database.count(kill).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        done.store(true, Ordering::SeqCst);
        let (last, unknown) = worker.await.unwrap();
        assert!(unknown > 0, "no kill hit an append");
        assert_eq!(database.count("SELECT count(*) FROM events").await, last);
        assert_eq!(database.count("SELECT count(*) FROM receipts").await, last);
        assert_gapless(&database.log().await, a).await;
    })
    .await;
}
