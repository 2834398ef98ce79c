//! A real nats-server with JetStream on disk, as a child of ours.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

use super::process::{free_port, log_file, signal};

#[derive(Debug)]
pub struct Nats {
    pub port: u16,
    pub store: PathBuf,
    /// Read at every start.
    pub env: Vec<(String, String)>,
    /// Put before the program at the next start; the process stays the same, as with `exec`.
    pub wrapper: Vec<String>,
    folder: PathBuf,
    program: PathBuf,
    child: Option<Child>,
}

impl Nats {
    /// Not yet started.
    ///
    /// # Errors
    /// When there is no nats-server.
    pub fn new(folder: &Path, env: &[(String, String)]) -> anyhow::Result<Self> {
        Ok(Self {
            port: free_port()?,
            store: folder.join("nats"),
            env: env.to_vec(),
            wrapper: Vec::new(),
            folder: folder.to_owned(),
            program: program()?,
            child: None,
        })
    }

    /// Does nothing when it runs.
    ///
    /// # Errors
    /// When it does not listen within ten seconds.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        if self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            signal(self.pid().unwrap_or(0), Signal::SIGCONT);
            return Ok(());
        }
        let log = log_file(&self.folder, "nats.log")?;
        let mut command = match self.wrapper.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        let child = command
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"])
            .arg(&self.store)
            .envs(self.env.clone())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start nats-server")?;
        self.child = Some(child);
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("nats-server does not listen: see {}", self.folder.join("nats.log").display())
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
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
        if self.store.exists() {
            std::fs::remove_dir_all(&self.store)?;
        }
        Ok(())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let named = std::env::var_os("HOLDFAST_NATS_SERVER").map(PathBuf::from);
    let local = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.holdfast/bin/nats-server"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&paths).map(|folder| folder.join("nats-server")).collect();
    named.into_iter().chain([local]).chain(on_path).find(|path| path.is_file()).context("there is no nats-server: run scripts/setup")
}
