//! A private nats-server with JetStream; Holdfast runs without it when none is installed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use holdfast_eventlog::nats::access::{Identities, accounts, consumers_file};
use tokio::process::Command;

use super::process::{command_line, free_port, is_alive, live_pid, on_path, program_of, tail, wait_until_gone, write_private};
use super::state::State;

/// Beside the configuration, which includes it.
pub(super) const CONSUMERS_FILE: &str = "nats-consumers.conf";
/// Overrides where the program is looked for.
const PROGRAM_VARIABLE: &str = "HOLDFAST_NATS_SERVER";

#[derive(Debug)]
pub(super) struct Server {
    program: PathBuf,
    pid_file: PathBuf,
    pid: u32,
}

pub(super) enum Start {
    Running,
    NotInstalled(String),
}

impl Server {
    pub(super) async fn start(folder: &Path, state: &mut State) -> anyhow::Result<Start> {
        if Self::find(folder).is_some() {
            return Ok(Start::Running);
        }
        let Some(program) = program(folder) else {
            return Ok(Start::NotInstalled(format!(
                "nats-server was not found (on the PATH, in {}, or named by {PROGRAM_VARIABLE}): running without NATS. \
                 Everything works from the log itself; outside consumers get no messages. scripts/setup installs it.",
                folder.join("bin").display()
            )));
        };
        state.nats_port = Some(free_port(state.nats_port)?);
        state.nats_monitor_port = Some(free_port(state.nats_monitor_port)?);
        let configuration_file = folder.join("nats.conf");
        write_private(&configuration_file, &configuration(folder, state)?)?;
        let consumers = folder.join(CONSUMERS_FILE);
        if !consumers.is_file() {
            write_private(&consumers, &consumers_file(&[]))?;
        }
        let log = folder.join("nats.log");
        // Its own process group: Ctrl-C and the end of this process are not its end.
        let spawned = Command::new(&program)
            .arg("-c")
            .arg(&configuration_file)
            .arg("-l")
            .arg(&log)
            .process_group(0)
            .kill_on_drop(false)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = spawned.with_context(|| format!("cannot run {}", program.display()))?;
        for _ in 0..200 {
            if Self::find(folder).is_some() && is_healthy(state).await {
                return Ok(Start::Running);
            }
            if child.try_wait().ok().flatten().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("nats-server did not start; the end of {}:\n{}", log.display(), tail(&log))
    }

    /// By its pid file, whose process must have been started with our configuration.
    pub(super) fn find(folder: &Path) -> Option<Self> {
        let pid_file = folder.join("nats.pid");
        let pid = live_pid(&pid_file)?;
        let configuration_file = folder.join("nats.conf");
        let ours = command_line(pid).is_some_and(|line| line.contains(&*configuration_file.to_string_lossy()));
        // Its own program first: another process may be told of another one, or of none.
        let program = program_of(pid).or_else(|| program(folder))?;
        ours.then_some(Self { program, pid_file, pid })
    }

    /// Lets it read its configuration again; connections that may go on do.
    pub(super) async fn reload(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.signal("reload").await?, "the embedded nats-server (pid {}) does not take its new configuration", self.pid);
        Ok(())
    }

    async fn signal(&self, signal: &str) -> anyhow::Result<bool> {
        let mut command = Command::new(&self.program);
        command.arg("--signal").arg(format!("{signal}={}", self.pid_file.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status().await.context("cannot run nats-server --signal")?.success())
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        if !is_alive(self.pid) {
            return Ok(());
        }
        if !self.signal("term").await? || !wait_until_gone(self.pid, Duration::from_secs(10)).await {
            bail!("the embedded nats-server (pid {}) did not stop", self.pid);
        }
        Ok(())
    }
}

fn program(folder: &Path) -> Option<PathBuf> {
    let named = std::env::var_os(PROGRAM_VARIABLE).map(PathBuf::from).filter(|path| path.is_file());
    let local = [folder.join("bin/nats-server"), PathBuf::from(super::DEFAULT_FOLDER).join("bin/nats-server")];
    named.or_else(|| local.into_iter().find(|path| path.is_file())).or_else(|| on_path("nats-server"))
}

async fn is_healthy(state: &State) -> bool {
    let url = format!("http://127.0.0.1:{}/healthz?js-enabled-only=true", state.nats_monitor_port.unwrap_or_default());
    reqwest::get(url).await.is_ok_and(|response| response.status().is_success())
}

/// No default account, monitoring on loopback.
fn configuration(folder: &Path, state: &State) -> anyhow::Result<String> {
    let (port, monitor) = (state.nats_port.unwrap_or_default(), state.nats_monitor_port.unwrap_or_default());
    let [relay, subscriber, admin] = state.nats_users()?;
    let accounts = accounts(&Identities { relay: &relay, subscriber: &subscriber, admin: &admin }, CONSUMERS_FILE);
    let folder = folder.display();
    Ok(format!(
        r#"# Written by holdfast at every start.
listen: 127.0.0.1:{port}
http: 127.0.0.1:{monitor}
pid_file: "{folder}/nats.pid"
server_name: holdfast-embedded
max_payload: 256KB
jetstream {{
  store_dir: "{folder}/nats"
  max_file_store: 4GB
  max_memory_store: 64MB
}}
{accounts}"#
    ))
}
