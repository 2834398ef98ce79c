//! Orders about rebuilds: who may give them, one at a time, and what becomes of them when processes end (ADM-21, NFR-19).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use holdfast_projections::rebuild::{
    Kind, Order, OrderError, OtherSide, RebuildError, RunRow, find_run, list_runs, order, prune_runs, status,
};
use serde_json::json;
use sqlx::Executor as _;
use support::world::{World, ended, ordered};
use support::{eur, feed, with};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// As a projector's process does.
fn keeper(world: &World) -> (CancellationToken, JoinHandle<()>) {
    let shutdown = CancellationToken::new();
    (shutdown.clone(), tokio::spawn(world.rebuilder.clone().keep(shutdown)))
}

fn state(run: &RunRow) -> (&str, Option<&str>) {
    (&run.state, run.error.as_deref())
}

/// Each statement that folds wallets into the shadow side takes this long.
async fn slow_down(world: &World, seconds: u32) {
    let sql = format!(
        "CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
         CREATE TRIGGER slowly AFTER INSERT ON shadow.wallets FOR EACH STATEMENT EXECUTE FUNCTION public.slowly()"
    );
    world.database.admin.execute(sqlx::raw_sql(&sql)).await.unwrap();
}

async fn at_full_speed(world: &World) {
    world.database.admin.execute("DROP FUNCTION public.slowly() CASCADE").await.unwrap();
}

