//! What the database itself forbids: protocols 11, LED-60, LED-64. Tables come from the catalogue, so that a new one
//! is covered as soon as it exists.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use holdfast_projections::all_projections;
use sqlx::{Connection as _, Executor, PgConnection};
use support::{Database, History, tenant, with};

const A: u128 = 0xA1;
const B: u128 = 0xB1;

#[tokio::test]
async fn row_level_security_is_forced_on_every_table_with_the_tenant_first_in_its_key() {
    with(|database| async move {
        assert_eq!(unprotected(&database).await, Vec::<String>::new());
        let indexes_without_tenant: Vec<String> = sqlx::query_scalar(
            "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
             WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations' AND a.attname IS DISTINCT FROM 'tenant_id'",
        )
        .fetch_all(&database.admin)
        .await
        .unwrap();
        assert_eq!(indexes_without_tenant, Vec::<String>::new());
        let others = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'S')";
        assert_eq!(database.count(others).await, 0, "no view or sequence in a read model");
    })
    .await;
}

/// Tables of the read models that lack row level security, a policy, the right owner, or the tenant at the head of their key.
async fn unprotected(database: &Database) -> Vec<String> {
    sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c
             WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations' AND (
                 NOT c.relrowsecurity OR NOT c.relforcerowsecurity
                 OR (SELECT rolname FROM pg_roles WHERE oid = c.relowner) <> 'holdfast_owner'
                 OR NOT EXISTS (
                     SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                     WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = 'tenant_id'
                 )
                 OR (SELECT array_agg(r.rolname::text ORDER BY r.rolname) FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
                     WHERE p.polrelid = c.oid AND p.polpermissive AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL AND p.polcmd = '*')
                    <> ARRAY['holdfast_auditor', 'holdfast_owner', 'holdfast_projector', 'holdfast_reader']
             )",
        )
        .fetch_all(&database.admin)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_table_but_the_runtimes_own_belongs_to_exactly_one_projection() {
    with(|database| async move {
        let mut declared: Vec<String> = all_projections().iter().flat_map(|p| p.tables()).map(|table| table.name.to_owned()).collect();
        declared.extend(["projection_checkpoints".to_owned(), "projection_failures".to_owned()]);
        declared.sort();
        assert_eq!(declared, database.tables().await);
        for table in all_projections().iter().flat_map(|p| p.tables()) {
            let mut columns: Vec<&str> = table.key.iter().chain(table.columns).copied().collect();
            columns.push("tenant_id");
            columns.sort_unstable();
            let stored: Vec<String> = sqlx::query_scalar(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname COLLATE \"C\"",
            )
            .bind(table.name)
            .fetch_all(&database.admin)
            .await
            .unwrap();
            assert_eq!(columns, stored, "{}", table.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_sees_the_tenant_of_its_transaction_and_nothing_else() {
    with(|database| async move {
        let (a, b) = (History::of_everything(tenant(A)), History::of_everything(tenant(B)));
        database.project(&a, 50).await;
        database.project(&b, 50).await;
        fail_somewhere(&database).await;
        assert_apart(&database, &a).await;
    })
    .await;
}

#[tokio::test]
async fn a_table_that_was_swapped_in_is_as_closed_as_the_one_before() {
    // Protocol test 7: shadow tables are made by the projections' own migrations, and the matrix runs again after the swap.
    with(|database| async move {
        let (a, b) = (History::of_everything(tenant(A)), History::of_everything(tenant(B)));
        database.project(&a, 50).await;
        database.project(&b, 50).await;
        fail_somewhere(&database).await;
        // By hand, so that every table is swapped, whatever projections there are.
        let tables: Vec<String> = database.tables().await.into_iter().filter(|table| !table.starts_with("projection_")).collect();
        let mut admin = database.admin.acquire().await.unwrap();
        for table in &tables {
            admin.execute(format!("INSERT INTO shadow.{table} SELECT * FROM public.{table}").as_str()).await.unwrap();
        }
        sqlx::query("INSERT INTO shadow.projection_checkpoints SELECT * FROM public.projection_checkpoints")
            .execute(&mut *admin)
            .await
            .unwrap();
        assert_eq!(differences(&database, &tables).await, Vec::<String>::new());
        let before: Vec<i32> = oids(&database, &tables).await;
        let projector = database.pool_as("holdfast_projector").await;
        sqlx::query("SELECT rebuild.swap_sides('none', 1, $1)")
            .bind(&tables)
            .execute(&mut *projector.acquire().await.unwrap())
            .await
            .unwrap();
        drop(admin);
        assert!(oids(&database, &tables).await.iter().all(|oid| !before.contains(oid)));
        assert_eq!(differences(&database, &tables).await, Vec::<String>::new());
        assert_eq!(unprotected(&database).await, Vec::<String>::new());
        assert_apart(&database, &a).await;
        // What the rule is for: `LIKE ... INCLUDING ALL` copies neither policies nor grants.
        let copied = "DROP TABLE shadow.wallets; CREATE TABLE shadow.wallets (LIKE public.wallets INCLUDING ALL)";
        database.admin.execute(copied).await.unwrap();
        let found = differences(&database, &tables).await;
        for missing in
            ["read side only: wallets: policy reader", "read side only: wallets: grant holdfast_reader", "shadow side only: wallets: owner"]
        {
            assert!(found.iter().any(|line| line.starts_with(missing)), "{missing}: {found:?}");
        }
    })
    .await;
}

/// The lint that a swap must pass: what is not the same on both sides.
async fn differences(database: &Database, tables: &[String]) -> Vec<String> {
    sqlx::query_scalar("SELECT * FROM rebuild.differences($1)").bind(tables).fetch_all(&database.admin).await.unwrap()
}

async fn oids(database: &Database, tables: &[String]) -> Vec<i32> {
    let sql = "SELECT oid::int FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY ($1)";
    sqlx::query_scalar(sql).bind(tables).fetch_all(&database.admin).await.unwrap()
}

#[tokio::test]
async fn nobody_but_the_projector_sees_the_side_that_is_not_read() {
    // Protocols 8.1.
    with(|database| async move {
        for role in ["holdfast_reader", "holdfast_auditor"] {
            let pool = database.pool_as(role).await;
            for sql in [
                "SELECT count(*) FROM shadow.wallets",
                "SELECT count(*) FROM rebuild.projection_runs",
                "SELECT rebuild.swap_sides('wallet', 1, '{wallets}')",
            ] {
                let error = pool.acquire().await.unwrap().execute(sql).await.unwrap_err();
                assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"), "{role}: {sql}");
            }
        }
        // The runtime's own tables belong to all projections and are never moved.
        let pool = database.pool_as("holdfast_projector").await;
        let error =
            pool.acquire().await.unwrap().execute("SELECT rebuild.swap_sides('wallet', 1, '{projection_checkpoints}')").await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"));
    })
    .await;
}

/// Whoever reads as tenant A sees A's rows in every table, and none of anybody else's.
async fn assert_apart(database: &Database, a: &History) {
    for role in ["holdfast_reader", "holdfast_auditor"] {
        let pool = database.pool_as(role).await;
        for table in database.tables().await {
            let mut plain = pool.acquire().await.unwrap();
            let unset: i64 = sqlx::query_scalar(&format!("SELECT count(*) FROM {table}")).fetch_one(&mut *plain).await.unwrap();
            assert_eq!(unset, 0, "{role} without a tenant in {table}");
            let mut tx = pool.begin_tenant_read(a.tenant).await.unwrap();
            let sql = format!("SELECT count(*) FILTER (WHERE tenant_id = $1), count(*) FILTER (WHERE tenant_id <> $1) FROM {table}");
            let (own, foreign): (i64, i64) = sqlx::query_as(&sql).bind(a.tenant.uuid()).fetch_one(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            assert!(own > 0, "{role} in {table}");
            assert_eq!(foreign, 0, "{role} in {table}");
        }
    }
}

/// So that no table is empty.
async fn fail_somewhere(database: &Database) {
    for n in [A, B] {
        sqlx::query("INSERT INTO projection_failures VALUES ($1, 'x', 1, $1, 'x', '2026-01-01Z')")
            .bind(tenant(n).uuid())
            .execute(&database.admin)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn readers_write_nothing_and_the_projector_never_changes_the_journal() {
    // LED-31, LED-63, LED-64.
    with(|database| async move {
        let history = History::typical(tenant(A));
        database.project(&history, 50).await;
        let refused = async |role: &str, sql: String| {
            let pool = database.pool_as(role).await;
            let error = pool.acquire().await.unwrap().execute(sql.as_str()).await.unwrap_err();
            assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"), "{role}: {sql}");
        };
        for table in database.tables().await {
            for role in ["holdfast_reader", "holdfast_auditor"] {
                refused(role, format!("DELETE FROM {table}")).await;
                refused(role, format!("UPDATE {table} SET tenant_id = tenant_id")).await;
                refused(role, format!("INSERT INTO {table} DEFAULT VALUES")).await;
                refused(role, format!("TRUNCATE {table}")).await;
            }
            refused("holdfast_projector", format!("TRUNCATE {table}")).await;
        }
        for table in ["journal_entries", "journal_lines", "escrow_events", "escrow_transactions", "audit_log"] {
            refused("holdfast_projector", format!("UPDATE {table} SET position = 1 WHERE tenant_id = '{}'", history.tenant)).await;
            refused("holdfast_projector", format!("DELETE FROM {table} WHERE tenant_id = '{}'", history.tenant)).await;
        }
        refused("holdfast_writer", "SELECT count(*) FROM escrows".to_owned()).await;
        for role in ["holdfast_relay", "holdfast_reactor"] {
            let error = PgConnection::connect(&database.url_as(role)).await.unwrap_err();
            assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"), "{role} comes in");
        }
    })
    .await;
}

#[tokio::test]
async fn the_database_refuses_lines_that_do_not_balance() {
    with(|database| async move {
        let pool = database.pool_as("holdfast_projector").await;
        let insert = |lines: &[(&str, &str, &str)]| {
            let values: Vec<String> = lines
                .iter()
                .enumerate()
                .map(|(n, (side, amount, currency))| {
                    let (tenant, id) = (tenant(A), uuid::Uuid::from_u128(9));
                    format!("('{tenant}', '{id}', {n}, 1, '{id}', 'A110', '', 'x', '{id}', '{side}', {amount}, '{currency}', now(), now())")
                })
                .collect();
            format!(
                "INSERT INTO journal_lines (tenant_id, entry_id, line, position, account_id, code, detail, ref_type, ref_id, side, amount, currency, occurred_at, recorded_at) VALUES {}",
                values.join(", ")
            )
        };
        let refused: [&[(&str, &str, &str)]; 4] = [
            &[("debit", "10", "EUR")],
            &[("debit", "10", "EUR"), ("credit", "9.99", "EUR")],
            &[("debit", "10", "EUR"), ("credit", "10", "USD")], // per currency
            &[("debit", "-10", "EUR"), ("credit", "-10", "EUR")],
        ];
        for lines in refused {
            let error = pool.acquire().await.unwrap().execute(insert(lines).as_str()).await.unwrap_err();
            assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("23514"), "{lines:?}");
        }
        let balanced = insert(&[("debit", "10", "EUR"), ("credit", "4", "EUR"), ("credit", "6", "EUR")]);
        pool.acquire().await.unwrap().execute(balanced.as_str()).await.unwrap();
    })
    .await;
}
