//! Folders, ports and processes of the embedded servers.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;
use uuid::Uuid;

/// Creates `folder`; others may enter it (a server may run as another user) but the files in it are private.
pub(super) fn make_private_folder(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Writes a file that only its owner may read, all of it or nothing.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let written = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&temporary, path)).with_context(|| format!("cannot write {}", path.display()))
}

/// Ports that the kernel gives to no client of its own choice: a client that tries again and again while a server starts would
/// sooner or later be given the server's port, and talk to itself.
const PORTS: Range<u16> = 10_000..32_000;

/// A port of loopback that nobody listens on: `remembered` when it is still free, else any of [`PORTS`].
///
/// # Errors
/// When none is found.
pub fn free_port(remembered: Option<u16>) -> anyhow::Result<u16> {
    let drawn = std::iter::repeat_with(|| PORTS.start + u16::try_from(Uuid::new_v4().as_u128() % PORTS.len() as u128).unwrap_or_default());
    let mut candidates = remembered.into_iter().chain(drawn.take(1_000));
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no free port on 127.0.0.1")
}

/// The pid in the first line of `path`, if such a process lives.
pub(super) fn live_pid(path: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()?;
    is_alive(pid).then_some(pid)
}

/// A zombie counts as gone.
pub(super) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('Z'))
}

/// The working directory of a process, when we may look.
pub(super) fn working_directory(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The file that it was started from, while that is there.
pub(super) fn program_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok().filter(|path| path.is_file())
}

pub(super) fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

pub(super) async fn wait_until_gone(pid: u32, within: Duration) -> bool {
    let deadline = tokio::time::Instant::now() + within;
    while is_alive(pid) {
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// How a server that refuses to run as root is run by root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privilege {
    /// We are not root.
    AsWeAre,
    /// A user namespace in which we look like `nobody`; files stay ours.
    UserNamespace,
    /// Root gives itself up for the system's `postgres` user, who then owns the files.
    PostgresUser,
}

impl Privilege {
    pub(super) async fn detect() -> Self {
        if fs::metadata("/proc/self").map_or(1, |metadata| metadata.uid()) != 0 {
            return Self::AsWeAre;
        }
        let mut probe = Self::UserNamespace.command("true");
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match probe.status().await {
            Ok(status) if status.success() => Self::UserNamespace,
            Ok(_) | Err(_) => Self::PostgresUser,
        }
    }

    pub(super) fn command(self, program: impl AsRef<Path>) -> Command {
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
}

/// The program of that name on the PATH.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// The last lines of a log, for error messages.
pub(super) fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
