//! `holdfast doctor`: every setting that protects data, and whether it is on.

use std::process::ExitCode;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::context::Global;
use super::{print, wiring};
use crate::settings::{DatabaseRole, FilesBackend, Needs, Profile, Settings, Side};

/// Print every setting that protects data, and whether it is on.
///
/// Reads the settings of this process, of both databases and of NATS. In the production profile it fails when one is off,
/// and `holdfast serve` refuses to start; in the other profiles they are warnings.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

const NEEDS: Needs =
    Needs { tokens: true, secrets: true, database: &[(Side::Write, DatabaseRole::Writer), (Side::Read, DatabaseRole::Reader)] };

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    /// Where: `write database`, `read database`, `settings`, `nats`, `files`.
    place: &'static str,
    setting: String,
    value: String,
    /// What it should be.
    wanted: &'static str,
    ok: bool,
    /// Without it acknowledged data can be lost, changed or seen by others: production refuses to run.
    protects: bool,
    /// False: only the production profile asks for it.
    needed: bool,
}

impl Check {
    fn fails(&self) -> bool {
        self.protects && self.needed && !self.ok
    }

    fn verdict(&self) -> &'static str {
        match (self.ok, self.needed) {
            (true, _) => "ok",
            (false, true) => "WARN",
            (false, false) => "off",
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    profile: &'static str,
    ok: bool,
    checks: &'a [Check],
}

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let profile = opened.settings.profile;
    let checks = examine(&opened.settings).await?;
    let ok = !checks.iter().any(Check::fails);
    if arguments.json {
        print::json(&Report { profile: profile.as_str(), ok, checks: &checks })?;
    } else {
        let rows: Vec<Vec<String>> = checks
            .iter()
            .map(|check| {
                let verdict = check.verdict();
                let wanted = if check.ok { "" } else { check.wanted };
                vec![verdict.to_owned(), check.place.to_owned(), check.setting.clone(), check.value.clone(), wanted.to_owned()]
            })
            .collect();
        print::line(print::table(&["", "where", "setting", "value", "should be"], &[], &rows))?;
        print::line(format!(
            "\nprofile {}: {}",
            profile.as_str(),
            if ok { "everything that this profile asks for is on" } else { "NOT everything that this profile asks for is on" }
        ))?;
    }
    opened.close().await?;
    Ok(if ok || profile != Profile::Production { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What `serve` asks before it takes money commands.
///
/// # Errors
/// Names what is off, in the production profile.
pub(super) async fn refuse_if_unsafe(settings: &Settings) -> anyhow::Result<()> {
    let off: Vec<String> = examine(settings)
        .await?
        .into_iter()
        .filter(Check::fails)
        .map(|check| format!("{} {} is {} (should be {})", check.place, check.setting, check.value, check.wanted))
        .collect();
    anyhow::ensure!(off.is_empty(), "the production profile refuses to serve while this protects no data: {}", off.join("; "));
    Ok(())
}

pub(super) async fn examine(settings: &Settings) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (side, place, role) in [(Side::Write, "write database", DatabaseRole::Writer), (Side::Read, "read database", DatabaseRole::Reader)]
    {
        let options = settings.database.connect_options(side, role)?;
        let mut connection = PgConnection::connect_with(&options).await.with_context(|| format!("cannot reach the {place}"))?;
        server_settings(settings, place, &mut connection, &mut checks).await?;
        roles(place, &mut connection, &mut checks).await?;
        row_security(place, &mut connection, &mut checks).await?;
        if side == Side::Write {
            append_only(place, &mut connection, &mut checks).await?;
            clock(place, &mut connection, &mut checks).await?;
        }
        connection.close().await.context("cannot close the connection")?;
    }
    own_settings(settings, &mut checks);
    files(settings, &mut checks).await;
    Ok(checks)
}

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

async fn server_settings(
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

async fn roles(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
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

async fn row_security(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
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
async fn append_only(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
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
async fn clock(place: &'static str, connection: &mut PgConnection, checks: &mut Vec<Check>) -> anyhow::Result<()> {
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

/// docs/files.md. Money moves without them, evidence does not.
async fn files(settings: &Settings, checks: &mut Vec<Check>) {
    let production = settings.profile == Profile::Production;
    let (value, encrypted) = match settings.files.backend {
        FilesBackend::Local => {
            let url = settings.files.public_base_url.clone().unwrap_or_else(|| settings.base_url());
            (format!("local, links to {url}"), url.starts_with("https://"))
        }
        FilesBackend::S3 => {
            let endpoint = settings.files.s3.endpoint.as_deref().unwrap_or("Amazon");
            (format!("s3, bucket {} at {endpoint}", settings.files.s3.bucket), !settings.files.s3.allow_http)
        }
    };
    let mut push = |setting: &str, value, wanted, ok, needed| {
        checks.push(Check { place: "files", setting: setting.to_owned(), value, wanted, ok, protects: true, needed });
    };
    push("backend", value, "links and storage over https://", encrypted, production);
    let answer = match wiring::files(settings) {
        Ok(files) => files.health().await.map_err(anyhow::Error::new),
        Err(error) => Err(error),
    };
    let ok = answer.is_ok();
    push("storage", answer.map_or_else(|error| format!("{error:#}"), |()| "answers".to_owned()), "answers", ok, true);
}

fn own_settings(settings: &Settings, checks: &mut Vec<Check>) {
    let production = settings.profile == Profile::Production;
    let mut push = |setting: &str, value: String, wanted, ok, needed| {
        checks.push(Check { place: "settings", setting: setting.to_owned(), value, wanted, ok, protects: true, needed });
    };
    push("profile", settings.profile.as_str().to_owned(), "production or dev", settings.profile != Profile::Test, true);
    for (key, url) in [("database.write_url", &settings.database.write_url), ("database.read_url", &settings.database.read_url)] {
        let verified = url.contains("sslmode=verify-full");
        push(key, if verified { "TLS, verified" } else { "no verified TLS" }.to_owned(), "sslmode=verify-full", verified, production);
    }
    let distinct = {
        let mut seen: Vec<&str> = DatabaseRole::SERVICES
            .iter()
            .filter_map(|role| settings.database.password(*role))
            .map(|password| password.expose_secret())
            .collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == all
    };
    push("database.passwords", if distinct { "one per role" } else { "shared" }.to_owned(), "one per role", distinct, true);
    match &settings.nats.url {
        None => push("nats.url", "none: no messages for outside consumers".to_owned(), "set when others consume events", true, false),
        Some(url) => {
            let encrypted = url.starts_with("tls://");
            push("nats.url", if encrypted { "TLS" } else { "no TLS" }.to_owned(), "tls://", encrypted, production);
            let known = settings.nats.relay_nkey_seed.is_some() && settings.nats.subscriber_nkey_seed.is_some();
            push(
                "nats identities",
                if known { "one per component" } else { "anonymous" }.to_owned(),
                "one nkey per component",
                known,
                true,
            );
        }
    }
}
