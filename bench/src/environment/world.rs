//! A pair of databases with tenants and wallets in them, and the ways into it: production writers in this process, or processes of
//! Holdfast.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use holdfast_api::auth::{Issuer, Keyring, TokenPolicy};
use holdfast_api::settings::{DatabaseRole, Settings, Side, Sources};
use holdfast_commands::{Clock, Writers};
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::{Pool, PoolSettings};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::{Servers, Service, free_address, wait_for};
use crate::workload::Cast;

/// Seeding and catching up, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(3_600);

pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) settings_file: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) cast: Arc<Cast>,
    /// Both databases as their admin, for looking and for references.
    pub(crate) write: PgPool,
    pub(crate) read: PgPool,
    holdfast: PathBuf,
}

/// How many of each there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) tenants: usize,
    pub(crate) wallets_per_tenant: usize,
}

impl World {
    /// New databases with `size` of tenants and wallets, each wallet with money that a bank receipt brought.
    ///
    /// # Errors
    /// When something does not start or is refused.
    pub(crate) async fn create(servers: &Servers, holdfast: &Path, name: &str, size: Size) -> anyhow::Result<Self> {
        let folder = servers.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let settings_file = folder.join("holdfast.toml");
        write_settings(&servers.settings_file(), &settings_file, &folder, name)?;
        let settings = Sources { files: vec![settings_file.clone()], overrides: Vec::new() }.load()?;
        run(holdfast, &settings_file, &["migrate"])?;
        let admin = async |side| {
            let options = settings.database.connect_options(side, DatabaseRole::Admin)?;
            PgPoolOptions::new().max_connections(4).connect_with(options).await.context("cannot reach a database as its admin")
        };
        let (write, read) = (admin(Side::Write).await?, admin(Side::Read).await?);
        let cast = Arc::new(Cast::of(name, size));
        let world = Self { name: name.to_owned(), settings, settings_file, folder, cast, write, read, holdfast: holdfast.to_owned() };
        world.seed().await.context("the world cannot be filled")?;
        Ok(world)
    }

    async fn seed(&self) -> anyhow::Result<()> {
        let writers = self.writers().await?;
        self.cast.open_wallets(&writers).await?;
        drop(writers);
        let reactor = self.serve("reactor").await?;
        self.drained(&["reactor"], &[]).await?;
        reactor.stop().await?;
        let credited: i64 =
            sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'wallet.credited'").fetch_one(&self.write).await?;
        let wallets = self.cast.tenants.iter().map(|tenant| tenant.wallets.len()).sum::<usize>();
        ensure!(usize::try_from(credited).is_ok_and(|credited| credited == wallets), "{credited} of {wallets} wallets have money");
        sqlx::raw_sql("VACUUM (ANALYZE)").execute(&self.write).await?;
        self.age_wal().await
    }

    /// A server that has run for a while writes its WAL into files that it has used before (`min_wal_size`). A new one fills each file
    /// with zeros first, and everybody waits for that: it would be measured.
    async fn age_wal(&self) -> anyhow::Result<()> {
        const FILES: i64 = 64;
        let files: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_ls_waldir()").fetch_one(&self.write).await?;
        for _ in files..FILES {
            sqlx::raw_sql("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()").execute(&self.write).await?;
        }
        if files < FILES {
            sqlx::raw_sql("CHECKPOINT").execute(&self.write).await?;
        }
        Ok(())
    }

