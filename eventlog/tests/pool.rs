//! The wrapper around sqlx's pool: no connection comes back inside a transaction or with a tenant set.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use holdfast_eventlog::db::{Pool, PoolSettings, TenantRead};
use sqlx::Executor;
use support::{tenant, with};

fn one() -> PoolSettings {
    PoolSettings { max_connections: 1, ..PoolSettings::default() }
}

async fn pid(pool: &Pool) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *pool.acquire().await.unwrap()).await.unwrap()
}

async fn is_in_transaction(pool: &Pool) -> bool {
    let mut connection = pool.acquire().await.unwrap();
    let row = connection.fetch_one(sqlx::raw_sql("SELECT now() <> statement_timestamp()")).await.unwrap();
    sqlx::Row::get(&row, 0)
}

/// sqlx #4394: `begin()` dropped after `BEGIN` was sent and before its answer.
#[tokio::test]
async fn a_begin_that_is_cancelled_never_leaves_a_transaction_in_the_pool() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_writer", one()).await;
        for polls in 1..12 {
            {
                let mut begin = pin!(pool.begin_tenant_read(tenant(1)));
                for _ in 0..polls {
                    if begin.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            assert!(!is_in_transaction(&pool).await, "after {polls} polls");
        }
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_is_dropped_takes_its_connection_with_it_and_a_finished_one_does_not() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_writer", one()).await;
        let first = pid(&pool).await;
        pool.begin().await.unwrap().commit().await.unwrap();
        pool.begin().await.unwrap().rollback().await.unwrap();
        assert_eq!(pid(&pool).await, first);
        drop(pool.begin().await.unwrap());
        assert_ne!(pid(&pool).await, first);
        // A failed statement: the transaction can only be rolled back.
        let mut tx = pool.begin().await.unwrap();
        assert!(tx.execute("SELECT 1 / 0").await.is_err());
        assert!(tx.commit().await.is_err(), "a commit that rolls back is not a success");
    })
    .await;
}

#[tokio::test]
async fn a_connection_with_a_tenant_set_or_in_a_transaction_is_not_used_again() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_auditor", one()).await;
        for leak in ["SET app.tenant_id = '00000000-0000-0000-0000-000000000001'", "BEGIN"] {
            let before = pid(&pool).await;
            pool.acquire().await.unwrap().execute(sqlx::raw_sql(leak)).await.unwrap();
            assert_ne!(pid(&pool).await, before, "{leak}");
        }
    })
    .await;
}

#[tokio::test]
async fn sessions_have_their_timeouts_and_keepalives() {
    with(|database| async move {
        let pool =
            database.pool_as("holdfast_writer", PoolSettings { statement_timeout: Duration::ZERO, ..PoolSettings::for_log(2) }).await;
        let mut connection = pool.acquire().await.unwrap();
        for (name, value) in [
            ("statement_timeout", "0"),
            ("lock_timeout", "1s"),
            ("idle_in_transaction_session_timeout", "5s"),
            ("idle_session_timeout", "10min"),
            ("client_connection_check_interval", "2s"),
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_count", "3"),
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
        ] {
            let set: String = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut *connection).await.unwrap();
            assert_eq!(set, value, "{name}");
        }
    })
    .await;
}

