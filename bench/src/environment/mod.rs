//! What a figure runs on: servers of its own with the settings of production, worlds (pairs of databases), processes of Holdfast.

mod nats;
mod service;
mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use holdfast_api::embedded::Embedded;
use holdfast_api::settings::Profile;

pub(crate) use nats::sync_always;
pub(crate) use service::{Service, free_address};
pub(crate) use world::{Size, World, keyring, token_policy};

/// A Postgres and a NATS in one folder, durable as in production: `fsync`, `synchronous_commit` and `full_page_writes` on, data
/// checksums, JetStream on files. [`Servers::stop`] ends them; dropped, they live on.
pub(crate) struct Servers {
    pub(crate) folder: PathBuf,
    embedded: Embedded,
}

impl Servers {
    /// # Errors
    /// When Postgres or NATS is not installed or does not start.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).context("cannot delete what an earlier run left")?;
        }
        std::fs::create_dir_all(folder)?;
        let embedded = Embedded::start(folder, Profile::Dev).await?;
        if let Some(why) = embedded.nats_missing() {
            anyhow::bail!("{why}");
        }
        Ok(Self { folder: folder.canonicalize()?, embedded })
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.embedded.settings_file()
    }

    /// Pids of the two servers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let files = [self.folder.join("pg/postmaster.pid"), self.folder.join("nats.pid")];
        files.iter().filter_map(|file| std::fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()).collect()
    }

    /// Ends the servers and deletes all that they stored.
    ///
    /// # Errors
    /// When one does not end.
    pub(crate) async fn stop(self, keep: bool) -> anyhow::Result<()> {
        self.embedded.stop().await?;
        if !keep {
            std::fs::remove_dir_all(&self.folder).context("cannot delete the folder of the servers")?;
        }
        Ok(())
    }
}

/// The programs of a server: `pgbench` and its like.
///
/// # Errors
/// When it is not installed.
pub(crate) fn postgres_program(name: &str) -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(name))))
        .filter(|(_, program)| program.is_file())
        .collect();
    found.sort();
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.pop().map(|(_, program)| program).or_else(on_path).with_context(|| format!("{name} is not installed"))
}

/// Waits for a condition that is asked for every 20 ms.
///
/// # Errors
/// When it does not hold within `patience`, or cannot be asked.
pub(crate) async fn wait_for(patience: Duration, what: &str, ask: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = std::time::Instant::now();
    while !ask().await? {
        anyhow::ensure!(begun.elapsed() < patience, "{what}: not within {} s", patience.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
