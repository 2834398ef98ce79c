//! The only way to a database connection (protocols 11).
//!
//! sqlx 0.8.6 can return a connection to its pool inside a transaction when `begin()` is cancelled. Here a connection
//! is marked before `BEGIN` and the mark goes after `COMMIT` or `ROLLBACK`; one that is dropped with the mark is closed.

mod kept;
mod tenant_read;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use metrics::Gauge;
use sqlx::migrate::MigrateError;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection as _, Executor, PgConnection, PgPool, Row};
use tokio_util::sync::CancellationToken;

use crate::port;

pub use kept::Connection;
use kept::{Kept, State};
pub use tenant_read::TenantRead;

/// A bounded number of connections of one role to one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: Inner,
    /// Callers that wait for a connection, for `acquire_timeout` at most.
    waiting: Gauge,
}

#[derive(Debug, Clone)]
enum Inner {
    Postgres(Arc<Kept>),
    /// A stand-in for the server, in the simulation.
    Port(Arc<dyn port::Database>),
}

/// A connection in autocommit, or what stands for it.
pub(crate) enum Autocommit {
    Postgres(Connection),
    Port(Arc<dyn port::Database>),
}

/// Where statements go that run in autocommit and in transactions alike.
pub(crate) enum Session<'a> {
    Postgres(&'a mut PgConnection),
    Port(&'a dyn port::Statements),
}

impl Autocommit {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Postgres(connection) => Session::Postgres(connection),
            Self::Port(port) => Session::Port(&**port),
        }
    }

    /// Its last statement was answered to the end.
    pub(crate) fn answered(&mut self) {
        if let Self::Postgres(connection) = self {
            connection.answered();
        }
    }
}

/// What the sessions of a pool are set to (docs/settings.md). A timeout of zero is none.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    pub max_connections: u32,
    pub application_name: &'static str,
    pub acquire_timeout: Duration,
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    pub idle_in_transaction_timeout: Duration,
    pub idle_session_timeout: Duration,
    pub plans: Plans,
    /// The only schema of names without one; `None`: as the server says. For the shadow side of read models.
    pub search_path: Option<&'static str>,
    /// Ask the server, in the background after each use, that a connection is in no transaction and has no tenant set.
    pub check_on_release: bool,
    pub commits: Commits,
}

/// When a commit is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// When it is on disk, and where the server says so on a standby.
    Durable,
    /// At once. A crash of the server may undo the last of them, in order, none without those after it: for what comes again from the
    /// log when the checkpoint beside it is undone.
    Lazy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// As the server thinks best.
    Automatic,
    /// One plan per prepared statement, by index. For pools that run a few statements of the log (planning one append takes as long as
    /// executing it, and a plan made while tables were empty would keep its sequential scans) and for queries, which all go by index.
    GenericByIndex,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 8,
            application_name: "holdfast",
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(1),
            idle_in_transaction_timeout: Duration::from_secs(5),
            idle_session_timeout: Duration::from_secs(600),
            plans: Plans::Automatic,
            search_path: None,
            check_on_release: true,
            commits: Commits::Durable,
        }
    }
}

impl PoolSettings {
    /// For the pool that an [`EventLog`](crate::EventLog) of writers uses.
    #[must_use]
    pub fn for_log(max_connections: u32) -> Self {
        Self { max_connections, plans: Plans::GenericByIndex, check_on_release: false, ..Self::default() }
    }

    fn apply(&self, options: PgConnectOptions) -> PgConnectOptions {
        let ms = |timeout: Duration| timeout.as_millis().to_string();
        let mut session = vec![
            ("statement_timeout", ms(self.statement_timeout)),
            ("lock_timeout", ms(self.lock_timeout)),
            ("idle_in_transaction_session_timeout", ms(self.idle_in_transaction_timeout)),
            ("idle_session_timeout", ms(self.idle_session_timeout)),
            ("client_connection_check_interval", "2000".to_owned()),
            // sqlx cannot set these on its own end; on the server's they free the locks of a lost client.
            ("tcp_keepalives_idle", "5".to_owned()),
            ("tcp_keepalives_interval", "2".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "10000".to_owned()),
            ("TimeZone", "UTC".to_owned()),
        ];
        if let Some(schema) = self.search_path {
            session.push(("search_path", schema.to_owned()));
        }
        if self.commits == Commits::Lazy {
            session.push(("synchronous_commit", "off".to_owned()));
        }
        if self.plans == Plans::GenericByIndex {
            for planner in ["enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"] {
                session.push((planner, "off".to_owned()));
            }
            session.push(("plan_cache_mode", "force_generic_plan".to_owned()));
        }
        options.application_name(self.application_name).options(session)
    }
}

/// An open transaction. Dropped before `commit` or `rollback` has ended, its connection is closed.
#[derive(Debug)]
pub struct Tx {
    inner: TxInner,
}

#[derive(Debug)]
enum TxInner {
    Postgres(Connection),
    Port(Box<dyn port::Transaction>),
    Ended,
}

