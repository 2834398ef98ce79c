//! Who may do what in the write database, tried as each role.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::{EventLog, LoadRequest};
use sqlx::{Connection, Executor, PgConnection};
use support::{Database, UnitExt, batch, tenant, unit, wallet, with};

const ROLES: [&str; 6] =
    ["holdfast_writer", "holdfast_relay", "holdfast_reactor", "holdfast_projector", "holdfast_auditor", "holdfast_reader"];

async fn seeded(database: &Database) {
    let log = database.log().await;
    for n in 1..=2 {
        let unit = unit(wallet(tenant(n), 1), 1, 2).with_receipt("k", 1).with_claim("x", true);
        log.append(&batch(&[], vec![unit])).await.unwrap();
    }
}

#[tokio::test]
async fn no_role_can_change_the_log_not_even_its_owner() {
    with(|database| async move {
        seeded(&database).await;
        let changes = ["UPDATE events SET payload = '{}'", "DELETE FROM events", "TRUNCATE events", "DELETE FROM events WHERE false"];
        for role in ROLES.into_iter().filter(|role| *role != "holdfast_reader") {
            let mut session = PgConnection::connect(&database.url_as(role)).await.unwrap();
            for change in changes {
                let error = session.execute(change).await.unwrap_err();
                assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{role}: {change}");
            }
        }
        // The owner and the superuser: the trigger refuses, also when they give themselves every right, also as a replica.
        for prelude in
            ["SELECT 1", "GRANT ALL ON events TO holdfast_owner; SET ROLE holdfast_owner", "SET session_replication_role = replica"]
        {
            for change in changes {
                let mut session = database.admin.acquire().await.unwrap().detach();
                session.execute(sqlx::raw_sql(prelude)).await.unwrap();
                let error = session.execute(change).await.unwrap_err();
                assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23001", "{prelude}: {change}");
            }
        }
        assert_eq!(database.count("SELECT count(*) FROM events").await, 4);
    })
    .await;
}

#[tokio::test]
async fn roles_may_do_what_is_listed_and_nothing_else() {
    with(|database| async move {
        // r read, a append, w write, d delete; per role in the order of ROLES without the reader.
        let expected = [
            ("tenant_heads", ["raw", "r", "r", "r", "r"]),
            ("events", ["ra", "r", "r", "r", "r"]),
            ("receipts", ["ra", "", "", "", ""]),
            ("claims", ["rad", "", "", "", ""]),
            ("subscription_checkpoints", ["", "raw", "raw", "", ""]),
            ("deadlines", ["", "", "rawd", "", ""]),
            ("dead_letters", ["r", "", "raw", "", ""]),
            ("parked_events", ["", "", "rawd", "", ""]),
            ("subject_keys", ["ra", "", "", "r", ""]),
            ("tenant_keys", ["ra", "", "", "r", ""]),
            ("seal_tiles", ["r", "raw", "", "", "r"]),
            ("seals", ["r", "ra", "", "", "r"]),
            ("snapshots", ["rawd", "", "", "", ""]),
            ("erasure_certificates", ["", "ra", "", "", "r"]),
            ("leases", ["", "rawd", "rawd", "rawd", ""]),
        ];
        let verbs = [("r", "SELECT"), ("a", "INSERT"), ("w", "UPDATE"), ("d", "DELETE"), ("t", "TRUNCATE"), ("f", "REFERENCES"), ("g", "TRIGGER")];
        for (table, rights) in expected {
            for (role, rights) in ROLES.iter().zip(rights) {
                for (letter, verb) in verbs {
                    let may: bool =
                        sqlx::query_scalar("SELECT has_table_privilege($1, $2, $3)").bind(role).bind(table).bind(verb).fetch_one(&database.admin).await.unwrap();
                    assert_eq!(may, rights.contains(letter), "{role} {verb} {table}");
                }
            }
        }
        let tables = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> '_sqlx_migrations'";
        assert_eq!(database.count(tables).await, i64::try_from(expected.len()).unwrap(), "every table is in the list");
        let open = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                    AND relname NOT IN ('_sqlx_migrations', 'leases') AND NOT (relrowsecurity AND relforcerowsecurity)";
        assert_eq!(database.count(open).await, 0, "row level security is forced");
        let public = "SELECT count(*) FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                      WHERE p.pronamespace = 'public'::regnamespace AND a.grantee = 0";
        assert_eq!(database.count(public).await, 0, "functions are not for everybody");
        assert!(PgConnection::connect(&database.url_as("holdfast_reader")).await.is_err(), "queries do not reach the log");
        for role in ROLES.into_iter().filter(|role| *role != "holdfast_reader") {
            let mut session = PgConnection::connect(&database.url_as(role)).await.unwrap();
            assert!(session.execute("CREATE TABLE public.mine ()").await.is_err());
            assert!(session.execute("CREATE TEMPORARY TABLE mine ()").await.is_err());
            assert!(session.execute("SET ROLE holdfast_owner").await.is_err());
        }
        let strong = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'holdfast%' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)";
        assert_eq!(database.count(strong).await, 0);
    })
    .await;
}

#[tokio::test]
async fn the_auditor_sees_the_tenant_it_is_set_to_and_nothing_before() {
    with(|database| async move {
        seeded(&database).await;
        let pool = database.pool_as("holdfast_auditor", PoolSettings::default()).await;
        let count = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM tenant_heads)";
        let seen: i64 = sqlx::query_scalar(count).fetch_one(&mut *pool.acquire().await.unwrap()).await.unwrap();
        assert_eq!(seen, 0);
        let mut tx = pool.begin_tenant_read(tenant(1)).await.unwrap();
        let tenants: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT DISTINCT tenant_id FROM events").fetch_all(&mut *tx).await.unwrap();
        assert_eq!(tenants, vec![tenant(1).uuid()]);
        tx.commit().await.unwrap();
        let seen: i64 = sqlx::query_scalar(count).fetch_one(&mut *pool.acquire().await.unwrap()).await.unwrap();
        assert_eq!(seen, 0, "the tenant is gone with the transaction");
    })
    .await;
}

#[tokio::test]
async fn readers_of_the_log_cannot_append() {
    with(|database| async move {
        seeded(&database).await;
        for role in ["holdfast_relay", "holdfast_reactor", "holdfast_projector"] {
            let log = EventLog::new(database.pool_as(role, PoolSettings::default()).await);
            assert!(log.append(&batch(&[], vec![unit(wallet(tenant(1), 9), 1, 1)])).await.is_err());
            assert_eq!(log.read(tenant(1), 0, 10).await.unwrap().len(), 2);
            assert!(log.load(&LoadRequest::default()).await.is_err(), "receipts are the writers'");
        }
    })
    .await;
}

#[tokio::test]
async fn migrating_again_and_in_several_databases_at_once_changes_nothing() {
    with(|database| async move {
        let (again, other, another) =
            tokio::join!(holdfast_eventlog::db::migrate_write(&database.admin), Database::create(), Database::create());
        again.unwrap();
        for other in [other, another] {
            other.admin.close().await;
            database.admin.execute(format!("DROP DATABASE {} WITH (FORCE)", other.name).as_str()).await.unwrap();
        }
    })
    .await;
}
