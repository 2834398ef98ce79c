//! A NATS server of a test's own, to be wiped.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use holdfast_api::embedded::free_port;
use uuid::Uuid;

/// Killed and deleted when dropped.
pub struct NatsServer {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl NatsServer {
    /// # Errors
    /// When there is no nats-server or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let port = free_port(None)?;
        let folder = std::env::temp_dir().join(format!("holdfast-nats-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder)?;
        let mut server = Self { folder, port, process: None };
        server.run().await?;
        Ok(server)
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// # Errors
    /// When it does not start.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        let store = self.folder.join("store");
        let child = Command::new(binary()?)
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"])
            .arg(store)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nats-server")?;
        let child = self.process.insert(child);
        for _ in 0..200 {
            if let Some(status) = child.try_wait()? {
                bail!("nats-server ended with {status}");
            }
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("nats-server does not listen")
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.process.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Deletes everything that it has stored; it must not be running.
    ///
    /// # Errors
    /// When the store cannot be deleted.
    pub fn wipe(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_dir_all(self.folder.join("store"))?)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// # Errors
/// When none is installed.
pub fn binary() -> anyhow::Result<PathBuf> {
    let named = std::env::var_os("HOLDFAST_NATS_SERVER").map(PathBuf::from);
    let local = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.holdfast/bin/nats-server"));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|folder| folder.join("nats-server"));
    named.into_iter().chain([local]).chain(on_path).find(|path| path.is_file()).context("there is no nats-server: run scripts/setup")
}
