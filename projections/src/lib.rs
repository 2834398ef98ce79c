//! The read side: events in, rows out; rows in, answers out.
//!
//! A projection is a name, a version, its tables and pure functions ([`runtime::View`], [`runtime::Facts`]); the
//! runtime does the rest. One folder per context holds its rows (`view.rs`) and the questions asked of them
//! (`queries.rs`). To add one: write the rows, list them in a `projection()`, add that to [`all_projections`], and
//! give the table a migration that ends in `holdfast_protect`. Rules: docs/ARCHITECTURE.md, "The read side".

pub mod asset;
pub mod audit;
pub mod booking;
pub mod contract;
pub mod credits;
pub mod dispute;
pub mod escrow;
pub mod job;
pub mod ledger;
pub mod person;
pub mod personal;
pub mod positions;
pub mod push;
pub mod query;
pub mod rebuild;
pub mod runtime;
pub mod session;
pub mod statement;
pub mod wallet;

use std::sync::Arc;

use holdfast_eventlog::db::Pool;
use holdfast_eventlog::subscription::Consumer;

use crate::personal::Keys;
use crate::runtime::Projection;

/// Every projection of this program.
#[must_use]
pub fn all_projections() -> Vec<Projection> {
    vec![
        escrow::projection(),
        wallet::projection(),
        credits::projection(),
        ledger::projection(),
        audit::projection(),
        job::projection(),
        booking::projection(),
        contract::projection(),
        dispute::projection(),
        asset::projection(),
        person::projection(),
        session::projection(),
    ]
}

/// The consumers that keep all projections up to date, for one shared feed. `pool` is the read database as `holdfast_projector`.
#[must_use]
pub fn projectors(pool: &Pool, keys: &Arc<dyn Keys>) -> Vec<Arc<dyn Consumer>> {
    runtime::convoy(all_projections(), pool, keys)
}

/// Brings the read database to the shape that this program knows: roles, and on both sides (the one that is read, and the
/// shadow that rebuilds fill) tables, policies, grants.
///
/// # Errors
/// When a migration fails or a released one was edited.
pub async fn migrate(pool: &sqlx::PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    let migrations = sqlx::migrate!("../projection-migrations");
    holdfast_eventlog::db::ensure_roles(pool).await?;
    migrations.run(pool).await?;
    sqlx::raw_sql("CREATE SCHEMA IF NOT EXISTS shadow").execute(pool).await?;
    let shadow = (*pool.connect_options()).clone().options([("search_path", "shadow")]);
    let shadow = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(shadow).await?;
    migrations.run(&shadow).await?;
    shadow.close().await;
    sqlx::raw_sql(include_str!("../../projection-migrations/sides.sql")).execute(pool).await?;
    Ok(())
}
