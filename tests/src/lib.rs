//! A whole Holdfast for tests: the real binary as its own process, on databases of its own, reached over HTTP.
//!
//! Servers come from `HOLDFAST_TEST_DATABASE_URL` and `HOLDFAST_TEST_NATS_URL` (`scripts/with-test-servers` starts them).

mod cases;
mod client;
mod flow;
mod nats;
pub mod openapi;
pub mod personal;
pub mod requirements;
mod stream;
pub mod things;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdfast_api::auth::{Issuer, Keyring, Subject, TokenPolicy, now_s};
use holdfast_api::embedded::free_port;
use holdfast_domain::kernel::{PartyId, Role, TenantId};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use uuid::Uuid;

pub use client::{Answer, Client, send};
pub use flow::{Flow, Parties, bank_reference, expect};
pub use nats::{NatsServer, binary as nats_binary};
pub use stream::{EventStream, Pushed};
pub use things::Things;

const ISSUER: &str = "https://holdfast.test";
const AUDIENCE: &str = "holdfast";

/// Databases, settings and, while it runs, a process.
pub struct System {
    folder: PathBuf,
    databases: [String; 2],
    admin: PgConnectOptions,
    issuer: Issuer,
    pub base_url: String,
    pub nats_url: Option<String>,
    process: Option<Child>,
}

