//! What the databases say of themselves.

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::Check;
use crate::settings::{DatabaseRole, Profile, Settings, Side};

/// Name, accepted values, what it should be, whether data hangs on it, whether only production needs it.
type Wanted = (&'static str, &'static [&'static str], &'static str, bool, bool);

const SERVER_SETTINGS: &[Wanted] = &[
    ("fsync", &["on"], "on", true, false),
    ("full_page_writes", &["on"], "on", true, false),
    ("synchronous_commit", &["on", "remote_apply"], "on", true, false),
    ("data_checksums", &["on"], "on", true, false),
    ("wal_level", &["replica", "logical"], "replica", true, false),
    ("archive_mode", &["on", "always"], "on", true, true),
    ("ssl", &["on"], "on", true, true),
    ("password_encryption", &["scram-sha-256"], "scram-sha-256", true, false),
    ("log_parameter_max_length", &["0"], "0", true, false),
    ("log_parameter_max_length_on_error", &["0"], "0", true, false),
    ("log_connections", &["on", "receipt", "all"], "on", false, true),
];

pub(super) async fn server_settings(
    settings: &Settings,
    place: &'static str,
    connection: &mut PgConnection,
    checks: &mut Vec<Check>,
) -> anyhow::Result<()> {
    for &(name, accepted, wanted, protects, production_only) in SERVER_SETTINGS {
        let value: Option<String> = sqlx::query_scalar("SELECT current_setting($1, true)")
            .bind(name)
            .fetch_one(&mut *connection)
            .await
            .context("cannot read server settings")?;
        let value = value.unwrap_or_else(|| "unknown".to_owned());
        checks.push(Check {
            place,
            setting: name.to_owned(),
            ok: accepted.contains(&value.as_str()),
            value,
            wanted,
            protects,
            needed: !production_only || settings.profile == Profile::Production,
        });
    }
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await
        .context("cannot read the server's version")?;
    // CVE-2025-8713: fixed in 15.14, 16.10 and 17.6.
    let ok = matches!(version, 150_014..160_000 | 160_010..170_000 | 170_006..);
    checks.push(Check {
        place,
        setting: "server_version_num".to_owned(),
        value: version.to_string(),
        wanted: "15.14, 16.10, 17.6 or newer",
        ok,
        protects: true,
        needed: true,
    });
    Ok(())
}

pub(super) async fn roles(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let strong: Vec<String> = sqlx::query_scalar(
        "SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1) AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb) ORDER BY 1",
    )
    .bind(DatabaseRole::SERVICES.iter().filter_map(|role| role.name()).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await
    .context("cannot read roles")?;
    let value = if strong.is_empty() { "none".to_owned() } else { strong.join(", ") };
    checks.push(Check {
        place,
        setting: "service roles above the rules".to_owned(),
        value,
        wanted: "none superuser, bypassrls, createrole or createdb",
        ok: strong.is_empty(),
        protects: true,
        needed: true,
    });
    Ok(())
}

pub(super) async fn row_security(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
         AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) \
         AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1",
    )
    .fetch_all(&mut *connection)
    .await
    .context("cannot read tables")?;
    let value = if open.is_empty() { "every tenant table".to_owned() } else { format!("not on {}", open.join(", ")) };
    checks.push(Check {
        place,
        setting: "forced row level security".to_owned(),
        value,
        wanted: "every tenant table",
        ok: open.is_empty(),
        protects: true,
        needed: true,
    });
    Ok(())
}

/// UPDATE, DELETE and TRUNCATE on events are impossible for every service role.
pub(super) async fn append_only(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let rows = sqlx::query(
        "SELECT r.rolname::text AS role, p.privilege FROM pg_roles r, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege) \
         WHERE r.rolname = ANY($1) AND to_regclass('events') IS NOT NULL AND has_table_privilege(r.oid, to_regclass('events'), p.privilege)",
    )
    .bind(DatabaseRole::SERVICES.iter().filter_map(|role| role.name()).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await
    .context("cannot read privileges")?;
    let may: Vec<String> = rows
        .iter()
        .map(|row| Ok(format!("{} may {}", row.try_get::<String, _>("role")?, row.try_get::<String, _>("privilege")?)))
        .collect::<Result<_, sqlx::Error>>()
        .context("cannot read privileges")?;
    let value = if may.is_empty() { "append only".to_owned() } else { may.join(", ") };
    checks.push(Check {
        place,
        setting: "events".to_owned(),
        value,
        wanted: "append only",
        ok: may.is_empty(),
        protects: true,
        needed: true,
    });
    Ok(())
}

/// Protocols 2.6: above half a second no command is taken.
pub(super) async fn clock(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let before = chrono::Utc::now();
    let database: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *connection).await.context("cannot read the database's clock")?;
    let offset_ms = (database - (before + (chrono::Utc::now() - before) / 2)).num_milliseconds();
    checks.push(Check {
        place,
        setting: "clock offset to this process".to_owned(),
        value: format!("{offset_ms} ms"),
        wanted: "within 500 ms",
        ok: offset_ms.abs() <= 500,
        protects: true,
        needed: true,
    });
    Ok(())
}

/// Without it nobody can look into a log: every audit route is refused.
pub(super) async fn auditor(settings: &Settings, checks: &mut Vec<Check>) {
    let reached = async {
        let options = settings.database.connect_options(Side::Write, DatabaseRole::Auditor)?;
        let mut connection = PgConnection::connect_with(&options).await?;
        // Nothing is seen before a tenant is chosen.
        let seen: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM events)").fetch_one(&mut connection).await?;
        connection.close().await?;
        anyhow::Ok(seen)
    };
    let (value, ok) = match reached.await {
        Ok(false) => ("reached, one tenant at a time".to_owned(), true),
        Ok(true) => ("sees events of all tenants".to_owned(), false),
        Err(error) => (format!("{error:#}"), false),
    };
    let setting = "the auditors' login".to_owned();
    checks.push(Check {
        place: "write database",
        setting,
        value,
        wanted: "reached, one tenant at a time",
        ok,
        protects: true,
        needed: true,
    });
}
