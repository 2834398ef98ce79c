//! cala-ledger's `post_transaction`, in a program of its own: its dependencies bring a second TLS provider, which this workspace does
//! not take (docs/performance.md).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_api::settings::{DatabaseRole, Side};
use secrecy::ExposeSecret as _;
use sqlx::Executor as _;

use crate::environment::World;

/// Where `make bench-cala` puts it.
#[must_use]
pub(crate) fn program() -> PathBuf {
    std::env::var_os("HOLDFAST_BENCH_CALA").map_or_else(|| PathBuf::from("target/cala/release/bench-cala"), PathBuf::from)
}

/// A database for it on the world's server; gives its URL.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn prepare(world: &World) -> anyhow::Result<String> {
    let name = format!("{}_cala", world.name);
    world.write.execute(sqlx::raw_sql(&format!("CREATE DATABASE {name}"))).await?;
    let url = world.settings.database.url(Side::Write, DatabaseRole::Admin)?;
    let (before, after) = url.expose_secret().split_once(&format!("/{}_write", world.name)).context("an unexpected URL")?;
    Ok(format!("{before}/{name}{after}"))
}

/// Transactions per second: so many callers, each between two of a thousand accounts.
///
/// # Errors
/// When the program fails.
pub(crate) async fn measure(url: &str, callers: usize, length: Duration) -> anyhow::Result<f64> {
    let mut command = tokio::process::Command::new(program());
    command.env("BENCH_CALA_URL", url).arg(callers.to_string()).arg(length.as_millis().to_string()).stdin(std::process::Stdio::null());
    let output = command.output().await.context("cannot run bench-cala")?;
    let said = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success(), "bench-cala: {said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().find_map(|line| line.strip_prefix("per second: ")?.parse().ok()).with_context(|| format!("bench-cala said {said}"))
}