async fn reaches(world: &World, id: Uuid, state: &str) {
    for _ in 0..200 {
        if find_run(world.rebuilder.pool(), id).await.unwrap().unwrap().state == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", find_run(world.rebuilder.pool(), id).await.unwrap());
}

#[tokio::test]
async fn one_run_at_a_time_whoever_orders_it_and_none_is_lost() {
    // ADM-21
    with(|database| async move {
        let world = World::new(database).await;
        // Two processes of the API order the same at the same moment.
        let (one, other) = (world.database.pool_as("holdfast_writer").await, world.database.pool_as("holdfast_writer").await);
        let both = tokio::join!(ordered(&one, "wallet", None, Kind::Rebuild), ordered(&other, "wallet", None, Kind::Rebuild));
        let (run, refused) = match both {
            (Ok(run), Err(refused)) | (Err(refused), Ok(run)) => (run.run, refused),
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, OrderError::Open(open) if open.id == run.id));
        assert!(matches!(ordered(&one, "wallet", None, Kind::Verify).await, Err(OrderError::Open(_))));
        // The same order again is the same run; another one under its id is refused.
        let again = Order { id: run.id, ..Order::new("wallet", None, Kind::Rebuild, "an admin") };
        let replayed = order(&other, &again).await.unwrap();
        assert!(replayed.replayed && replayed.run.id == run.id);
        let differs = Order { swap: true, ..again };
        assert!(matches!(order(&one, &differs).await, Err(OrderError::OtherOrder)));
        // Two processes of the projector find it; one works it off.
        let keepers = [keeper(&world), keeper(&world)];
        assert_eq!(state(&ended(&one, run.id).await), ("done", None));
        let runs = list_runs(&one, "wallet", None, 10).await.unwrap();
        assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [run.id]);
        assert_eq!(runs[0].events_done, world.a.head() + world.b.head(), "each event was folded once");
        // From the command line, in two processes.
        for (shutdown, keeper) in keepers {
            shutdown.cancel();
            keeper.await.unwrap();
        }
        let begin = || world.rebuilder.begin("wallet", None, Kind::Rebuild, "test");
        let both = tokio::join!(begin(), begin());
        let (mut run, refused) = match both {
            (Ok(run), Err(refused)) | (Err(refused), Ok(run)) => (run, refused),
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, RebuildError::Busy("wallet")));
        assert!(run.prepare().await.unwrap().is_empty());
        run.swap().await.unwrap();
        world.assert_verified("wallet").await;
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_run_whose_process_ended_has_failed_and_the_next_one_works() {
    // ADM-21, NFR-19
    with(|database| async move {
        let world = World::new(database).await;
        let pool = world.database.pool_as("holdfast_writer").await;
        let before = world.oid("wallets").await;
        slow_down(&world, 5).await;
        let (_, killed) = keeper(&world);
        let rebuild = Order { swap: true, ..Order::new("wallet", None, Kind::Rebuild, "an admin") };
        let first = order(&pool, &rebuild).await.unwrap().run.id;
        reaches(&world, first, "folding").await;
        killed.abort();
        assert!(killed.await.unwrap_err().is_cancelled());
        assert!(matches!(ordered(&pool, "wallet", None, Kind::Rebuild).await, Err(OrderError::Open(_))), "nobody knows yet");
        at_full_speed(&world).await;
        let (shutdown, keeping) = keeper(&world);
        assert_eq!(state(&ended(&pool, first).await), ("failed", Some("its process ended")));
        assert_eq!(world.oid("wallets").await, before, "nothing was swapped");
        assert!(matches!(world.rebuilder.swap_back("wallet", None, "test").await, Err(RebuildError::NothingKept)));
        let second = order(&pool, &Order { id: Uuid::new_v4(), ..rebuild }).await.unwrap().run.id;
        assert_eq!(state(&ended(&pool, second).await), ("swapped", None));
        assert_ne!(world.oid("wallets").await, before);
        world.assert_verified("wallet").await;
        shutdown.cancel();
        keeping.await.unwrap();
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn what_a_rebuild_has_left_is_swapped_later_unless_something_came_between() {
    // ADM-21
    with(|database| async move {
        let mut world = World::new(database).await;
        let pool = world.database.pool_as("holdfast_writer").await;
        let (shutdown, keeping) = keeper(&world);
        world.database.admin.execute("UPDATE wallets SET available = available + 1").await.unwrap();
        let leave = async |tenant| ended(&pool, ordered(&pool, "wallet", tenant, Kind::Rebuild).await.unwrap().run.id).await;
        let swap = async |of: &RunRow| {
            let order_ = Order { of_run: Some(of.id), ..Order::new("wallet", None, Kind::Swap, "an admin") };
            ended(&pool, order(&pool, &order_).await.unwrap().run.id).await
        };
        let left = leave(None).await;
        assert_eq!(state(&left), ("done", None));
        assert!(left.report.as_ref().unwrap()["tables"][0]["changed"].as_i64() > Some(0), "{left:?}");
        let other_side = async || {
            let all = status(&pool, &world.log.events("holdfast_writer").await).await.unwrap();
            all.iter().find(|status| status.name == "wallet").unwrap().other_side
        };
        assert_eq!(other_side().await, OtherSide::Rebuilt);
        // What came since is in it.
        let from = world.a.head();
        world.a.deposit(0xDD_4444, eur("2.00"));
        world.append(from).await;
        feed(world.database.projector("wallet", &world.keys).await.as_ref(), &world.a, 100).await.unwrap();
        assert_eq!(state(&swap(&left).await), ("swapped", None));
        world.assert_verified("wallet").await;
        let again = swap(&left).await;
        assert_eq!(again.state, "failed");
        assert!(again.error.unwrap().contains("not there to be swapped"));
        // One tenant was rebuilt since: the shadow side is no longer what the report says.
        let left = leave(None).await;
        assert_eq!(leave(Some(world.a.tenant)).await.state, "done");
        assert_eq!(swap(&left).await.state, "failed");
        // The heads are other than what was folded.
        let left = leave(None).await;
        let oid = world.oid("wallets").await;
        let shorter = "UPDATE tenant_heads SET position = position - 1 WHERE tenant_id = '00000000-0000-0000-0000-0000000000a1'";
        world.log.admin.execute(shorter).await.unwrap();
        let refused = swap(&left).await;
        assert!(refused.error.as_ref().unwrap().contains("no event at position"), "{refused:?}");
        assert_eq!(world.oid("wallets").await, oid);
        shutdown.cancel();
        keeping.await.unwrap();
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_stopped_projection_is_tried_by_the_projectors_process() {
    // ADM-20, ADM-21
    with(|database| async move {
        let mut world = World::new(database).await;
        let pool = world.database.pool_as("holdfast_writer").await;
        let from = world.a.head();
        let poison = format!("ALTER TABLE wallets ADD CONSTRAINT poison CHECK (position <= {from}) NOT VALID");
        world.database.admin.execute(poison.as_str()).await.unwrap();
        world.a.deposit(0xDD_5555, eur("12.34"));
        world.append(from).await;
        let projector = world.database.projector("wallet", &world.keys).await;
        assert!(feed(projector.as_ref(), &world.a, 100).await.is_err());
        let (shutdown, keeping) = keeper(&world);
        let tried = async |tenant| ended(&pool, ordered(&pool, "wallet", Some(tenant), Kind::Try).await.unwrap().run.id).await;
        let still = tried(world.a.tenant).await;
        assert_eq!(still.state, "done");
        assert_eq!(still.report.unwrap()["error"], "refused by the database: SQLSTATE 23514, constraint poison");
        world.database.admin.execute("ALTER TABLE wallets DROP CONSTRAINT poison").await.unwrap();
        let before = world.database.dump("wallets").await;
        let fits = tried(world.a.tenant).await.report.unwrap();
        assert_eq!((&fits["error"], &fits["changes"][0]["table"]), (&json!(null), &json!("wallets")));
        assert_ne!(fits["changes"][0]["before"]["available"], fits["changes"][0]["after"]["available"]);
        assert_eq!(world.database.dump("wallets").await, before, "trying keeps nothing");
        // What has not stopped cannot be tried.
        assert_eq!(state(&tried(world.b.tenant).await), ("failed", Some("wallet has not stopped for this tenant")));
        shutdown.cancel();
        keeping.await.unwrap();
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn progress_has_a_rate_and_a_time_left_and_old_runs_are_removed() {
    // ADM-21
    with(|database| async move {
        let world = World::new(database).await;
        let pool = world.database.pool_as("holdfast_writer").await;
        let id = ordered(&pool, "wallet", None, Kind::Rebuild).await.unwrap().run.id;
        let at_work = "UPDATE rebuild.projection_runs SET state = 'folding', events_done = 100, events_total = 300,
                       started_at = '2026-01-01T00:00:00Z', updated_at = '2026-01-01T00:00:10Z'";
        world.database.admin.execute(at_work).await.unwrap();
        let run = find_run(&pool, id).await.unwrap().unwrap();
        assert_eq!((run.events_per_second, run.seconds_left), (Some(10), Some(20)));
        // 90 days, and always the last 50 of each projection.
        let ended = "INSERT INTO rebuild.projection_runs (id, projection, kind, state, swap, requested_by, ended_at)
                     SELECT gen_random_uuid(), p, 'verify', 'done', false, 'test', clock_timestamp() - make_interval(days => n)
                     FROM unnest('{wallet,audit}'::text[]) p, generate_series(1, 120) n WHERE p = 'wallet' OR n <= 40";
        world.database.admin.execute(ended).await.unwrap();
        let kept = async |projection: &str| list_runs(&pool, projection, None, 200).await.unwrap().len();
        assert_eq!((kept("wallet").await, kept("audit").await), (121, 40));
        assert_eq!(prune_runs(world.rebuilder.pool()).await.unwrap(), 31, "days 90 to 120");
        assert_eq!((kept("wallet").await, kept("audit").await), (90, 40));
        world.database.admin.execute("UPDATE rebuild.projection_runs SET ended_at = ended_at - interval '1 year'").await.unwrap();
        prune_runs(world.rebuilder.pool()).await.unwrap();
        assert_eq!((kept("wallet").await, kept("audit").await), (51, 40), "and the one that is at work");
        // Pages.
        let all = list_runs(&pool, "wallet", None, 100).await.unwrap();
        let mut paged = Vec::new();
        while let Some(page) = Some(list_runs(&pool, "wallet", paged.last().copied(), 20).await.unwrap()).filter(|page| !page.is_empty()) {
            paged.extend(page.iter().map(|run| (run.requested_at, run.id)));
        }
        assert_eq!(paged, all.iter().map(|run| (run.requested_at, run.id)).collect::<Vec<_>>());
        world.end().await;
    })
    .await;
}

#[tokio::test]
async fn the_role_that_orders_may_do_nothing_else_in_the_read_database() {
    // ADM-21, protocols 11
    with(|database| async move {
        let granted: Vec<String> = sqlx::query_scalar(
            "SELECT format('%s %s.%s', privilege_type, table_schema, table_name) FROM information_schema.role_table_grants
             WHERE grantee = 'holdfast_writer' ORDER BY 1",
        )
        .fetch_all(&database.admin)
        .await
        .unwrap();
        let expected = [
            "DELETE public.projection_failures",
            "DELETE rebuild.projection_pauses",
            "INSERT rebuild.projection_pauses",
            "SELECT public.projection_checkpoints",
            "SELECT public.projection_failures",
            "SELECT rebuild.projection_pauses",
            "SELECT rebuild.projection_runs",
        ];
        assert_eq!(granted, expected);
        let pool = database.pool_as("holdfast_writer").await;
        let values = "gen_random_uuid(), 'wallet', 'rebuild'";
        for sql in [
            "UPDATE rebuild.projection_runs SET state = 'requested'".to_owned(),
            "DELETE FROM rebuild.projection_runs".to_owned(),
            format!("INSERT INTO rebuild.projection_runs (id, projection, kind, state, swap, requested_by) VALUES ({values}, 'swapped', true, 'x')"),
            format!("INSERT INTO rebuild.projection_runs (id, projection, kind, state, swap, requested_by, ended_at) VALUES ({values}, 'done', true, 'x', now())"),
            "UPDATE projection_checkpoints SET position = 0".to_owned(),
            "SELECT count(*) FROM wallets".to_owned(),
            "SELECT count(*) FROM shadow.projection_checkpoints".to_owned(),
            "SELECT rebuild.swap_sides('wallet', 1, '{wallets}')".to_owned(),
            "SELECT rebuild.empty_shadow('wallet', NULL, '{wallets}')".to_owned(),
        ] {
            let error = pool.acquire().await.unwrap().execute(sql.as_str()).await.unwrap_err();
            assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"), "{sql}: {error}");
        }
    })
    .await;
}