impl Pool {
    /// Connects once, so that a wrong address or password is known at once.
    ///
    /// # Errors
    /// When the address is malformed or the server does not let us in.
    pub async fn connect(url: &str, settings: PoolSettings) -> Result<Self, sqlx::Error> {
        let (places, patience) = (settings.max_connections, settings.acquire_timeout);
        let history = Arc::new(History::default());
        let mut pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .idle_timeout(settings.idle_session_timeout / 2)
            .test_before_acquire(false) // `before_acquire` does it for those that were idle
            .before_acquire(check_after_idling)
            .after_connect(move |connection, _| {
                let history = Arc::clone(&history);
                Box::pin(async move { history.must_be_the_same(connection).await })
            });
        if settings.check_on_release {
            pool = pool.after_release(check);
        }
        let inner = pool.connect_with(settings.apply(url.parse()?)).await?;
        let waiting = metrics::gauge!("holdfast_pool_waiting", "pool" => settings.application_name);
        Ok(Self { inner: Inner::Postgres(Kept::new(inner, places, patience)), waiting })
    }

    /// A pool over a stand-in, which answers the statements of [`port::Database`] and no others.
    #[must_use]
    pub fn over(port: Arc<dyn port::Database>) -> Self {
        Self { inner: Inner::Port(port), waiting: Gauge::noop() }
    }

    /// The stand-in, if that is what this pool reaches.
    #[must_use]
    pub fn port(&self) -> Option<&dyn port::Database> {
        match &self.inner {
            Inner::Postgres(_) => None,
            Inner::Port(port) => Some(&**port),
        }
    }

    fn postgres(&self) -> Result<&Arc<Kept>, sqlx::Error> {
        match &self.inner {
            Inner::Postgres(kept) => Ok(kept),
            Inner::Port(_) => Err(sqlx::Error::Configuration("a stand-in knows no such statement".into())),
        }
    }

    pub(crate) async fn autocommit(&self) -> Result<Autocommit, sqlx::Error> {
        match &self.inner {
            Inner::Postgres(_) => Ok(Autocommit::Postgres(self.acquire().await?)),
            Inner::Port(port) => Ok(Autocommit::Port(Arc::clone(port))),
        }
    }

    /// A connection for single statements in autocommit.
    ///
    /// # Errors
    /// When none is free in time or the server does not let us in.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        let _until_had = Waiting::new(&self.waiting);
        let kept = self.postgres()?;
        kept.lend(kept.place().await?).await
    }

    /// # Errors
    /// When no connection is free in time or the server does not answer.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        if let Some(port) = self.port() {
            return Ok(Tx { inner: TxInner::Port(port.begin().await?) });
        }
        self.begin_with("BEGIN").await
    }

    /// `sql` begins the transaction and may go on in it; it is sent as it is, in one round trip.
    ///
    /// # Errors
    /// When no connection is free in time or the server refuses the statement.
    pub async fn begin_with(&self, sql: &str) -> Result<Tx, sqlx::Error> {
        Tx::begin(self.acquire().await?, sql).await
    }

    /// A read-only transaction that sees one tenant's rows.
    ///
    /// # Errors
    /// When no connection is free in time or the server does not answer.
    pub async fn begin_tenant_read(&self, tenant_id: TenantId) -> Result<Tx, sqlx::Error> {
        self.begin_with(&format!("BEGIN READ ONLY; SET LOCAL app.tenant_id = '{}'", tenant_id.uuid())).await
    }

    /// A session of its own, outside the pool, that is never ended for being idle: to hold a lock.
    ///
    /// # Errors
    /// When the server does not let us in.
    pub async fn session(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.lasting()?).await
    }

    /// A session of its own, outside the pool, that is never ended for being idle: to wait for notifications.
    pub(crate) async fn listener(&self) -> Result<PgListener, sqlx::Error> {
        let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).connect_with(self.lasting()?).await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.eager_reconnect(false); // a lost connection is reported, not hidden
        Ok(listener)
    }

    fn lasting(&self) -> Result<PgConnectOptions, sqlx::Error> {
        Ok((*self.postgres()?.pool.connect_options()).clone().options([("idle_session_timeout", "0")]))
    }

    pub async fn close(&self) {
        if let Inner::Postgres(kept) = &self.inner {
            kept.close().await;
        }
    }
}

/// Counts one who waits for a connection.
struct Waiting<'a>(&'a Gauge);

