//! One row of tenant A and one of tenant B in every table, whatever its columns: made from the catalogue.

use sqlx::{Executor as _, PgConnection, Row as _};
use uuid::Uuid;

use super::Tenants;
use super::catalogue::{Kind, Object, objects};

/// Checks and foreign keys are dropped first and triggers sleep: what a row says does not matter here, only whose it is. The
/// database is the test's own. Rights and policies stay as the migrations made them.
pub(crate) async fn plant(connection: &mut PgConnection, tenants: &Tenants) {
    let constraints = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
                       WHERE contype IN ('c', 'f') AND connamespace::regnamespace::text NOT LIKE 'pg\\_%'
                         AND connamespace <> 'information_schema'::regnamespace AND conrelid <> 0";
    for drop in sqlx::query_scalar::<_, String>(constraints).fetch_all(&mut *connection).await.unwrap() {
        connection.execute(drop.as_str()).await.unwrap();
    }
    connection.execute("SET session_replication_role = replica").await.unwrap();
    for table in objects(connection).await.iter().filter(|object| object.kind == Kind::Table && object.has_tenant()) {
        for tenant in [tenants.a, tenants.b] {
            insert(connection, table, tenant).await;
        }
        let whose = format!("SELECT count(DISTINCT tenant_id) FROM {} WHERE tenant_id = ANY ($1)", table.path());
        let tenants: i64 = sqlx::query_scalar(&whose).bind([tenants.a, tenants.b]).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(tenants, 2, "{}", table.path());
    }
    connection.execute("SET session_replication_role = origin").await.unwrap();
}

async fn insert(connection: &mut PgConnection, table: &Object, tenant: Uuid) {
    let columns = "SELECT attname::text, format_type(atttypid, NULL), attndims > 0 OR format_type(atttypid, NULL) LIKE '%[]'
                   FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum";
    let rows = sqlx::query(columns).bind(table.path()).fetch_all(&mut *connection).await.unwrap();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for row in rows {
        let (name, kind, is_array): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        values.push(if name == "tenant_id" { format!("'{tenant}'") } else { value(&kind, is_array, tenant) });
        names.push(format!("\"{name}\""));
    }
    let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.path(), names.join(", "), values.join(", "));
    connection.execute(sql.as_str()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A literal of the type; texts name their tenant.
fn value(kind: &str, is_array: bool, tenant: Uuid) -> String {
    if is_array {
        return format!("'{{}}'::{kind}");
    }
    match kind {
        "uuid" => format!("'{}'", Uuid::new_v4()),
        "text" | "character varying" | "name" => format!("'canary {tenant}'"),
        "json" | "jsonb" => format!("'{{\"canary\": \"{tenant}\"}}'"),
        "bytea" => format!("'canary {tenant}'::bytea"),
        "boolean" => "true".to_owned(),
        "timestamp with time zone" | "date" | "timestamp without time zone" => "'2026-01-01'".to_owned(),
        "smallint" | "integer" | "bigint" | "numeric" => "1".to_owned(),
        "character" | "\"char\"" => "'x'".to_owned(),
        "tstzrange" => "'[2026-01-01, 2026-01-02)'".to_owned(),
        "interval" => "'1 hour'".to_owned(),
        other => panic!("what does a canary of type {other} look like? Say it here"),
    }
}