impl System {
    /// Migrated and serving all roles.
    ///
    /// # Errors
    /// When the servers of the test environment cannot be reached or the binary does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(std::env::var("HOLDFAST_TEST_NATS_URL").ok()).await
    }

    /// With another NATS, or none.
    ///
    /// # Errors
    /// As [`System::start`].
    pub async fn start_with(nats_url: Option<String>) -> anyhow::Result<Self> {
        Self::start_configured(nats_url, "").await
    }

    /// With more settings, as TOML tables.
    ///
    /// # Errors
    /// As [`System::start`].
    pub async fn start_set(more: &str) -> anyhow::Result<Self> {
        Self::start_configured(std::env::var("HOLDFAST_TEST_NATS_URL").ok(), more).await
    }

    async fn start_configured(nats_url: Option<String>, more: &str) -> anyhow::Result<Self> {
        let url = std::env::var("HOLDFAST_TEST_DATABASE_URL").unwrap_or_else(|_| "postgres://app@127.0.0.1:55432/postgres".to_owned());
        let admin: PgConnectOptions = url.parse().context("HOLDFAST_TEST_DATABASE_URL")?;
        let name = Uuid::new_v4().simple().to_string();
        let databases = [format!("hf_{name}_log"), format!("hf_{name}_read")];
        let folder = std::env::temp_dir().join(format!("holdfast-system-{name}"));
        std::fs::create_dir_all(&folder)?;
        let seed = *Uuid::new_v4().as_bytes();
        let seed: [u8; 32] = [seed, seed].concat().try_into().unwrap_or_default();
        let policy = TokenPolicy { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned(), max_ttl_s: 3_600 };
        let issuer = Issuer::new(Arc::new(Keyring::try_new(Some(seed), &[]).context("signing key")?), policy);
        let port = free_port(None)?;
        let mut system = Self { folder, databases, admin, issuer, base_url: format!("http://127.0.0.1:{port}"), nats_url, process: None };
        system.write_settings(port, &seed, more)?;
        system.run(&["migrate"])?;
        system.serve().await?;
        Ok(system)
    }

    fn write_settings(&self, port: u16, seed: &[u8; 32], more: &str) -> anyhow::Result<()> {
        let at = format!("{}:{}", self.admin.get_host(), self.admin.get_port());
        let [log, read] = &self.databases;
        let roles = ["admin", "writer", "relay", "reactor", "projector", "reader", "auditor"];
        let passwords: String = roles.iter().map(|role| format!("{role} = 'test'\n")).collect();
        let key = BASE64.encode(seed);
        let nats = self.nats_url.as_ref().map(|url| format!("[nats]\nurl = '{url}'\n")).unwrap_or_default();
        let text = format!(
            "profile = 'test'\n[http]\nlisten = '127.0.0.1:{port}'\nworkers = 2\n\
             [database]\nwrite_url = 'postgres://{at}/{log}'\nread_url = 'postgres://{at}/{read}'\nadmin_user = '{}'\n\
             [database.passwords]\n{passwords}{nats}\
             [auth]\nissuer = '{ISSUER}'\naudience = '{AUDIENCE}'\nsigning_key = '{key}'\nmax_ttl_s = 3600\n\
             [secrets]\nrequest_hash_key = '{key}'\npersonal_master_key = '{key}'\nsealing_key = '{key}'\n\
             [files]\nfolder = '{}/files'\ntickets_per_minute = 1000\n[telemetry]\nlog = 'warn'\n{more}",
            self.admin.get_username(),
            self.folder.display(),
        );
        std::fs::write(self.settings_file(), text)?;
        Ok(())
    }

    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        self.folder.join("holdfast.toml")
    }

    /// Runs a subcommand to its end and gives what it printed.
    ///
    /// # Errors
    /// When it fails; the message has what it said.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command().args(arguments).output().context("the holdfast binary could not be started: build it first")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "holdfast {arguments:?}: {} {said} {}", output.status, String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.settings_file()).current_dir(&self.folder);
        // Streams of tests are short: so that their snapshots are used and `verify` has some to look at.
        command.env("HOLDFAST__LIMITS__SNAPSHOT_EVERY", "3");
        command
    }

    /// Starts the process (again) and waits until it is ready.
    ///
    /// # Errors
    /// When it is not ready within half a minute.
    pub async fn serve(&mut self) -> anyhow::Result<()> {
        self.serve_as("api,relay,projector,reactor").await
    }

    /// The same with some roles only; `api` must be among them.
    ///
    /// # Errors
    /// As [`System::serve`].
    pub async fn serve_as(&mut self, roles: &str) -> anyhow::Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log"))?;
        let child = self.command().args(["serve", "--roles", roles]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        self.process = Some(child);
        let client = reqwest::Client::new();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if client.get(format!("{}/readyz", self.base_url)).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("not ready: {}", std::fs::read_to_string(self.folder.join("log")).unwrap_or_default())
    }

    /// Another process on the same databases, playing `roles`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn also(&self, roles: &str) -> anyhow::Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log-also"))?;
        Ok(self.command().args(["serve", "--roles", roles]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
    }

    /// Waits until every read model of every tenant stands at the head.
    ///
    /// # Errors
    /// When they do not within `patience`.
    pub async fn read_models_at_heads(&self, patience: Duration) -> anyhow::Result<Duration> {
        let (log, read) = (self.log_database().await?, self.read_database().await?);
        let begun = Instant::now();
        loop {
            let heads: Vec<(Uuid, i64)> =
                sqlx::query_as("SELECT tenant_id, position FROM tenant_heads WHERE position > 0 ORDER BY 1").fetch_all(&log).await?;
            let least: Vec<(Uuid, i64)> =
                sqlx::query_as("SELECT tenant_id, min(position) FROM projection_checkpoints GROUP BY 1 ORDER BY 1")
                    .fetch_all(&read)
                    .await?;
            if heads == least {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() >= patience {
                // Why: where each stands, which version it is of, whether it has stopped or was told to wait.
                let rows: Vec<String> = sqlx::query_scalar(
                    "SELECT c::text || coalesce(' stopped: ' || f::text, '') || coalesce(' paused: ' || p::text, '') FROM projection_checkpoints c
                     LEFT JOIN projection_failures f USING (tenant_id, projection)
                     LEFT JOIN rebuild.projection_pauses p ON p.projection = c.projection AND p.tenant_id IN (c.tenant_id, '00000000-0000-0000-0000-000000000000')",
                )
                .fetch_all(&read)
                .await?;
                bail!("read models are behind: {heads:?} {least:?}; {rows:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process is there.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        let process = self.process.as_mut().context("not started")?;
        Ok(process.try_wait()?.is_none())
    }

    /// `kill -9`: nothing gets a chance to clean up.
    ///
    /// # Errors
    /// When there is no process.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.process.take().context("not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM: the process may finish what it has begun.
    ///
    /// # Errors
    /// When there is no process.
    pub fn terminate(&self) -> anyhow::Result<()> {
        let id = self.process.as_ref().context("not running")?.id();
        ensure!(Command::new("kill").args(["-TERM", &id.to_string()]).status()?.success(), "no signal could be sent");
        Ok(())
    }

    /// True when the process has ended by itself within `patience`.
    ///
    /// # Errors
    /// When there is no process.
    pub async fn has_ended(&mut self, patience: Duration) -> anyhow::Result<bool> {
        let begun = Instant::now();
        let process = self.process.as_mut().context("not running")?;
        while begun.elapsed() < patience {
            if process.try_wait()?.is_some() {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(false)
    }

    /// What the process has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A new active tenant; `settings` as TOML, empty for the defaults.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn tenant(&self, settings: &str) -> anyhow::Result<TenantId> {
        let slug = format!("t{}", &Uuid::new_v4().simple().to_string()[..12]);
        let file = self.folder.join(format!("{slug}.toml"));
        std::fs::write(&file, settings)?;
        let said = self.run(&["tenant", "create", "--name", &slug, "--slug", &slug, "--settings", &file.to_string_lossy()])?;
        said.trim().parse().context("the tenant's id")
    }

    /// A client with a token for the tenant.
    ///
    /// # Errors
    /// When no token can be signed.
    pub fn client(&self, tenant_id: TenantId, party_id: PartyId, roles: &[Role]) -> anyhow::Result<Client> {
        self.client_for(tenant_id, party_id, roles, 3_600)
    }

    /// With a token that lives for `ttl_s` seconds.
    ///
    /// # Errors
    /// When no token can be signed.
    pub fn client_for(&self, tenant_id: TenantId, party_id: PartyId, roles: &[Role], ttl_s: u64) -> anyhow::Result<Client> {
        let subject = Subject { tenant_id, party_id, roles: roles.iter().copied().collect(), limits: Vec::new() };
        let token = self.issuer.issue(&subject, now_s(), ttl_s).context("token")?;
        Ok(Client::new(&self.base_url, tenant_id, &token))
    }

    /// The log's database, as its owner.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn log_database(&self) -> anyhow::Result<PgPool> {
        self.database(0).await
    }

    /// The same as a URL.
    #[must_use]
    pub fn log_url(&self) -> String {
        let (user, host, port) = (self.admin.get_username(), self.admin.get_host(), self.admin.get_port());
        format!("postgres://{user}@{host}:{port}/{}", self.databases[0])
    }

    /// The read models' database, as its owner.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn read_database(&self) -> anyhow::Result<PgPool> {
        self.database(1).await
    }

    async fn database(&self, which: usize) -> anyhow::Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(2).connect_with(self.admin.clone().database(&self.databases[which])).await?)
    }

    /// `holdfast verify`, which must find nothing.
    ///
    /// # Errors
    /// With what it found.
    pub fn verify(&self) -> anyhow::Result<String> {
        self.run(&["verify"]).with_context(|| {
            let log = self.log();
            let told: Vec<_> = log.lines().filter(|line| line.contains("\"ERROR\"")).take(20).collect();
            format!("the process said: {told:#?}")
        })
    }
}

/// A public document.
///
/// # Errors
/// When it is not there.
pub async fn public_json(system: &System, path: &str) -> anyhow::Result<serde_json::Value> {
    Ok(reqwest::get(format!("{}{path}", system.base_url)).await?.error_for_status()?.json().await?)
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Built beside the tests, which lie one folder deeper than other programs.
/// The program under test, built with the tests.
#[must_use]
pub fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let folders = here.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join("holdfast")).find(|file| file.is_file()).unwrap_or_default()
}
