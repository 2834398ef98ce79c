//! The processes of one run, in one folder: Postgres, NATS, every role of Holdfast by itself.

pub(crate) mod files;
mod nats;
mod postgres;
mod process;
mod quiesce;
mod service;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use uuid::Uuid;

use crate::history::History;

pub use nats::Nats;
pub use postgres::{ADMIN, PASSWORD, Postgres, postgres_binaries};
pub use process::{Privilege, children, free_port, is_alive, log_file, signal};
pub use service::{Routes, Service};

/// What a scenario needs beyond the usual.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More lines for postgresql.conf.
    pub postgres_conf: String,
    /// More environment of the postmaster, e.g. `LD_PRELOAD`.
    pub postgres_env: Vec<(String, String)>,
    /// More environment of nats-server.
    pub nats_env: Vec<(String, String)>,
    /// More lines for the settings of Holdfast, as TOML tables.
    pub settings: String,
}

/// The programs under test.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub current: PathBuf,
    /// What runs beside it during a change of versions.
    pub old: Option<PathBuf>,
    /// Built with the feature `failpoints`.
    pub failpoints: Option<PathBuf>,
}

/// One thing that was done to the system.
#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: String,
    pub at_ms: u64,
}

/// Everything that runs. Dropping it kills what it started.
#[derive(Debug)]
pub struct World {
    pub folder: PathBuf,
    pub binaries: Binaries,
    pub postgres: Postgres,
    pub nats: Nats,
    /// One process each: `api-1`, `api-2`, `relay`, `projector`, `reactor`; scenarios may add some.
    pub services: Vec<Service>,
    pub tenants: Vec<Uuid>,
    pub history: Arc<History>,
    pub faults: Vec<Fault>,
    /// Services that ended by themselves and were started again.
    pub restarts: u64,
    begun: Instant,
}

/// Debug builds on a busy machine take their time.
const READY_WITHIN: Duration = Duration::from_secs(180);

const USUAL: [(&str, &str); 5] =
    [("api-1", "api"), ("api-2", "api"), ("relay", "relay"), ("projector", "projector"), ("reactor", "reactor")];

impl World {
    /// Servers started, databases migrated, `tenants` created, every role serving.
    ///
    /// # Errors
    /// When something does not start; the message has the end of its log.
    pub async fn start(folder: PathBuf, binaries: Binaries, options: &Options, tenants: &[Uuid]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let folder = folder.canonicalize()?;
        let mut postgres = Postgres::new(&folder, "postgres", &options.postgres_conf, &options.postgres_env)?;
        postgres.initialise()?;
        postgres.start().await?;
        let mut nats = Nats::new(&folder, &options.nats_env)?;
        nats.start().await?;
        let mut world = Self::on(folder, binaries, (postgres, nats), tenants, &options.settings)?;
        world.holdfast(&["migrate"])?;
        for (number, tenant) in tenants.iter().enumerate() {
            let name = format!("tenant-{number}");
            let settings = world.folder.join("tenant.toml");
            std::fs::write(&settings, files::TENANT)?;
            let (id, settings) = (tenant.to_string(), settings.to_string_lossy().into_owned());
            world.holdfast(&["tenant", "create", "--name", &name, "--slug", &name, "--id", &id, "--settings", &settings])?;
        }
        world.start_all().await?;
        Ok(world)
    }

