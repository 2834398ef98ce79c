//! A real Postgres with the settings that protect data, as a child of ours.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::process::{Privilege, children, free_port, log_file, signal};

/// Superuser of the cluster and `database.admin_user`.
pub const ADMIN: &str = "holdfast_admin";
/// The same for every role: it is a server on loopback that lives for minutes.
pub const PASSWORD: &str = "torture";

/// One cluster.
#[derive(Debug)]
pub struct Postgres {
    pub folder: PathBuf,
    pub data: PathBuf,
    pub port: u16,
    /// Of the postmaster; read at every start.
    pub env: Vec<(String, String)>,
    name: String,
    conf: String,
    binaries: PathBuf,
    privilege: Privilege,
    child: Option<Child>,
}

impl Postgres {
    /// Not yet made; its data goes to `folder/name`.
    ///
    /// # Errors
    /// When no server is installed.
    pub fn new(folder: &Path, name: &str, conf: &str, env: &[(String, String)]) -> anyhow::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            data: folder.join(name),
            port: free_port()?,
            env: env.to_vec(),
            name: name.to_owned(),
            conf: conf.to_owned(),
            binaries: postgres_binaries()?,
            privilege: Privilege::detect(),
            child: None,
        })
    }

    /// `initdb`, with checksums.
    ///
    /// # Errors
    /// With what initdb said.
    pub fn initialise(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.data)?;
        std::fs::write(self.folder.join("password"), PASSWORD)?;
        self.privilege.own(&self.data)?;
        let output = self
            .tool("initdb")
            .arg("-D")
            .arg(&self.data)
            .args(["-U", ADMIN, "--auth=scram-sha-256", "--data-checksums", "-E", "UTF8", "--locale=C.UTF-8"])
            .arg(format!("--pwfile={}", self.folder.join("password").display()))
            .output()?;
        ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        self.configure()
    }

    /// Writes `torture.conf` again, for another port or other lines; read at the next start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self) -> anyhow::Result<()> {
        let main = self.data.join("postgresql.conf");
        let text = std::fs::read_to_string(&main)?;
        if !text.contains("include 'torture.conf'") {
            std::fs::write(&main, format!("{text}\ninclude 'torture.conf'\n"))?;
        }
        let text = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\nshared_buffers = 64MB\n\
             jit = off\nfsync = on\nsynchronous_commit = on\nfull_page_writes = on\nwal_level = replica\n\
             client_connection_check_interval = 2s\nlog_statement = 'none'\n{}\n",
            self.port, self.conf
        );
        std::fs::write(self.data.join("torture.conf"), text)?;
        self.privilege.own(&self.data)
    }

    /// More or other lines of configuration, from the next start.
    pub fn set_conf(&mut self, conf: &str) {
        conf.clone_into(&mut self.conf);
    }

    /// Further lines of configuration, from the next start.
    pub fn add_conf(&mut self, conf: &str) {
        self.conf.push_str(conf);
    }

    /// What it has logged.
    ///
    /// # Errors
    /// When there is no log.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.join(format!("{}.log", self.name)))?)
    }

    /// Does nothing when it runs; else starts it, with recovery if that is due, and waits until it takes connections.
    ///
    /// # Errors
    /// When it does not within two minutes.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        if self.is_running() {
            signal(self.pid().unwrap_or(0), Signal::SIGCONT);
            if self.until_ready().await.is_ok() || self.is_running() {
                return self.until_ready().await;
            }
            // It was about to give up, for a fault that is over.
        }
        self.configure()?;
        let log = log_file(&self.folder, &format!("{}.log", self.name))?;
        let mut command = self.tool("postgres");
        command.arg("-D").arg(&self.data).envs(self.env.clone()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A shared memory block of a killed postmaster is in use until its last backend has seen that: a new one says so and ends.
        let begun = Instant::now();
        loop {
            self.child = Some(command.spawn().context("cannot start postgres")?);
            if self.until_ready().await.is_ok() {
                return Ok(());
            }
            ensure!(begun.elapsed() < Duration::from_secs(120), "postgres does not start: see {}/{}.log", self.folder.display(), self.name);
            self.kill()?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        for _ in 0..600 {
            ensure!(self.is_running(), "postgres has ended");
            if self.pool("postgres").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("postgres takes no connections")
    }

    /// A tool of the same installation, run as the server's user.
    #[must_use]
    pub fn tool(&self, name: &str) -> std::process::Command {
        let mut command = self.privilege.command(self.binaries.join(name));
        command.env("PGPASSWORD", PASSWORD);
        command
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Of the postmaster.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Pids of the postmaster's children: backends, checkpointer, WAL writer and so on.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        self.pid().map(children).unwrap_or_default()
    }

    /// `kill -9` of the postmaster. Its backends notice and end by themselves.
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

    /// As `pg_ctl -m immediate` does: no checkpoint, recovery at the next start.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop_immediately(&mut self) -> anyhow::Result<()> {
        self.stop_with(Signal::SIGQUIT)
    }

    /// As `pg_ctl -m fast` does: clean.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.stop_with(Signal::SIGINT)
    }

    fn stop_with(&mut self, how: Signal) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        signal(child.id(), how);
        for _ in 0..600 {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        child.kill()?;
        bail!("postgres did not stop")
    }

    /// As the superuser, to this server, past every proxy.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn pool(&self, database: &str) -> anyhow::Result<PgPool> {
        let options = PgConnectOptions::new().host("127.0.0.1").port(self.port).username(ADMIN).password(PASSWORD).database(database);
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(5));
        Ok(pool.connect_with(options).await?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.stop_immediately();
    }
}

/// The newest installed server.
///
/// # Errors
/// When there is none.
pub fn postgres_binaries() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop().map(|(_, folder)| folder).context("no PostgreSQL server is installed (scripts/setup)")
}
