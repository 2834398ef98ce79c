//! Settings into running parts: pools per database role, writers, consumers, the server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use holdfast_commands::effect::Ports;
use holdfast_commands::personal::Sealer;
use holdfast_commands::reaction::Reactor;
use holdfast_commands::{Clock, DeadlineTracker, DeadlineWorker, Writers};
use holdfast_eventlog::db::{self, Commits, Plans, Pool, PoolSettings};
use holdfast_eventlog::nats::{Feed, Nats, NatsSettings};

use holdfast_eventlog::subscription::{self, Consumer, Pressure, SubscriptionSettings};
use holdfast_eventlog::{EventLog, Fresh, relay, seal};
use holdfast_files::Files;
use holdfast_projections::personal::StoredKeys;
use holdfast_projections::positions::Positions;
use holdfast_projections::query::ByKey;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::serve::Role;
use super::token;
use crate::auth::Revocations;
use crate::files::keep_swept;
use crate::health::Check;
use crate::payment_sessions::NoProvider;
use crate::server::{self, Parts, ServerConfig};
use crate::settings::{DatabaseRole, LogFormat, Settings, Side};
use crate::telemetry::{self, TelemetryConfig, TelemetryGuard};
use crate::{AdminSide, AuditSide, CommandSide, PerActor, Push, QuerySide};

/// For the feed that all consumers share.
const READING_CONNECTIONS: u32 = 4;
/// For auditors, who are few.
const AUDITING_CONNECTIONS: u32 = 4;
/// For the platform's operators, who are few as well.
const ORDERING_CONNECTIONS: u32 = 2;
/// For the keys of persons.
const SEALING_CONNECTIONS: u32 = 4;
const DEADLINES_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn pool(settings: &Settings, side: Side, role: DatabaseRole, max_connections: u32) -> anyhow::Result<Pool> {
    connect(settings, side, role, PoolSettings { max_connections, ..PoolSettings::default() }).await
}

/// A pool as an [`EventLog`] wants it.
pub(super) async fn log(settings: &Settings, role: DatabaseRole, max_connections: u32) -> anyhow::Result<EventLog> {
    Ok(EventLog::new(connect(settings, Side::Write, role, PoolSettings::for_log(max_connections)).await?))
}

pub(super) async fn connect(settings: &Settings, side: Side, role: DatabaseRole, pool: PoolSettings) -> anyhow::Result<Pool> {
    let url = settings.database.url(side, role)?;
    let name = role.name().unwrap_or("holdfast");
    let pool = PoolSettings { application_name: name, ..pool };
    Pool::connect(url.expose_secret(), pool).await.with_context(|| format!("cannot reach the {} database as {name}", side.as_str()))
}

/// The storage of files.
pub(super) fn files(settings: &Settings) -> anyhow::Result<Arc<Files>> {
    let files = Files::open(&settings.file_storage()?).context("the file storage cannot be opened (files.*)")?;
    Ok(Arc::new(files))
}

pub(super) fn start_logging(settings: &Settings) -> anyhow::Result<TelemetryGuard> {
    telemetry::start(&TelemetryConfig {
        filter: settings.telemetry.log.clone(),
        json: settings.telemetry.log_format == LogFormat::Json,
        otlp_endpoint: settings.telemetry.otlp_endpoint.clone(),
    })
}

/// Everything that was started, until [`Running::stop`].
pub(super) struct Running {
    shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    /// Returns when a signal says so, or with the error of a part that cannot go on, or of a database that is another one now.
    pub(super) async fn until_told_to_stop(&mut self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            () = db::replaced() => bail!("a database server was replaced: this process must start afresh"),
            Some(ended) = self.tasks.join_next() => ended.context("a part of the process panicked")?.context("a part of the process ended"),
        }
    }

    /// Lets everybody finish what was begun.
    pub(super) async fn stop(mut self) {
        self.shutdown.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(20), all).await.is_err() {
            tracing::warn!("some parts did not stop in time");
        }
    }
}

