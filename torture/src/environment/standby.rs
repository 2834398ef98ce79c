//! A second Postgres made from the first: a standby that follows it, or a copy to restore from.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sqlx::PgPool;

use crate::world::Postgres;

/// What standbys are called in `synchronous_standby_names`.
const NAME: &str = "standby";

/// Copies the running cluster into the data folder of `to`, which must not exist.
///
/// # Errors
/// With what `pg_basebackup` said.
pub fn base_backup(from: &Postgres, to: &Postgres) -> anyhow::Result<()> {
    let output = to
        .tool("pg_basebackup")
        .args(["-h", "127.0.0.1", "-p", &from.port.to_string(), "-U", crate::world::ADMIN])
        .args(["-c", "fast", "-X", "stream", "-D"])
        .arg(&to.data)
        .output()?;
    ensure!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A standby of `primary` that runs and follows it by way of `port`: the primary's own, or a proxy's in front of it.
///
/// # Errors
/// When it cannot be made or does not start.
pub async fn follow(primary: &Postgres, name: &str, port: u16) -> anyhow::Result<Postgres> {
    let mut standby = Postgres::new(&primary.folder, name, "", &[])?;
    base_backup(primary, &standby)?;
    standby.set_conf(&format!(
        "hot_standby = on\nprimary_conninfo = 'host=127.0.0.1 port={port} user={} password={} application_name={NAME}'\n",
        crate::world::ADMIN,
        crate::world::PASSWORD
    ));
    std::fs::write(standby.data.join("standby.signal"), "")?;
    standby.start().await?;
    Ok(standby)
}

/// From now on a commit of `primary` is acknowledged when the standby has it on disk as well.
///
/// # Errors
/// When the standby does not follow within half a minute.
pub async fn make_synchronous(primary: &mut Postgres) -> anyhow::Result<()> {
    primary.add_conf(&format!("synchronous_standby_names = 'ANY 1 ({NAME})'\n"));
    primary.configure()?;
    let pool = primary.pool("postgres").await?;
    sqlx::query("SELECT pg_reload_conf()").execute(&pool).await?;
    wait_until(&pool, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum'))")
        .await
        .context("the standby is not synchronous")
}

/// The standby becomes a primary, on a new timeline.
///
/// # Errors
/// When it does not within half a minute.
pub async fn promote(standby: &mut Postgres) -> anyhow::Result<()> {
    let pool = standby.pool("postgres").await?;
    sqlx::query("SELECT pg_promote(false)").execute(&pool).await?;
    wait_until(&pool, "SELECT NOT pg_is_in_recovery()").await.context("the standby was not promoted")
}

/// Asks until the answer is yes.
///
/// # Errors
/// When it is not within half a minute.
pub async fn wait_until(pool: &PgPool, question: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let answer: Result<bool, sqlx::Error> = sqlx::query_scalar(question).fetch_one(pool).await;
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "{question}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
