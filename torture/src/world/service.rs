//! One process of Holdfast: `holdfast serve --roles ROLE`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::Signal;

use super::process::{children, free_port, log_file, signal};

/// Ports under which this process finds its servers, when not those of the settings: e.g. of a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Routes {
    pub postgres: Option<u16>,
    pub nats: Option<u16>,
}

/// Started, killed, paused and started again; `restart_if_ended` plays the init system.
#[derive(Debug)]
pub struct Service {
    pub name: String,
    pub role: String,
    /// Of an api process: where clients find it.
    pub port: u16,
    /// Where it listens, when something else stands at its port.
    pub behind: Option<u16>,
    pub binary: PathBuf,
    pub routes: Routes,
    /// More environment, from the next start.
    pub env: Vec<(String, String)>,
    /// Put before the program, e.g. `strace -f`.
    pub wrapper: Vec<String>,
    folder: PathBuf,
    child: Option<Child>,
    wanted: bool,
    not_before: Instant,
}

impl Service {
    pub(super) fn new(folder: &Path, name: &str, role: &str, binary: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            role: role.to_owned(),
            port: free_port()?,
            behind: None,
            binary: binary.to_owned(),
            routes: Routes::default(),
            env: Vec::new(),
            wrapper: Vec::new(),
            folder: folder.to_owned(),
            child: None,
            wanted: false,
            not_before: Instant::now(),
        })
    }

    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Does nothing when it runs.
    ///
    /// # Errors
    /// When the binary cannot be run.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.wanted = true;
        if self.is_running() {
            return Ok(());
        }
        let log = log_file(&self.folder, &format!("{}.log", self.name))?;
        let mut command = match self.wrapper.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command.arg("--config").arg(self.folder.join("holdfast.toml"));
        command.args(["serve", "--roles", &self.role, "--listen", &format!("127.0.0.1:{}", self.behind.unwrap_or(self.port))]);
        command.current_dir(&self.folder).envs(self.env.clone());
        if let Some(port) = self.routes.postgres {
            command.env("HOLDFAST__DATABASE__WRITE_URL", super::files::database_url(port, super::files::WRITE));
            command.env("HOLDFAST__DATABASE__READ_URL", super::files::database_url(port, super::files::READ));
        }
        if let Some(port) = self.routes.nats {
            command.env("HOLDFAST__NATS__URL", format!("nats://127.0.0.1:{port}"));
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.child = Some(child.with_context(|| format!("cannot run {}", self.binary.display()))?);
        self.not_before = Instant::now() + Duration::from_millis(500);
        Ok(())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// `kill -9`, and it stays dead until [`Service::start`].
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.wanted = false;
        if let Some(mut child) = self.child.take() {
            if !self.wrapper.is_empty() {
                children(child.id()).into_iter().for_each(|pid| signal(pid, Signal::SIGKILL)); // a tracer's death frees them
            }
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM: it finishes what it began.
    ///
    /// # Errors
    /// When it does not end within half a minute.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.wanted = false;
        let Some(child) = &self.child else { return Ok(()) };
        signal(child.id(), Signal::SIGTERM);
        for _ in 0..600 {
            if !self.is_running() {
                self.child = None;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("{} did not stop on SIGTERM", self.name)
    }

    /// Whether it is frozen.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        if let Some(pid) = self.pid() {
            signal(pid, Signal::SIGSTOP);
        }
    }

    /// SIGCONT.
    pub fn resume(&self) {
        if let Some(pid) = self.pid() {
            signal(pid, Signal::SIGCONT);
        }
    }

    pub(super) fn restart_if_ended(&mut self) -> anyhow::Result<bool> {
        if !self.wanted || self.is_running() || Instant::now() < self.not_before {
            return Ok(false);
        }
        self.start()?;
        Ok(true)
    }

    /// Takes back what scenarios changed; true when it has to be started again for that.
    pub(super) fn make_usual(&mut self, binary: &Path) -> bool {
        let rerouted = self.routes != Routes::default() || self.behind.is_some();
        let changed = rerouted || !self.env.is_empty() || !self.wrapper.is_empty() || self.binary != binary;
        self.routes = Routes::default();
        self.behind = None;
        self.env.clear();
        self.wrapper.clear();
        binary.clone_into(&mut self.binary);
        changed
    }

    pub(super) async fn is_ready(&self) -> bool {
        let url = format!("{}/readyz", self.base_url());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build();
        let Ok(client) = client else { return false };
        client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Whether its log has these words.
    #[must_use]
    pub fn has_logged(&self, words: &str) -> bool {
        std::fs::read_to_string(self.folder.join(format!("{}.log", self.name))).unwrap_or_default().contains(words)
    }

    /// The end of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join(format!("{}.log", self.name))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        format!("{}: {}", self.name, lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