    /// On servers that run and have their databases, in a folder that exists; no service has been started.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn on(folder: PathBuf, binaries: Binaries, servers: (Postgres, Nats), tenants: &[Uuid], settings: &str) -> anyhow::Result<Self> {
        let (postgres, nats) = servers;
        let history = Arc::new(History::create(&folder.join("history.ndjson"))?);
        let snapshots = if binaries.old.is_none() { files::SNAPSHOTS } else { "" };
        files::write_settings(&folder, postgres.port, nats.port, &format!("{snapshots}{settings}"))?;
        let services = USUAL.iter().map(|(name, role)| Service::new(&folder, name, role, &binaries.current)).collect::<Result<_, _>>()?;
        Ok(Self {
            folder,
            binaries,
            postgres,
            nats,
            services,
            tenants: tenants.to_vec(),
            history,
            faults: Vec::new(),
            restarts: 0,
            begun: Instant::now(),
        })
    }

    /// Runs a subcommand of the current binary to its end and gives what it printed.
    ///
    /// # Errors
    /// When it fails; the message has what it said.
    pub fn holdfast(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.holdfast_output(arguments)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "holdfast {arguments:?}: {} {said} {}", output.status, String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// # Errors
    /// When it cannot be run.
    pub fn holdfast_output(&self, arguments: &[&str]) -> anyhow::Result<std::process::Output> {
        let mut command = std::process::Command::new(&self.binaries.current);
        command.arg("--config").arg(self.folder.join("holdfast.toml")).args(arguments).current_dir(&self.folder);
        command.output().with_context(|| format!("cannot run {}: build it first", self.binaries.current.display()))
    }

    /// The service of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn service(&mut self, name: &str) -> anyhow::Result<&mut Service> {
        self.services.iter_mut().find(|service| service.name == name).with_context(|| format!("there is no service {name}"))
    }

    /// Another process for `role`, not yet started.
    ///
    /// # Errors
    /// When no port is free.
    pub fn add_service(&mut self, name: &str, role: &str) -> anyhow::Result<&mut Service> {
        let service = Service::new(&self.folder, name, role, &self.binaries.current)?;
        self.services.push(service);
        self.service(name)
    }

    /// Stops it and forgets it.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn remove_service(&mut self, name: &str) -> anyhow::Result<()> {
        if let Some(place) = self.services.iter().position(|service| service.name == name) {
            self.services.remove(place).kill()?;
        }
        Ok(())
    }

    /// Where clients send to.
    #[must_use]
    pub fn base_urls(&self) -> Vec<String> {
        self.services.iter().filter(|service| service.role == "api").map(Service::base_url).collect()
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes that something was done to the system, e.g. `fault("kill relay")`.
    pub fn fault(&mut self, kind: impl Into<String>) {
        let fault = Fault { kind: kind.into(), at_ms: self.now_ms() };
        self.history.record(&json!({ "phase": "fault", "kind": fault.kind, "t_ms": fault.at_ms }));
        self.faults.push(fault);
    }

    /// Lets time pass while an init system would: services that end by themselves are started again.
    ///
    /// # Errors
    /// When one cannot be started.
    pub async fn pass(&mut self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        loop {
            self.supervise()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(Duration::from_millis(200))).await;
        }
    }

    fn supervise(&mut self) -> anyhow::Result<()> {
        for service in &mut self.services {
            if service.restart_if_ended()? {
                self.restarts += 1;
            }
        }
        Ok(())
    }

    /// Starts what should run and waits until the api processes are ready.
    ///
    /// # Errors
    /// When they are not within three minutes.
    pub async fn start_all(&mut self) -> anyhow::Result<()> {
        for service in &mut self.services {
            service.start()?;
        }
        let begun = Instant::now();
        loop {
            self.supervise()?;
            let mut ready = true;
            for service in self.services.iter().filter(|service| service.role == "api") {
                ready &= service.is_ready().await;
            }
            if ready {
                return Ok(());
            }
            let tails: Vec<String> = self.services.iter().map(Service::tail).collect();
            ensure!(begun.elapsed() < READY_WITHIN, "not ready within three minutes:\n{}", tails.join("\n"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everything runs again, unhindered, each service with its usual binary and without extra environment.
    ///
    /// # Errors
    /// When something does not come back.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        self.postgres.start().await?;
        if !self.nats.wrapper.is_empty() {
            self.nats.wrapper.clear();
            self.nats.kill()?;
        }
        self.nats.start().await?;
        self.services.retain_mut(|service| {
            let usual = USUAL.iter().any(|(name, _)| *name == service.name);
            if !usual {
                let _ = service.kill();
            }
            usual
        });
        for service in &mut self.services {
            service.resume();
            if service.make_usual(&self.binaries.current) {
                service.kill()?;
            }
        }
        self.start_all().await
    }
}
