//! A private Postgres: one cluster in the folder, on loopback only, scram passwords, data checksums.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::process::{Privilege, free_port, live_pid, on_path, tail, wait_until_gone, working_directory, write_private};
use super::state::State;
use crate::settings::Profile;

#[derive(Debug)]
pub(super) struct Server {
    data: PathBuf,
    pid: u32,
}

impl Server {
    /// The one that runs in this folder's data directory and accepts connections, or a new one.
    pub(super) async fn start(folder: &Path, state: &mut State, profile: Profile) -> anyhow::Result<Self> {
        if let Some(server) = Self::find(folder) {
            state.postgres_port = Some(server.port()?);
            return Ok(server);
        }
        let binaries = binaries()?;
        let privilege = Privilege::detect().await;
        let data = folder.join("pg");
        if !data.join("PG_VERSION").is_file() {
            initialise(&binaries, privilege, folder, &data, state).await?;
        }
        let port = free_port(state.postgres_port)?;
        std::fs::write(data.join("holdfast.conf"), configuration(port, profile)).context("cannot write holdfast.conf")?;
        state.postgres_port = Some(port);

        let log = folder.join("postgres.log");
        if privilege == Privilege::PostgresUser {
            std::fs::OpenOptions::new().create(true).append(true).open(&log).context("cannot write postgres.log")?;
            give_to_postgres(&[&log]).await?;
        }
        let status = privilege
            .command(binaries.join("pg_ctl"))
            .arg("-D")
            .arg(&data)
            .args(["-s", "-w", "-t", "120", "-l"])
            .arg(&log)
            .arg("start")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .context("cannot run pg_ctl")?;
        match Self::find(folder) {
            Some(server) if status.success() => Ok(server),
            Some(_) | None => bail!("Postgres did not start; the end of {}:\n{}", log.display(), tail(&log)),
        }
    }

    /// By `postmaster.pid`, whose process must live and work in our data directory (pids are used again).
    pub(super) fn find(folder: &Path) -> Option<Self> {
        let data = folder.join("pg");
        let lock = data.join("postmaster.pid");
        let pid = live_pid(&lock)?;
        let ours = working_directory(pid).is_none_or(|cwd| cwd == data);
        // Line 8 is the state: "ready" once connections are accepted.
        let ready = std::fs::read_to_string(&lock).ok()?.lines().nth(7).is_some_and(|line| line.trim() == "ready");
        (ours && ready).then_some(Self { data, pid })
    }

    fn port(&self) -> anyhow::Result<u16> {
        let text = std::fs::read_to_string(self.data.join("postmaster.pid")).context("cannot read postmaster.pid")?;
        text.lines().nth(3).and_then(|line| line.trim().parse().ok()).context("postmaster.pid names no port")
    }

    /// INT to the postmaster: a fast, clean shutdown.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let binaries = binaries()?;
        let privilege = Privilege::detect().await;
        let status = privilege
            .command(binaries.join("pg_ctl"))
            .arg("-D")
            .arg(&self.data)
            .args(["-s", "-w", "-t", "60", "-m", "fast", "stop"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .context("cannot run pg_ctl")?;
        if !status.success() || !wait_until_gone(self.pid, Duration::from_secs(5)).await {
            bail!("the embedded Postgres (pid {}) did not stop", self.pid);
        }
        Ok(())
    }
}

/// The newest installed server.
fn binaries() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
        .collect();
    versions.sort();
    if let Some((_, folder)) = versions.pop() {
        return Ok(folder);
    }
    if let Some(folder) = on_path("pg_ctl").and_then(|path| path.canonicalize().ok()?.parent().map(Path::to_path_buf))
        && folder.join("initdb").is_file()
    {
        return Ok(folder);
    }
    bail!(
        "no PostgreSQL server is installed (looked in /usr/lib/postgresql/*/bin and on the PATH).\n\
         Run scripts/setup, or: apt-get install postgresql. To use a server elsewhere: holdfast serve --config FILE"
    )
}

async fn initialise(binaries: &Path, privilege: Privilege, folder: &Path, data: &Path, state: &State) -> anyhow::Result<()> {
    let password_file = folder.join("initdb-password");
    write_private(&password_file, &format!("{}\n", state.passwords.admin))?;
    if privilege == Privilege::PostgresUser {
        std::fs::create_dir_all(data).context("cannot create the data directory")?;
        give_to_postgres(&[data, &password_file]).await?;
    }
    let output = privilege
        .command(binaries.join("initdb"))
        .arg("-D")
        .arg(data)
        .args(["-U", "holdfast_admin", "--auth=scram-sha-256", "--data-checksums", "-E", "UTF8", "--locale=C.UTF-8"])
        .arg(format!("--pwfile={}", password_file.display()))
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run initdb")?;
    std::fs::remove_file(&password_file).context("cannot remove the password file")?;
    if !output.status.success() {
        bail!("initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let main = data.join("postgresql.conf");
    let text = std::fs::read_to_string(&main).context("cannot read postgresql.conf")?;
    std::fs::write(&main, format!("{text}\ninclude 'holdfast.conf'\n")).context("cannot write postgresql.conf")
}

async fn give_to_postgres(paths: &[&Path]) -> anyhow::Result<()> {
    let chown = tokio::process::Command::new("chown").arg("postgres:postgres").args(paths).status().await;
    if chown.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!("Postgres refuses to run as root, and neither user namespaces nor a `postgres` user are there")
}

/// Protocols, "Profiles"; the figures are those of docs and settings for one small machine.
fn configuration(port: u16, profile: Profile) -> String {
    let safe = if profile == Profile::Test { "off" } else { "on" };
    format!(
        "# Written by holdfast at every start.\n\
         port = {port}\n\
         listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = ''\n\
         password_encryption = 'scram-sha-256'\n\
         max_connections = 200\n\
         shared_buffers = 256MB\n\
         min_wal_size = 1GB\n\
         max_wal_size = 2GB\n\
         jit = off\n\
         fsync = {safe}\n\
         synchronous_commit = {safe}\n\
         full_page_writes = {safe}\n\
         wal_level = replica\n\
         client_connection_check_interval = 2s\n\
         tcp_keepalives_idle = 5\n\
         tcp_keepalives_interval = 2\n\
         tcp_keepalives_count = 3\n\
         log_statement = 'ddl'\n\
         log_parameter_max_length = 0\n\
         log_parameter_max_length_on_error = 0\n"
    )
}