/// A promoted standby, a restored backup: nothing of this process may reach it (protocols 11).
#[tokio::test]
async fn a_server_on_another_timeline_is_not_talked_to() {
    with(|database| async move {
        // The pool's sessions believe what this function says about the timeline.
        let fake = "CREATE SCHEMA fake; GRANT USAGE ON SCHEMA fake TO PUBLIC;
                    CREATE FUNCTION fake.pg_walfile_name(pg_lsn) RETURNS text LANGUAGE sql AS $$ SELECT '000000010000000000000001' $$;
                    GRANT EXECUTE ON FUNCTION fake.pg_walfile_name(pg_lsn) TO PUBLIC";
        database.admin.execute(sqlx::raw_sql(fake)).await.unwrap();
        let path = format!("ALTER DATABASE {} SET search_path = fake, pg_catalog, public", database.name);
        database.admin.execute(sqlx::raw_sql(&path)).await.unwrap();
        let settings = PoolSettings { acquire_timeout: Duration::from_secs(1), ..one() };
        let pool = database.pool_as("holdfast_writer", settings).await;
        let first = pid(&pool).await;
        // Waits for its end. Whether the pool has noticed when it is asked next is a race; its first answer may be an error.
        let end = |pid| format!("SELECT pg_terminate_backend({pid}, 5000)");
        let ask = async || pool.acquire().await?.fetch_one(sqlx::raw_sql("SELECT 1")).await.map(drop);
        database.admin.execute(sqlx::raw_sql(&end(first))).await.unwrap();
        let _ = ask().await;
        assert_ne!(pid(&pool).await, first, "the same timeline: it may connect again");

        let promoted =
            "CREATE OR REPLACE FUNCTION fake.pg_walfile_name(pg_lsn) RETURNS text LANGUAGE sql AS $$ SELECT '000000020000000000000001' $$";
        database.admin.execute(sqlx::raw_sql(promoted)).await.unwrap();
        let second = pid(&pool).await;
        database.admin.execute(sqlx::raw_sql(&end(second))).await.unwrap();
        assert!(ask().await.is_err());
        assert!(pool.acquire().await.is_err(), "no statement reaches the other server");
        tokio::time::timeout(Duration::from_secs(1), holdfast_eventlog::db::replaced()).await.unwrap();
    })
    .await;
}

/// Tenant and begin of the transaction.
async fn transaction(read: &mut TenantRead) -> (String, String) {
    sqlx::query_as("SELECT current_setting('app.tenant_id'), now()::text").fetch_one(&mut **read).await.unwrap()
}

#[tokio::test]
async fn an_open_reading_is_handed_on_to_those_who_wait_for_the_same_tenant_and_to_nobody_else() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_auditor", one()).await;
        let mut first = pool.tenant_read(tenant(1)).await.unwrap();
        let begun = transaction(&mut first).await;
        let asked = Instant::now();
        let wait = |who| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut read = pool.tenant_read(tenant(who)).await.unwrap();
                let known = read.seen("number");
                let found = transaction(&mut read).await;
                read.end().await.unwrap();
                (found, known)
            })
        };
        let (other, same) = (wait(2), wait(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
        first.note("number".to_owned(), 7, asked);
        first.end().await.unwrap();
        let (found, known) = same.await.unwrap();
        assert_eq!(found, begun, "the same transaction");
        assert_eq!(known, None, "asked for before this reader came");
        let ((of_tenant, at), _) = other.await.unwrap();
        assert_eq!(of_tenant, tenant(2).to_string());
        assert_ne!(at, begun.1);
        let nothing: String = sqlx::query_scalar("SELECT coalesce(current_setting('app.tenant_id', true), '')")
            .fetch_one(&mut *pool.acquire().await.unwrap())
            .await
            .unwrap();
        assert_eq!(nothing, "");
    })
    .await;
}

#[tokio::test]
async fn a_reading_is_not_handed_on_for_ever() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_auditor", one()).await;
        let mut first = pool.tenant_read(tenant(1)).await.unwrap();
        let begun = transaction(&mut first).await;
        let next = tokio::spawn({
            let pool = pool.clone();
            async move { transaction(&mut pool.tenant_read(tenant(1)).await.unwrap()).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.end().await.unwrap();
        assert_ne!(next.await.unwrap(), begun);
    })
    .await;
}

#[tokio::test]
async fn a_waiter_that_gave_up_is_passed_over() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_auditor", one()).await;
        let first = pool.tenant_read(tenant(1)).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(5), pool.tenant_read(tenant(1))).await.is_err());
        first.end().await.unwrap();
        pool.tenant_read(tenant(1)).await.unwrap().end().await.unwrap();
    })
    .await;
}
