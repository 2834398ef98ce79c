//! Processes, ports, and how root runs servers that refuse root.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::{self as nix_signal, Signal};
use nix::unistd::Pid;

/// A port of loopback that nobody listens on, outside the range that the kernel hands out to clients.
///
/// # Errors
/// When none is found.
pub fn free_port() -> anyhow::Result<u16> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 12_000 + u16::try_from(std::process::id() % 1_000).unwrap_or(0) * 16;
    for _ in 0..4_000 {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 4_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port is free")
}

/// Appends to `name` in the folder.
///
/// # Errors
/// When it cannot be written.
pub fn log_file(folder: &Path, name: &str) -> anyhow::Result<std::fs::File> {
    let path = folder.join(name);
    std::fs::File::options().create(true).append(true).open(&path).with_context(|| format!("cannot write {}", path.display()))
}

/// Sends a signal; a process that is gone is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = nix_signal::kill(Pid::from_raw(pid), signal);
    }
}

/// Pids of the processes that this one started.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether the process exists and is no zombie.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z" && state != "X")
}

/// How a server that refuses to run as root is run by root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// We are not root.
    AsWeAre,
    /// A user namespace in which we look like `nobody`; files stay ours.
    UserNamespace,
    /// As the system's `postgres` user, who then owns the files.
    PostgresUser,
}

impl Privilege {
    #[must_use]
    pub fn detect() -> Self {
        if std::fs::metadata("/proc/self").map_or(1, |metadata| metadata.uid()) != 0 {
            return Self::AsWeAre;
        }
        let probe = Self::UserNamespace.command("true").stdin(Stdio::null()).stderr(Stdio::null()).status();
        if probe.is_ok_and(|status| status.success()) { Self::UserNamespace } else { Self::PostgresUser }
    }

    /// A command whose pid is the program's own.
    pub fn command(self, program: impl AsRef<Path>) -> Command {
        let program = program.as_ref();
        match self {
            Self::AsWeAre => Command::new(program),
            Self::UserNamespace => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-user=65534", "--map-group=65534", "--"]).arg(program);
                command
            }
            Self::PostgresUser => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
                command
            }
        }
    }

    /// Makes the folder the server's own.
    ///
    /// # Errors
    /// When it cannot be given away.
    pub fn own(self, path: &Path) -> anyhow::Result<()> {
        if self == Self::PostgresUser {
            let status = Command::new("chown").args(["-R", "postgres:postgres"]).arg(path).status()?;
            anyhow::ensure!(status.success(), "cannot give {} to postgres", path.display());
        }
        Ok(())
    }
}