    /// Writers as a serving process makes them: same pool, same settings, clock compared with the database's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn writers(&self) -> anyhow::Result<Writers> {
        let pool = PoolSettings { application_name: "holdfast_writer", ..PoolSettings::for_log(self.settings.database.connections.writer) };
        let log = EventLog::new(self.pool(Side::Write, DatabaseRole::Writer, pool).await?);
        let clock = Clock::default();
        clock
            .measure(&self.pool(Side::Write, DatabaseRole::Writer, PoolSettings { max_connections: 1, ..PoolSettings::default() }).await?)
            .await?;
        Ok(Writers::start(&log, clock, &self.settings.limits.writer_settings()))
    }

    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn pool(&self, side: Side, role: DatabaseRole, settings: PoolSettings) -> anyhow::Result<Pool> {
        let url = self.settings.database.url(side, role)?;
        Pool::connect(url.expose_secret(), settings).await.context("cannot reach a database")
    }

    /// The log as writers see it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn log(&self) -> anyhow::Result<EventLog> {
        Ok(EventLog::new(self.pool(Side::Write, DatabaseRole::Writer, PoolSettings::for_log(4)).await?))
    }

    /// A process with these roles, e.g. `api` or `relay,projector,reactor`.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn serve(&self, roles: &str) -> anyhow::Result<Service> {
        self.serve_with(&self.holdfast, roles).await
    }

    /// The same by another build of the program.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn serve_with(&self, program: &Path, roles: &str) -> anyhow::Result<Service> {
        let address = free_address()?;
        let config = self.settings_file.to_string_lossy().into_owned();
        let arguments = ["--config", &config, "serve", "--roles", roles, "--listen", &address.to_string()].map(str::to_owned);
        let has_api = roles.split(',').any(|role| role == "api");
        Service::start(program, &arguments, &self.folder.join("holdfast.log"), has_api.then_some(address)).await
    }

    /// Runs a subcommand to its end; gives what it printed.
    ///
    /// # Errors
    /// When it cannot be run, or fails and `must_succeed`.
    pub(crate) fn holdfast(&self, arguments: &[&str], must_succeed: bool) -> anyhow::Result<String> {
        let output = command(&self.holdfast, &self.settings_file, arguments).output().context("cannot run holdfast")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success() || !must_succeed, "holdfast {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// Signs tokens that the processes of this world accept.
    ///
    /// # Errors
    /// When the settings have no key.
    pub(crate) fn issuer(&self) -> anyhow::Result<Issuer> {
        Ok(Issuer::new(Arc::new(self.keyring()?), self.token_policy()))
    }

    pub(crate) fn keyring(&self) -> anyhow::Result<Keyring> {
        keyring(&self.settings)
    }

    pub(crate) fn token_policy(&self) -> TokenPolicy {
        token_policy(&self.settings)
    }

    /// Returns when these subscriptions and projections stand at the head of every log.
    ///
    /// # Errors
    /// When they do not within an hour.
    pub(crate) async fn drained(&self, subscriptions: &[&str], projections: &[&str]) -> anyhow::Result<()> {
        self.drained_within(PATIENCE, subscriptions, projections).await
    }

    /// # Errors
    /// When they do not within `patience`.
    pub(crate) async fn drained_within(&self, patience: Duration, subscriptions: &[&str], projections: &[&str]) -> anyhow::Result<()> {
        wait_for(patience, "everybody reaches the head", async || Ok(self.behind(subscriptions, projections).await? == 0)).await
    }

    /// How many events the slowest of them still has before it, all tenants together.
    ///
    /// # Errors
    /// When a database does not answer.
    pub(crate) async fn behind(&self, subscriptions: &[&str], projections: &[&str]) -> anyhow::Result<i64> {
        // Checkpoints first: a head that is read later can only be further on.
        let mut reached = Vec::new();
        for (pool, sql, names) in [
            (&self.write, "SELECT coalesce(sum(position), 0)::bigint FROM subscription_checkpoints WHERE subscription = $1", subscriptions),
            (&self.read, "SELECT coalesce(sum(position), 0)::bigint FROM projection_checkpoints WHERE projection = $1", projections),
        ] {
            for name in names {
                let sum: i64 = sqlx::query_scalar(sql).bind(*name).fetch_one(pool).await?;
                reached.push(sum);
            }
        }
        let heads: i64 = sqlx::query_scalar("SELECT coalesce(sum(position), 0)::bigint FROM tenant_heads").fetch_one(&self.write).await?;
        Ok(heads - reached.into_iter().min().unwrap_or(heads))
    }

    /// Events in all logs together.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn events(&self) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar("SELECT coalesce(sum(position), 0)::bigint FROM tenant_heads").fetch_one(&self.write).await?)
    }

    /// Closes the admin's connections.
    pub(crate) async fn close(&self) {
        self.write.close().await;
        self.read.close().await;
    }
}

pub(crate) fn keyring(settings: &Settings) -> anyhow::Result<Keyring> {
    Keyring::try_new(Some(settings.signing_seed()?), &settings.accepted_public_keys()?).context("auth.signing_key")
}

pub(crate) fn token_policy(settings: &Settings) -> TokenPolicy {
    TokenPolicy { issuer: settings.auth.issuer.clone(), audience: settings.auth.audience.clone(), max_ttl_s: settings.auth.max_ttl_s }
}

/// Those of the servers, with databases and files of the world's own.
fn write_settings(from: &Path, to: &Path, folder: &Path, name: &str) -> anyhow::Result<()> {
    let mut settings: toml::Table = std::fs::read_to_string(from)?.parse().context("the settings of the servers")?;
    let mut set = |section: &str, key: &str, value: String| {
        let section = settings.entry(section).or_insert_with(|| toml::Table::new().into());
        if let Some(section) = section.as_table_mut() {
            section.insert(key.to_owned(), value.into());
        }
    };
    let port = std::fs::read_to_string(from)?;
    let url =
        port.lines().find_map(|line| line.strip_prefix("write_url = \"")).and_then(|url| url.rsplit_once('/')).context("write_url")?;
    set("database", "write_url", format!("{}/{name}_write", url.0));
    set("database", "read_url", format!("{}/{name}_read", url.0));
    set("files", "folder", folder.join("files").to_string_lossy().into_owned());
    set("seals", "file", folder.join("seals.ndjson").to_string_lossy().into_owned());
    std::fs::write(to, settings.to_string())?;
    Ok(())
}

fn command(holdfast: &Path, settings_file: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(holdfast);
    command.arg("--config").arg(settings_file).args(arguments).stdin(std::process::Stdio::null());
    command
}

fn run(holdfast: &Path, settings_file: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = command(holdfast, settings_file, arguments).output().with_context(|| format!("cannot run {}", holdfast.display()))?;
    ensure!(output.status.success(), "holdfast {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
