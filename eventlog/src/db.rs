//! The only way to a database connection (protocols 11).
//!
//! sqlx 0.8.6 can return a connection to its pool inside a transaction when `begin()` is cancelled. Here a connection
//! is marked before `BEGIN` and the mark goes after `COMMIT` or `ROLLBACK`; one that is dropped with the mark is closed.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use holdfast_domain::kernel::TenantId;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgConnection, PgPool, Postgres};

/// For single statements, each its own transaction.
pub type Connection = PoolConnection<Postgres>;

/// A bounded number of connections of one role to one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: PgPool,
}

/// What the sessions of a pool are set to (design: settings.md). A timeout of zero is none.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    pub max_connections: u32,
    pub application_name: &'static str,
    pub acquire_timeout: Duration,
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    pub idle_in_transaction_timeout: Duration,
    pub idle_session_timeout: Duration,
    /// Ask the server, in the background after each use, that a connection is in no transaction and has no tenant set.
    pub check_on_release: bool,
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
            check_on_release: true,
        }
    }
}

/// An open transaction. Dropped before `commit` or `rollback` has ended, its connection is closed.
#[derive(Debug)]
pub struct Tx {
    connection: Connection,
    open: bool,
}

impl Pool {
    /// Connects once, so that a wrong address or password is known at once.
    ///
    /// # Errors
    /// When the address is malformed or the server does not let us in.
    pub async fn connect(url: &str, settings: PoolSettings) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.parse()?;
        let inner = PgPoolOptions::new().max_connections(settings.max_connections).connect_with(options).await?;
        Ok(Self { inner })
    }

    /// A connection for single statements in autocommit.
    ///
    /// # Errors
    /// When none is free in time or the server does not let us in.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        self.inner.acquire().await
    }

    /// # Errors
    /// When no connection is free in time or the server does not answer.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        self.begin_with("BEGIN").await
    }

    /// `sql` begins the transaction and may go on in it; it is sent as it is, in one round trip.
    ///
    /// # Errors
    /// When no connection is free in time or the server refuses the statement.
    pub async fn begin_with(&self, sql: &str) -> Result<Tx, sqlx::Error> {
        let mut tx = Tx { connection: self.inner.acquire().await?, open: true };
        tx.execute(sqlx::raw_sql(sql)).await?;
        Ok(tx)
    }

    /// A read-only transaction that sees one tenant's rows.
    ///
    /// # Errors
    /// When no connection is free in time or the server does not answer.
    pub async fn begin_tenant_read(&self, tenant_id: TenantId) -> Result<Tx, sqlx::Error> {
        self.begin_with(&format!("BEGIN READ ONLY; SET LOCAL app.tenant_id = '{}'", tenant_id.uuid())).await
    }

    pub async fn close(&self) {
        self.inner.close().await;
    }
}

impl Tx {
    /// # Errors
    /// When the answer was lost (the outcome is then unknown) or the server refused.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::raw_sql("COMMIT")).await?;
        self.open = false;
        Ok(())
    }

    /// # Errors
    /// When the server does not answer; the transaction is undone all the same.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl AsMut<PgConnection> for Tx {
    fn as_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Brings the write database to the shape that this program knows: roles, tables, policies, grants.
///
/// # Errors
/// When a migration fails or a released one was edited.
pub async fn migrate_write(_pool: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    todo!()
}