/// What the parts of one process share.
struct Shop<'a> {
    settings: &'a Settings,
    shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    /// As the subscriber; none when no NATS is configured.
    nats: Option<Nats>,
    consumers: Vec<Arc<dyn Consumer>>,
    /// Between the writers of the process and its subscriptions.
    fresh: Fresh,
    pressure: Pressure,
    /// One for the process: what the effect of an erasure destroys is gone from the cache of the API with it.
    personal: Option<Sealer>,
}

pub(super) async fn start(settings: &Settings, roles: &BTreeSet<Role>) -> anyhow::Result<Running> {
    let has = |role| roles.contains(&role);
    // First: who keeps a metric at hand must find it collected.
    let metrics = has(Role::Api).then(telemetry::install_metrics).transpose().context("cannot collect metrics")?;
    let nats = nats(settings, settings.nats.subscriber_nkey_seed.as_ref()).await?;
    let mut shop = Shop {
        settings,
        shutdown: CancellationToken::new(),
        tasks: JoinSet::new(),
        nats,
        consumers: Vec::new(),
        fresh: Fresh::new(),
        pressure: Pressure::default(),
        personal: None,
    };
    if has(Role::Projector) {
        shop.projector().await?;
    }
    if has(Role::Api) || has(Role::Reactor) {
        let (log, writers) = shop.writers().await?;
        if has(Role::Reactor) {
            shop.reactor(writers.clone()).await?;
        }
        if has(Role::Api) {
            shop.api(log, writers, metrics).await?;
        }
    }
    if has(Role::Relay) {
        shop.relay().await?;
    }
    // Who reads the log for the consumers of this process: a role that may only read it.
    let reading = if has(Role::Projector) { DatabaseRole::Projector } else { DatabaseRole::Reactor };
    shop.subscribe(reading).await?;
    Ok(Running { shutdown: shop.shutdown, tasks: shop.tasks })
}

/// The connection of one user; it comes back by itself, so a NATS that is down keeps nobody from starting.
pub(super) async fn nats(settings: &Settings, nkey_seed: Option<&SecretString>) -> anyhow::Result<Option<Nats>> {
    let Some(url) = &settings.nats.url else { return Ok(None) };
    let nkey_seed = nkey_seed.map(|seed| seed.expose_secret().to_owned());
    let defaults = NatsSettings::new(url);
    let replicas = settings.nats.replicas.unwrap_or(defaults.replicas);
    let nats = NatsSettings { nkey_seed, replicas, require_tls: url.starts_with("tls://"), ..defaults };
    Nats::connect(nats).await.context("nats.url").map(Some)
}

