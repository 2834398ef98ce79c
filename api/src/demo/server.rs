//! The server that the demo talks to: a child process on a folder of its own, killed now and then when asked to.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};

/// How to run `holdfast dev` beside this process.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) folder: PathBuf,
    pub(super) listen: String,
    pub(super) profile: &'static str,
    pub(super) scenario: Option<PathBuf>,
    pub(super) log_file: PathBuf,
}

/// Dropping it closes the child's standard input, on which it stops cleanly.
#[derive(Debug)]
pub(super) struct Server {
    recipe: Recipe,
    child: Child,
}

impl Server {
    pub(super) async fn start(recipe: Recipe) -> anyhow::Result<Self> {
        let child = spawn(&recipe)?;
        let mut server = Self { recipe, child };
        server.until_ready().await?;
        Ok(server)
    }

    /// `kill -9`, then the same command again. Postgres and NATS live on and are used again.
    pub(super) async fn crash_and_restart(&mut self) -> anyhow::Result<()> {
        self.child.start_kill().context("cannot kill the server")?;
        self.child.wait().await.context("the server does not die")?;
        self.child = spawn(&self.recipe)?;
        self.until_ready().await
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        match tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => bail!("the server ended with {status}; see {}", self.recipe.log_file.display()),
            Ok(Err(error)) => Err(error).context("cannot wait for the server"),
            Err(_) => bail!("the server did not stop within a minute"),
        }
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let url = format!("http://{}/readyz", self.recipe.listen);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(90) {
            if let Some(status) = self.child.try_wait().context("cannot look at the server")? {
                let log = std::fs::read_to_string(&self.recipe.log_file).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(12).collect();
                bail!("the server ended with {status}:\n{}", end.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
            if reqwest::get(&url).await.is_ok_and(|response| response.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the server was not ready within 90 s; see {}", self.recipe.log_file.display())
    }
}

fn spawn(recipe: &Recipe) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&recipe.log_file)
        .with_context(|| format!("cannot write {}", recipe.log_file.display()))?;
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command
        .arg("dev")
        .arg("--folder")
        .arg(&recipe.folder)
        .args(["--listen", &recipe.listen, "--profile", recipe.profile, "--until-stdin-closes", "--quiet"])
        // Ctrl-C is for the demo, which then stops its server itself.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log);
    if let Some(scenario) = &recipe.scenario {
        command.arg("--scenario").arg(scenario);
    }
    command.spawn().context("cannot start the server")
}
