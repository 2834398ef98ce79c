//! Holdfast's own private servers: Postgres and NATS from installed binaries, kept under one local folder.
//!
//! `dev` owns the folder (a lock file says so), starts what is not running and stops it on a clean exit. After a `kill -9`
//! the servers live on; the next start finds them by pid file and data directory and uses them. Other subcommands attach to
//! a folder that is owned, or own it themselves for as long as they run.

mod nats;
mod postgres;
mod process;
mod state;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::settings::Profile;
pub use process::free_port;
use state::State;

/// Where everything is kept unless `--folder` says otherwise.
pub const DEFAULT_FOLDER: &str = ".holdfast";

/// The settings that the embedded servers are reached with; written by [`Embedded::start`], readable by the owner only.
#[must_use]
pub fn settings_file(folder: &Path) -> PathBuf {
    folder.join("holdfast.toml")
}

/// Where the system answers that runs on this folder now; none when nobody does.
///
/// # Errors
/// When the folder cannot be read, or its owner has not said yet where it answers.
pub fn url_of_running(folder: &Path) -> anyhow::Result<Option<String>> {
    if !folder.join("lock").is_file() || try_lock(folder)?.is_some() {
        return Ok(None);
    }
    let url = std::fs::read_to_string(folder.join(URL_FILE)).context("another holdfast is just starting on this folder: try again")?;
    Ok(Some(url.trim().to_owned()))
}

const URL_FILE: &str = "url";

/// Running servers. Dropping it leaves them running; [`Embedded::stop`] ends them.
#[derive(Debug)]
pub struct Embedded {
    folder: PathBuf,
    postgres: postgres::Server,
    /// Held while this process owns the folder; none when another one does.
    lock: Option<File>,
    /// Why there is no NATS, when there is none.
    nats_missing: Option<String>,
}

impl Embedded {
    /// Starts what is not running, or attaches to what another process runs.
    ///
    /// # Errors
    /// When no Postgres is installed, or a server does not start; says where its log is.
    pub async fn start(folder: &Path, profile: Profile) -> anyhow::Result<Self> {
        process::make_private_folder(folder)?;
        let folder = folder.canonicalize().with_context(|| format!("cannot use the folder {}", folder.display()))?;
        match try_lock(&folder)? {
            Some(lock) => Self::own(folder, lock, profile).await,
            None => Self::attach(folder).await,
        }
    }

    async fn own(folder: PathBuf, lock: File, profile: Profile) -> anyhow::Result<Self> {
        let mut state = State::load_or_create(&folder)?;
        let postgres = postgres::Server::start(&folder, &mut state, profile).await?;
        let nats_missing = match nats::Server::start(&folder, &mut state).await? {
            nats::Start::Running => None,
            nats::Start::NotInstalled(why) => Some(why),
        };
        state.save(&folder, profile, nats_missing.is_none())?;
        Ok(Self { folder, postgres, lock: Some(lock), nats_missing })
    }

    /// Another process owns the folder: wait until its servers answer.
    async fn attach(folder: PathBuf) -> anyhow::Result<Self> {
        for _ in 0..600 {
            if settings_file(&folder).is_file()
                && let Some(postgres) = postgres::Server::find(&folder)
            {
                return Ok(Self { folder, postgres, lock: None, nats_missing: None });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("another holdfast uses {} but its servers did not start within a minute", folder.display())
    }

    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        settings_file(&self.folder)
    }

    /// False: another process does, and will stop the servers.
    #[must_use]
    pub fn owns_folder(&self) -> bool {
        self.lock.is_some()
    }

    /// Tells other processes where this one answers.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn announce(&self, url: &str) -> anyhow::Result<()> {
        process::write_private(&self.folder.join(URL_FILE), url)
    }

    #[must_use]
    pub fn nats_missing(&self) -> Option<&str> {
        self.nats_missing.as_deref()
    }

    /// Starts NATS again whenever it has died, for as long as it is polled. Nothing waits for it: without messages, read
    /// models and reactions follow the log.
    pub async fn keep_nats(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            if self.nats_missing.is_some() || nats::Server::find(&self.folder).is_some() {
                continue;
            }
            tracing::warn!("the embedded nats-server has died: starting it again");
            if let Err(error) = self.start_nats().await {
                tracing::error!("{error:#}");
            }
        }
    }

    /// Which outside consumers NATS lets in (`holdfast consumers`).
    #[must_use]
    pub fn consumers_file(&self) -> PathBuf {
        self.folder.join(nats::CONSUMERS_FILE)
    }

    /// Lets NATS read its configuration again.
    ///
    /// # Errors
    /// When it runs and does not take the signal.
    pub async fn reload_nats(&self) -> anyhow::Result<()> {
        match nats::Server::find(&self.folder) {
            Some(nats) => nats.reload().await,
            None => Ok(()),
        }
    }

    async fn start_nats(&self) -> anyhow::Result<()> {
        let mut state = State::load_or_create(&self.folder)?;
        nats::Server::start(&self.folder, &mut state).await.map(drop)
    }

    /// Stops the servers if this process owns the folder: NATS first, then Postgres with a fast shutdown.
    ///
    /// # Errors
    /// When a server does not end.
    pub async fn stop(self) -> anyhow::Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        let nats = match nats::Server::find(&self.folder) {
            Some(nats) => nats.stop().await,
            None => Ok(()),
        };
        self.postgres.stop().await?;
        nats
    }
}

fn try_lock(folder: &Path) -> anyhow::Result<Option<File>> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}
