//! pgbench: one event per transaction into a table of our shape, prepared, 32 clients. No idempotency, no head, no decision.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use holdfast_api::settings::{DatabaseRole, Side};
use secrecy::ExposeSecret as _;

use crate::environment::{World, postgres_program};

pub(crate) const CLIENTS: usize = 32;

const TABLE: &str = "CREATE SCHEMA IF NOT EXISTS single_row;
CREATE SEQUENCE IF NOT EXISTS single_row.position CACHE 1000;
CREATE TABLE IF NOT EXISTS single_row.events (LIKE public.events INCLUDING ALL)";

/// # Errors
/// When the database does not answer or there is no event to copy.
pub(crate) async fn prepare(world: &World) -> anyhow::Result<()> {
    sqlx::raw_sql(TABLE).execute(&world.write).await?;
    let (payload, metadata) = example(world).await?;
    let tenant = world.cast.tenants.first().context("no tenant")?.id;
    let script = format!(
        "INSERT INTO single_row.events (tenant_id, aggregate_id, position, sequence, recorded_at, aggregate_type, event_type, event_version, payload, metadata) \
         VALUES ('{tenant}', gen_random_uuid(), nextval('single_row.position'), 1, clock_timestamp(), 'wallet', 'wallet.debited', '1', '{}', '{}');\n",
        payload.replace('\'', "''"),
        metadata.replace('\'', "''"),
    );
    std::fs::write(script_file(&world.folder), script)?;
    Ok(())
}

/// Payload and metadata of an event as the figures write them.
///
/// # Errors
/// When nobody has made a transfer yet.
pub(crate) async fn example(world: &World) -> anyhow::Result<(String, String)> {
    let sql = "SELECT payload::text, metadata::text FROM public.events WHERE event_type = 'wallet.debited' LIMIT 1";
    sqlx::query_as(sql).fetch_optional(&world.write).await?.context("there is no transfer in the log yet")
}

fn script_file(folder: &Path) -> std::path::PathBuf {
    folder.join("single_row.sql")
}

/// Rows per second. The table is emptied first. pgbench counts in whole seconds, and its clients need some time to log in.
///
/// # Errors
/// When pgbench is not installed or fails.
pub(crate) async fn measure(world: &World, length: Duration) -> anyhow::Result<f64> {
    sqlx::raw_sql("TRUNCATE single_row.events").execute(&world.write).await?;
    let options = world.settings.database.connect_options(Side::Write, DatabaseRole::Admin)?;
    let password = world.settings.database.password(DatabaseRole::Admin).context("database.passwords.admin")?;
    let mut command = tokio::process::Command::new(postgres_program("pgbench")?);
    command
        .env("PGPASSWORD", password.expose_secret())
        .args(["-h", options.get_host(), "-p", &options.get_port().to_string(), "-U", options.get_username()])
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &CLIENTS.to_string(), "-T", &length.as_secs().max(2).to_string(), "-f"])
        .arg(script_file(&world.folder))
        .arg(options.get_database().context("no database")?)
        .stdin(std::process::Stdio::null());
    let output = command.output().await.context("cannot run pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench: {said}{}", String::from_utf8_lossy(&output.stderr));
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    rate.with_context(|| format!("pgbench did not say its rate: {said}"))
}
