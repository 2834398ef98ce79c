//! Rebuild, compare, swap and back, against a real log and a real read database: ADM-21, NFR-19, protocols 8.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use holdfast_eventlog::subscription::{self, Consumer, SubscriptionSettings};
use holdfast_projections::rebuild::{Kind, Order, RebuildError, order, status};
use holdfast_projections::runtime::Projector;
use holdfast_projections::{all_projections, projectors};
use serde_json::json;
use support::world::{A, AllKeys, B, World, append, ended, ordered};
use support::{eur, tenant, with};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn every_projection_is_rebuilt_and_swapped_while_events_come_in() {
    // ADM-21, NFR-19, protocols 8.1; protocol test 7: as closed after the swap as before.
    with(|database| async move {
        let mut world = World::new(database).await;
        let shutdown = CancellationToken::new();
        let pool = world.database.pool_as("holdfast_projector").await;
        let keys: Arc<dyn holdfast_projections::personal::Keys> = Arc::new(AllKeys(vec![world.a.keys.clone(), world.b.keys.clone()]));
        let settings = SubscriptionSettings { sweep_every: Duration::from_millis(200), ..SubscriptionSettings::default() };
        let live = tokio::spawn(subscription::run(world.reading.clone(), None, projectors(&pool, &keys), settings, shutdown.clone()));
        // More and more money comes in all the time.
        let from = world.a.head();
        for n in 0..150 {
            world.a.deposit(0xDD_0000 + n, eur("3.33"));
        }
        let (writer, tenant_id, later) = (world.writer.clone(), world.a.tenant, world.a.events[usize::try_from(from).unwrap()..].to_vec());
        let writing = tokio::spawn(async move {
            for event in later {
                append(&writer, tenant_id, std::slice::from_ref(&event)).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        // Somebody reads all the time and never finds a table missing or money gone.
        let reader = world.database.reader().await;
        let reading = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                let mut reads = 0_u32;
                while !shutdown.is_cancelled() {
                    let mut tx = reader.begin_tenant_read(tenant_id).await.unwrap();
                    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM wallets").fetch_one(&mut *tx).await.unwrap();
                    tx.commit().await.unwrap();
                    assert!(rows > 0);
                    reads += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                reads
            }
        });
        let before = world.oid("wallets").await;
        for projection in all_projections() {
            let diff = world.rebuilder.rebuild(projection.name(), None, "test").await.unwrap();
            assert!(diff.is_empty(), "{diff:?}");
            assert_eq!(diff.tenants, 2);
        }
        writing.await.unwrap();
        assert_ne!(world.oid("wallets").await, before);
        let head = world.a.head();
        for _ in 0..200 {
            let behind = "SELECT count(*) FROM projection_checkpoints WHERE tenant_id = '00000000-0000-0000-0000-0000000000a1' AND position < ";
            if world.database.count(&format!("{behind}{head}")).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        shutdown.cancel();
        live.await.unwrap();
        assert!(reading.await.unwrap() > 10);
        for projection in all_projections() {
            assert_eq!(
                world.database.count(&format!("SELECT min(position) FROM projection_checkpoints WHERE projection = '{}' AND tenant_id = '00000000-0000-0000-0000-0000000000a1'", projection.name())).await,
                head
            );
            world.assert_verified(projection.name()).await;
        }
        // Roles are where they were: the side that is read is a reader's, the other is not.
        let reader = world.database.reader().await;
        let mut tx = reader.begin_tenant_read(world.b.tenant).await.unwrap();
        let (own, foreign): (i64, i64) = sqlx::query_as("SELECT count(*) FILTER (WHERE tenant_id = $1), count(*) FILTER (WHERE tenant_id <> $1) FROM wallets")
            .bind(world.b.tenant.uuid()).fetch_one(&mut *tx).await.unwrap();
        assert!(own > 0 && foreign == 0);
        assert!(sqlx::query("SELECT FROM shadow.wallets").execute(&mut *tx).await.is_err());
        drop(tx);
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_by_hand_is_found_put_right_and_comes_back_with_the_old_side() {
    // Protocols 8: compared at the same position, then swapped; the old side keeps its checkpoint.
    with(|database| async move {
        let mut world = World::new(database).await;
        let wallets = async |world: &World| {
            sqlx::query_scalar::<_, String>("SELECT sum(available)::text FROM public.wallets")
                .fetch_one(&world.database.admin)
                .await
                .unwrap()
        };
        let right = wallets(&world).await;
        sqlx::query("UPDATE wallets SET available = available + 0.01 WHERE wallet_id = (SELECT min(wallet_id::text)::uuid FROM wallets)")
            .execute(&world.database.admin)
            .await
            .unwrap();
        sqlx::query("DELETE FROM wallets WHERE wallet_id = (SELECT max(wallet_id::text)::uuid FROM wallets)")
            .execute(&world.database.admin)
            .await
            .unwrap();
        let wrong = wallets(&world).await;
        let mut run = world.rebuilder.begin("wallet", None, Kind::Rebuild, "test").await.unwrap();
        // One at a time.
        assert!(matches!(world.rebuilder.begin("wallet", None, Kind::Rebuild, "test").await, Err(RebuildError::Busy("wallet"))));
        let diff = run.prepare().await.unwrap();
        let table = diff.tables.iter().find(|table| table.table == "wallets").unwrap();
        assert_eq!((table.added, table.gone, table.changed, table.samples.len()), (1, 0, 1, 2), "{table:?}");
        let total = |column: &str| {
            table
                .totals
                .iter()
                .filter(|total| total.column == column)
                .map(|total| (total.before, total.after))
                .fold(Default::default(), |sum: (rust_decimal::Decimal, rust_decimal::Decimal), next| (sum.0 + next.0, sum.1 + next.1))
        };
        assert_eq!(total("available"), (wrong.parse().unwrap(), right.parse().unwrap()));
        assert_eq!(wallets(&world).await, wrong, "nothing is swapped before it is asked for");
        run.swap().await.unwrap();
        assert_eq!(wallets(&world).await, right);
        world.assert_verified("wallet").await;
        // What comes after the swap is in the old side too when it is taken back.
        let from = world.a.head();
        world.a.deposit(0xDD_1111, eur("7.00"));
        world.append(from).await;
        support::feed(world.database.projector("wallet", &world.keys).await.as_ref(), &world.a, 100).await.unwrap();
        let right = wallets(&world).await;
        world.rebuilder.swap_back("wallet", None, "test").await.unwrap();
        let back: rust_decimal::Decimal = wallets(&world).await.parse().unwrap();
        assert_eq!(back - wrong.parse::<rust_decimal::Decimal>().unwrap(), "7.00".parse().unwrap());
        // And back again.
        world.rebuilder.swap_back("wallet", None, "test").await.unwrap();
        assert_eq!(wallets(&world).await, right);
        world.assert_verified("wallet").await;
        // Nothing is kept aside of what was never swapped, or by another version.
        assert!(matches!(world.rebuilder.swap_back("audit", None, "test").await, Err(RebuildError::NothingKept)));
        sqlx::query("UPDATE shadow.projection_checkpoints SET version = version + 1 WHERE projection = 'wallet'")
            .execute(&world.database.admin)
            .await
            .unwrap();
        assert!(matches!(world.rebuilder.swap_back("wallet", None, "test").await, Err(RebuildError::OtherVersion { .. })));
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_projector_goes_on_with_the_rows_of_the_side_that_was_swapped_in() {
    // Decision 0020: what it remembers are rows of the other side, and the position is the same.
    with(|database| async move {
        let mut world = World::new(database).await;
        let projector = world.database.projector("wallet", &world.keys).await;
        let available = async |world: &World| world.database.count("SELECT sum(available)::bigint FROM public.wallets").await;
        let deposit = async |world: &mut World, reference| {
            let from = world.a.head();
            world.a.deposit(reference, eur("7.00"));
            world.append(from).await;
            support::feed(projector.as_ref(), &world.a, 100).await.unwrap();
        };
        deposit(&mut world, 0xDD_2221).await;
        let changed = "UPDATE wallets SET available = available + 1000 WHERE currency = 'EUR'";
        sqlx::query(changed).execute(&world.database.admin).await.unwrap();
        let with_changes = available(&world).await;
        world.rebuilder.rebuild("wallet", None, "test").await.unwrap();
        assert!(available(&world).await < with_changes);
        world.rebuilder.swap_back("wallet", None, "test").await.unwrap();
        assert_eq!(available(&world).await, with_changes);
        deposit(&mut world, 0xDD_2222).await;
        assert_eq!(available(&world).await, with_changes + 7, "on the rows that are there");
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_log_with_a_gap_swaps_nothing() {
    with(|database| async move {
        let world = World::new(database).await;
        let before = world.oid("journal_lines").await;
        sqlx::raw_sql("ALTER TABLE events DISABLE TRIGGER USER; DELETE FROM events WHERE tenant_id = '00000000-0000-0000-0000-0000000000a1' AND position = 7")
            .execute(&world.log.admin).await.unwrap();
        let refused = world.rebuilder.rebuild("ledger", None, "test").await;
        assert!(matches!(refused, Err(RebuildError::Gap { tenant_id, position: 7 }) if tenant_id == world.a.tenant), "{refused:?}");
        // The last one missing is a gap as well.
        let head = world.b.head();
        sqlx::raw_sql(&format!("DELETE FROM events WHERE tenant_id = '00000000-0000-0000-0000-0000000000b1' AND position = {head}"))
            .execute(&world.log.admin).await.unwrap();
        let refused = world.rebuilder.rebuild("ledger", Some(world.b.tenant), "test").await;
        assert!(matches!(refused, Err(RebuildError::Gap { position, .. }) if position == head), "{refused:?}");
        assert_eq!(world.oid("journal_lines").await, before);
        let all = status(world.rebuilder.pool(), world.rebuilder.log()).await.unwrap();
        let ledger = all.iter().find(|status| status.name == "ledger").unwrap();
        assert_eq!(ledger.last_run.as_ref().unwrap().state, "failed");
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn indexes_that_an_interrupted_rebuild_has_left_out_are_made_by_the_next_one() {
    // Decision 0023.
    with(|database| async move {
        let world = World::new(database).await;
        let tables = "ARRAY['accounts', 'journal_entries', 'journal_lines', 'wallet_balances']";
        let indexes =
            async |side: &str| world.database.count(&format!("SELECT count(*) FROM rebuild.plain_indexes('{side}', {tables})")).await;
        let (live, shadow) = (indexes("public").await, indexes("shadow").await);
        assert!(live > 2 && live == shadow, "{live}, {shadow}");
        for tenant in [Some(world.a.tenant), None] {
            sqlx::query(&format!("SELECT rebuild.drop_shadow_indexes({tables})")).execute(&world.database.admin).await.unwrap();
            assert_eq!((indexes("public").await, indexes("shadow").await), (live, 0), "only those of the side that nobody reads");
            let diff = world.rebuilder.rebuild("ledger", tenant, "test").await.unwrap();
            assert!(diff.is_empty(), "{diff:?}");
            assert_eq!((indexes("public").await, indexes("shadow").await), (live, live));
            assert_eq!(world.database.count(&format!("SELECT count(*) FROM rebuild.differences({tables})")).await, 0);
        }
        world.assert_verified("ledger").await;
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn one_tenant_alone_is_rebuilt_and_swapped_back() {
    // Protocols 8.3.
    with(|database| async move {
        let world = World::new(database).await;
        let of = async |world: &World, who: u128| {
            let sql = "SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM journal_lines t WHERE tenant_id = $1";
            sqlx::query_scalar::<_, String>(sql).bind(tenant(who).uuid()).fetch_one(&world.database.admin).await.unwrap()
        };
        let right = of(&world, A).await;
        let table = world.oid("journal_lines").await;
        sqlx::raw_sql("UPDATE journal_lines SET detail = 'tampered'").execute(&world.database.admin).await.unwrap();
        let (wrong_a, wrong_b) = (of(&world, A).await, of(&world, B).await);
        let diff = world.rebuilder.rebuild("ledger", Some(world.a.tenant), "test").await.unwrap();
        assert_eq!(diff.tenants, 1);
        assert!(diff.tables.iter().any(|table| table.table == "journal_lines" && table.changed > 0));
        assert_eq!(of(&world, A).await, right);
        assert_eq!(of(&world, B).await, wrong_b, "the other tenant is left alone");
        assert_eq!(world.oid("journal_lines").await, table, "and so is the table");
        world.rebuilder.swap_back("ledger", Some(world.a.tenant), "test").await.unwrap();
        assert_eq!(of(&world, A).await, wrong_a);
        assert!(matches!(world.rebuilder.swap_back("ledger", None, "test").await, Err(RebuildError::NothingKept)));
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_projection_that_stopped_is_tried_and_resumed() {
    with(|database| async move {
        let mut world = World::new(database).await;
        let from = world.a.head();
        sqlx::raw_sql(&format!("ALTER TABLE wallets ADD CONSTRAINT poison CHECK (position <= {from}) NOT VALID"))
            .execute(&world.database.admin)
            .await
            .unwrap();
        world.a.deposit(0xDD_2222, eur("12.34"));
        world.append(from).await;
        let projector = world.database.projector("wallet", &world.keys).await;
        assert!(support::feed(projector.as_ref(), &world.a, 100).await.is_err());
        let stopped =
            |all: Vec<holdfast_projections::rebuild::Status>| all.into_iter().find(|status| status.name == "wallet").unwrap().stopped;
        let at = stopped(status(world.rebuilder.pool(), world.rebuilder.log()).await.unwrap());
        assert_eq!(at.len(), 1);
        let still = world.rebuilder.attempt("wallet", world.a.tenant).await.unwrap();
        assert_eq!(
            (still.position, still.error.as_deref()),
            (at[0].position, Some("refused by the database: SQLSTATE 23514, constraint poison"))
        );
        // Put right, it would fit; trying changes nothing.
        sqlx::raw_sql("ALTER TABLE wallets DROP CONSTRAINT poison").execute(&world.database.admin).await.unwrap();
        let before = world.database.dump("wallets").await;
        let fits = world.rebuilder.attempt("wallet", world.a.tenant).await.unwrap();
        assert_eq!(fits.error, None);
        assert_eq!(fits.changes.iter().map(|change| change.table).collect::<Vec<_>>(), ["wallets"]);
        let (before_it, after_it) = (fits.changes[0].before.as_ref().unwrap(), &fits.changes[0].after);
        assert_eq!(before_it["wallet_id"], after_it["wallet_id"]);
        assert_ne!(before_it["available"], after_it["available"]);
        assert_eq!(world.database.dump("wallets").await, before);
        assert_eq!(stopped(status(world.rebuilder.pool(), world.rebuilder.log()).await.unwrap()).len(), 1);
        let pool = world.database.pool_as("holdfast_writer").await;
        let resumed = ordered(&pool, "wallet", Some(world.a.tenant), Kind::Resume).await.unwrap().run;
        assert_eq!(resumed.report.unwrap(), json!({ "pauses": 0, "stops": 1 }));
        support::feed(projector.as_ref(), &world.a, 100).await.unwrap();
        world.assert_verified("wallet").await;
        assert!(matches!(world.rebuilder.attempt("wallet", world.a.tenant).await, Err(RebuildError::NotStopped("wallet"))));
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_paused_is_left_alone_until_it_is_resumed() {
    with(|database| async move {
        let mut world = World::new(database).await;
        let pool = world.database.pool_as("holdfast_writer").await;
        let projector: Arc<Projector> = world.database.projector("audit", &world.keys).await;
        let from = world.a.head();
        world.a.deposit(0xDD_3333, eur("1.00"));
        world.append(from).await;
        for tenant in [None, Some(world.a.tenant)] {
            for was in [false, true] {
                let paused = ordered(&pool, "audit", tenant, Kind::Pause).await.unwrap().run;
                assert_eq!((paused.state.as_str(), paused.report), ("done", Some(json!({ "wasPaused": was }))));
            }
            // Also one that has not looked does not go on.
            assert!(support::feed(world.database.projector("audit", &world.keys).await.as_ref(), &world.a, 100).await.is_err());
            projector.checkpoints().await.unwrap();
            assert!(!projector.owns(world.a.tenant));
            assert_eq!(projector.owns(world.b.tenant), tenant.is_some());
            let resumed = ordered(&pool, "audit", tenant, Kind::Resume).await.unwrap().run;
            assert_eq!(resumed.report.unwrap(), json!({ "pauses": 1, "stops": 0 }));
        }
        support::feed(projector.as_ref(), &world.a, 100).await.unwrap();
        assert!(projector.owns(world.a.tenant));
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_version_rebuilds_by_itself_and_requests_are_worked_off() {
    // NFR-19: rows of an older version are rebuilt, all of them, while the old ones are read.
    with(|database| async move {
        let world = World::new(database).await;
        let before = world.oid("audit_log").await;
        sqlx::raw_sql("UPDATE projection_checkpoints SET version = version - 1 WHERE projection = 'audit'; DELETE FROM audit_log WHERE position > 3; UPDATE projection_checkpoints SET position = 3 WHERE projection = 'audit'")
            .execute(&world.database.admin).await.unwrap();
        let shutdown = CancellationToken::new();
        let keeping = tokio::spawn(world.rebuilder.clone().keep(shutdown.clone()));
        let pool = world.database.pool_as("holdfast_writer").await;
        let rebuild = Order { swap: true, ..Order::new("wallet", None, Kind::Rebuild, "an admin") };
        let id = order(&pool, &rebuild).await.unwrap().run.id;
        let verify = ordered(&pool, "credits", None, Kind::Verify).await.unwrap().run.id;
        let run = ended(&pool, id).await;
        assert_eq!((run.state.as_str(), run.error.as_deref()), ("swapped", None));
        assert_eq!(run.events_done, world.a.head() + world.b.head());
        assert_eq!(ended(&pool, verify).await.state, "done");
        for _ in 0..100 {
            if world.oid("audit_log").await != before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_ne!(world.oid("audit_log").await, before);
        // It went on to the end of the log: the side that was read stood still meanwhile.
        assert_eq!(world.database.count("SELECT min(position) FROM projection_checkpoints WHERE projection = 'audit'").await, world.a.head().min(world.b.head()));
        world.assert_verified("audit").await;
        // The old rows are another version's: there is no way back to them.
        let refused = world.rebuilder.swap_back("audit", None, "test").await;
        assert!(matches!(refused, Err(RebuildError::OtherVersion { .. })), "{refused:?}");
        shutdown.cancel();
        keeping.await.unwrap();
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn read_models_that_are_ahead_of_the_log_are_noticed_and_rebuilt() {
    // NFR-19, protocols 8.5: the two databases were put back to different points.
    with(|database| async move {
        let world = World::new(database).await;
        sqlx::raw_sql("ALTER TABLE events DISABLE TRIGGER USER; DELETE FROM events WHERE tenant_id = '00000000-0000-0000-0000-0000000000a1' AND position > 9; UPDATE tenant_heads SET position = 9, previous = 9 WHERE tenant_id = '00000000-0000-0000-0000-0000000000a1'")
            .execute(&world.log.admin).await.unwrap();
        assert_eq!(world.rebuilder.mark_what_is_ahead().await.unwrap(), all_projections().len(), "tenant A in each");
        assert_eq!(world.rebuilder.mark_what_is_ahead().await.unwrap(), 0);
        let projector = projectors(&world.database.pool_as("holdfast_projector").await, &(Arc::new(world.keys.clone()) as Arc<dyn holdfast_projections::personal::Keys>));
        for projector in &projector {
            projector.checkpoints().await.unwrap();
            assert!(!projector.owns(world.a.tenant), "nobody goes on with such rows");
        }
        assert!(projector.iter().any(|projector| projector.owns(world.b.tenant)));
        let shutdown = CancellationToken::new();
        let keeping = tokio::spawn(world.rebuilder.clone().keep(shutdown.clone()));
        for _ in 0..600 {
            if world.database.count("SELECT count(*) FROM projection_checkpoints WHERE version < 0").await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        shutdown.cancel();
        keeping.await.unwrap();
        for projection in all_projections() {
            world.assert_verified(projection.name()).await;
        }
        assert_eq!(world.database.count("SELECT max(position) FROM projection_checkpoints WHERE tenant_id = '00000000-0000-0000-0000-0000000000a1'").await, 9);
        world.end().await;
    })
    .await;
}