impl<'a> Waiting<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Tx {
    async fn begin(mut connection: Connection, sql: &str) -> Result<Self, sqlx::Error> {
        connection.state = State::InTransaction; // before it is
        let mut tx = Self { inner: TxInner::Postgres(connection) };
        tx.execute(sqlx::raw_sql(sql)).await?;
        Ok(tx)
    }

    /// # Errors
    /// When the answer was lost (the outcome is then unknown), the server refused, or a statement of the transaction failed.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        // After a failed statement `COMMIT` alone rolls back and reports success; the empty select fails.
        if let Some(port) = self.take_port() {
            return port.commit().await;
        }
        self.end("SELECT; COMMIT").await
    }

    /// # Errors
    /// When the server does not answer; the transaction is undone all the same.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        if let Some(port) = self.take_port() {
            return port.rollback().await;
        }
        self.end("ROLLBACK").await
    }

    async fn end(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.execute(sqlx::raw_sql(sql)).await?;
        if let TxInner::Postgres(connection) = &mut self.inner {
            connection.state = State::Clean;
        }
        Ok(())
    }

    /// The transaction of a stand-in, if this is one.
    #[must_use]
    pub fn port(&self) -> Option<&dyn port::Transaction> {
        match &self.inner {
            TxInner::Port(port) => Some(&**port),
            TxInner::Postgres(_) | TxInner::Ended => None,
        }
    }

    fn take_port(&mut self) -> Option<Box<dyn port::Transaction>> {
        if !matches!(self.inner, TxInner::Port(_)) {
            return None;
        }
        match std::mem::replace(&mut self.inner, TxInner::Ended) {
            TxInner::Port(port) => Some(port),
            TxInner::Postgres(_) | TxInner::Ended => None,
        }
    }

    pub(crate) fn session(&mut self) -> Session<'_> {
        if matches!(self.inner, TxInner::Postgres(_)) {
            return Session::Postgres(self);
        }
        match &self.inner {
            TxInner::Port(port) => Session::Port(&**port),
            TxInner::Postgres(_) | TxInner::Ended => unreachable!("{NO_CONNECTION}"),
        }
    }
}

/// A statement that is not one of the port's may not reach a stand-in: that is a mistake of the simulation.
const NO_CONNECTION: &str = "a stand-in has no connection to Postgres";

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        match &self.inner {
            TxInner::Postgres(connection) => connection,
            TxInner::Port(_) | TxInner::Ended => unreachable!("{NO_CONNECTION}"),
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut self.inner {
            TxInner::Postgres(connection) => connection,
            TxInner::Port(_) | TxInner::Ended => unreachable!("{NO_CONNECTION}"),
        }
    }
}

impl AsMut<PgConnection> for Tx {
    fn as_mut(&mut self) -> &mut PgConnection {
        self
    }
}

/// Cancelled when a pool of this process has met another history than the one that it began with.
static REPLACED: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// Returns when a database of this process has been replaced: by a promoted standby, by a restored backup. What the process
/// remembers may then never have happened, and its pools let no statement through: it has to end and start afresh.
pub async fn replaced() {
    REPLACED.cancelled().await;
}

/// Which course of history a server is on, as first met. Promotions and restores to a point begin a new timeline.
#[derive(Debug, Default)]
struct History(OnceLock<String>);

/// None on a standby, which refuses writes anyway.
const HISTORY: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL
    ELSE (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

impl History {
    /// Asked of every new connection: all that were open have ended when the server was replaced.
    async fn must_be_the_same(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let now: Option<String> = match sqlx::query_scalar(HISTORY).persistent(false).fetch_one(connection).await {
            Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some("42501") => {
                tracing::warn!("this role may not ask for the server's timeline: a replaced server is not noticed");
                None
            }
            answer => answer?,
        };
        let Some(now) = now else { return Ok(()) };
        let first = self.0.get_or_init(|| now.clone());
        if *first == now {
            return Ok(());
        }
        if !REPLACED.is_cancelled() {
            tracing::error!(was = first, now, "a server has taken the place of the one that this process began with: the process ends");
        }
        REPLACED.cancel();
        Err(sqlx::Error::Configuration("the database server is on another timeline than before".into()))
    }
}

fn check_after_idling(connection: &mut PgConnection, metadata: PoolConnectionMetadata) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    if metadata.idle_for < Duration::from_secs(1) {
        return Box::pin(std::future::ready(Ok(true)));
    }
    check(connection, metadata)
}

/// True when the session is in no transaction and has no tenant set; a simple query, whose own transaction began with it.
fn check(connection: &mut PgConnection, _: PoolConnectionMetadata) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async move {
        let clean = "SELECT now() = statement_timestamp() AND coalesce(current_setting('app.tenant_id', true), '') = ''";
        let row = connection.fetch_one(sqlx::raw_sql(clean)).await?;
        row.try_get(0)
    })
}

/// Makes the roles of both databases where they are missing. Safe to run in several places at once.
///
/// # Errors
/// When the session may not make roles.
pub async fn ensure_roles(pool: &PgPool) -> Result<(), sqlx::Error> {
    pool.execute(sqlx::raw_sql(include_str!("../../eventstore-migrations/roles.sql"))).await?;
    Ok(())
}

/// Brings the write database to the shape that this program knows: roles, tables, policies, grants.
///
/// # Errors
/// When a migration fails or a released one was edited.
pub async fn migrate_write(pool: &PgPool) -> Result<(), MigrateError> {
    ensure_roles(pool).await?;
    sqlx::migrate!("../eventstore-migrations").run(pool).await
}