/// The same for a subcommand that cannot do without it: connected within five seconds.
pub(super) async fn nats_now(settings: &Settings, nkey_seed: Option<&SecretString>) -> anyhow::Result<Nats> {
    let nats = nats(settings, nkey_seed).await?.context("no NATS is configured (nats.url)")?;
    for _ in 0..100 {
        if nats.is_connected() {
            return Ok(nats);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("NATS does not answer, or does not know this user (nats.url)")
}

impl Shop<'_> {
    /// Shared by requests, reactions and deadlines: one cache, one queue per tenant.
    async fn writers(&mut self) -> anyhow::Result<(EventLog, Writers)> {
        let log = log(self.settings, DatabaseRole::Writer, self.settings.database.connections.writer).await?.with_fresh(self.fresh.clone());
        let clock = Clock::default();
        let measuring = pool(self.settings, Side::Write, DatabaseRole::Writer, 1).await?;
        clock.measure(&measuring).await.context("cannot compare this clock with the database's")?;
        self.spawn(|shutdown| clock.clone().watch(measuring, shutdown));
        let writers = Writers::start(&log, clock, &self.settings.limits.writer_settings());
        self.pressure = writers.pressure();
        Ok((log, writers))
    }

    /// Reactions, and deadlines with the worker that fires them.
    async fn reactor(&mut self, writers: Writers) -> anyhow::Result<()> {
        let connections = self.settings.database.connections.reactor;
        let lazy = PoolSettings { max_connections: connections, commits: Commits::Lazy, ..PoolSettings::default() };
        let pool = connect(self.settings, Side::Write, DatabaseRole::Reactor, lazy).await?;
        let log = log(self.settings, DatabaseRole::Reactor, connections).await?;
        let reactor: Arc<dyn Consumer> = Arc::new(Reactor::new(log.clone(), pool.clone(), writers.clone()));
        let tracker: Arc<dyn Consumer> = Arc::new(DeadlineTracker::new(pool.clone()));
        let ports = self.ports(log.clone()).await?;
        let effects: Arc<dyn Consumer> = Arc::new(Reactor::of_effects(log.clone(), pool.clone(), writers.clone(), &ports));
        self.consumers.extend([reactor, tracker, effects]);
        let worker = DeadlineWorker::new(pool, writers, DEADLINES_EVERY);
        self.spawn(|shutdown| worker.run(shutdown));
        Ok(())
    }

    /// What effects reach the outside with.
    async fn ports(&mut self, log: EventLog) -> anyhow::Result<Ports> {
        let sealer = self.personal().await?;
        let settings = self.settings;
        let signing = Arc::new(settings.esign.providers(settings.profile, settings.http.listen)?);
        Ok(Ports { log, sealer, files: files(settings)?, signing, contract_pdf: holdfast_typesetting::contract_pdf })
    }

    async fn projector(&mut self) -> anyhow::Result<()> {
        let connections = self.settings.database.connections.projector;
        let keys = pool(self.settings, Side::Write, DatabaseRole::Projector, 2).await?;
        let lazy = PoolSettings { max_connections: connections, commits: Commits::Lazy, ..PoolSettings::default() };
        let read = connect(self.settings, Side::Read, DatabaseRole::Projector, lazy).await?;
        let keys: Arc<dyn holdfast_projections::personal::Keys> = Arc::new(StoredKeys::new(keys, self.settings.kms()?));
        self.consumers.extend(holdfast_projections::projectors(&read, &keys));
        let rebuilder = super::projections::rebuilder(self.settings).await?;
        // Before anybody goes on from there: after a restore the read models may be of a later time than the log.
        rebuilder.mark_what_is_ahead().await.context("read models and log cannot be compared")?;
        self.spawn(|shutdown| rebuilder.keep(shutdown));
        Ok(())
    }

    async fn relay(&mut self) -> anyhow::Result<()> {
        let nats = nats(self.settings, self.settings.nats.relay_nkey_seed.as_ref()).await?;
        self.sealer(nats.clone()).await?;
        let Some(nats) = nats else { return Ok(()) };
        let lazy =
            PoolSettings { max_connections: self.settings.database.connections.relay, commits: Commits::Lazy, ..PoolSettings::default() };
        let pool = connect(self.settings, Side::Write, DatabaseRole::Relay, lazy).await?;
        let log = EventLog::new(pool).with_fresh(self.fresh.clone());
        let settings = SubscriptionSettings { pressure: self.pressure.clone(), ..SubscriptionSettings::default() };
        self.spawn(|shutdown| relay::run(log, nats, settings, shutdown));
        Ok(())
    }

    /// Seals and opens personal data.
    async fn personal(&mut self) -> anyhow::Result<Sealer> {
        if let Some(personal) = &self.personal {
            return Ok(personal.clone());
        }
        let keys = pool(self.settings, Side::Write, DatabaseRole::Writer, SEALING_CONNECTIONS).await?;
        Ok(self.personal.insert(Sealer::new(keys, self.settings.kms()?)).clone())
    }

    /// Seals the logs, also without NATS.
    async fn sealer(&mut self, nats: Option<Nats>) -> anyhow::Result<()> {
        let (key, accepted, sealer) = (self.settings.sealing_key()?, self.settings.seal_keys()?, self.settings.sealer()?);
        let pool = pool(self.settings, Side::Write, DatabaseRole::Relay, 2).await?;
        self.spawn(|shutdown| seal::run(pool, nats, key, accepted, sealer, shutdown));
        Ok(())
    }

    /// All consumers of the process together: they share what is received and read (protocols 6.1).
    async fn subscribe(&mut self, role: DatabaseRole) -> anyhow::Result<()> {
        let consumers = std::mem::take(&mut self.consumers);
        if consumers.is_empty() {
            return Ok(());
        }
        let log = log(self.settings, role, READING_CONNECTIONS).await?.with_fresh(self.fresh.clone());
        let fast_path: Option<Feed> = self.nats.as_ref().map(Nats::feed);
        let settings = SubscriptionSettings { share_tenants: true, pressure: self.pressure.clone(), ..SubscriptionSettings::default() };
        self.spawn(|shutdown| subscription::run(log, fast_path, consumers, settings, shutdown));
        Ok(())
    }

    async fn api(&mut self, log: EventLog, writers: Writers, metrics: Option<PrometheusHandle>) -> anyhow::Result<()> {
        let settings = self.settings;
        let writing = pool(settings, Side::Write, DatabaseRole::Writer, 2).await?;
        let sealer = self.personal().await?;
        // Planning a page anew takes longer than reading it, and such a plan sorts the tenant's rows where an index has their order.
        let by_index =
            PoolSettings { max_connections: settings.database.connections.reader, plans: Plans::GenericByIndex, ..PoolSettings::default() };
        let reading = connect(settings, Side::Read, DatabaseRole::Reader, by_index).await?;
        let listen_url = settings.database.url(Side::Read, DatabaseRole::Reader)?.expose_secret().to_owned();
        let positions = Positions::start(reading.clone(), Some(listen_url), settings.limits.waiting_queries(), self.shutdown.clone());
        let push = Arc::new(Push::new(reading.clone(), positions.clone(), settings.limits.streams(), self.shutdown.clone()));
        let revocations = Revocations::stored(reading.clone(), settings.sessions.policy());
        let files = files(settings)?;
        let oldest_ticket = TimeDelta::seconds(i64::from(settings.files.upload_expires_s) * 2);
        self.spawn(|shutdown| keep_swept(Arc::clone(&files), oldest_ticket, shutdown));
        let nats = self.nats.as_ref().map(|nats| Check::nats(nats.client().clone()));
        let databases = [
            Check::database("write_database", writing.clone()),
            Check::database("read_database", reading.clone()),
            Check::projector_lag(log.clone(), reading.clone()),
            Check::files(Arc::clone(&files)),
        ];
        let auditing = pool(settings, Side::Write, DatabaseRole::Auditor, AUDITING_CONNECTIONS).await?;
        let orders = pool(settings, Side::Read, DatabaseRole::Writer, ORDERING_CONNECTIONS).await?;
        let parts = Parts {
            admin: Some(AdminSide { orders, pool: writing.clone(), log: log.clone() }),
            audit: Some(AuditSide {
                log: EventLog::new(auditing.clone()),
                pool: auditing,
                keys: settings.seal_keys()?,
                writers: writers.clone(),
            }),
            commands: Some(CommandSide {
                writers,
                pool: writing,
                sealer,
                log,
                first_events: Arc::default(),
                payments: Arc::new(NoProvider),
                webhooks: settings.esign.webhook_secrets()?,
                files: Arc::clone(&files),
                tickets: Arc::new(PerActor::per_minute(settings.files.tickets_per_minute)),
            }),
            queries: Some(QuerySide {
                push,
                wallets: ByKey::new(reading.clone()),
                pool: reading,
                positions,
                min_position_wait: Duration::from_millis(settings.limits.min_position_wait_ms),
                files,
            }),
            checks: databases.into_iter().chain(nats).collect(),
            metrics,
        };
        let config = ServerConfig {
            listen: settings.http.listen,
            workers: settings.http.workers,
            cors_origins: settings.http.cors_origins.clone(),
            docs: settings.http.docs,
            profile: settings.profile.as_str().to_owned(),
            keys: token::keyring(settings)?,
            tokens: token::policy(settings),
            revocations,
            request_hash_key: settings.request_hash_key()?,
            in_flight: settings.limits.in_flight(),
        };
        let bound = server::bind(config, parts).with_context(|| format!("cannot listen on {} (http.listen)", settings.http.listen))?;
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move { bound.run(shutdown).await.context("the server cannot go on") });
        Ok(())
    }

    /// Parts that run until the shutdown and cannot fail.
    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, part: impl FnOnce(CancellationToken) -> F) {
        let part = part(self.shutdown.clone());
        self.tasks.spawn(async move {
            part.await;
            Ok(())
        });
    }
}
