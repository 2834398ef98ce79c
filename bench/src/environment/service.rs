//! A process of Holdfast that serves chosen roles, as in production.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use holdfast_api::embedded::free_port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait_for;
use crate::http::{Connection, get};

/// Debug builds take their time.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Dropping it kills the process.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Service {
    /// `program arguments`, with its log in `log`; returns when `/healthz` answers, or at once without an address to ask.
    ///
    /// # Errors
    /// When it does not start; the log says why.
    pub(crate) async fn start(program: &Path, arguments: &[String], log: &Path, address: Option<SocketAddr>) -> anyhow::Result<Self> {
        let file = std::fs::File::options().create(true).append(true).open(log).context("cannot write a log")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let mut service = Self { address: address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))), child };
        if address.is_some() {
            let address = service.address;
            let answered = wait_for(READY_WITHIN, "the process answers", async || Ok(answers(address).await)).await;
            if answered.is_err() || !service.is_running() {
                anyhow::bail!("{} does not serve; see {}", program.display(), log.display());
            }
        }
        Ok(service)
    }

    #[must_use]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM: it finishes what it began.
    ///
    /// # Errors
    /// When it does not end, or did not end well.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).context("pid")?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("cannot stop a process")?;
        for _ in 0..1_500 {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "a process ended with {status}");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("a process did not stop within 30 s")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

async fn answers(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    connection.send(&get("/healthz", None)).await.is_ok_and(|answer| answer.status == 200)
}

/// An address of loopback that nobody listens on.
///
/// # Errors
/// When there is none.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], free_port(None)?)))
}
