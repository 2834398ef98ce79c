//! What operators ask for, from the command line or over HTTP: on record first, then worked off by the projector's process.

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rebuild::runs::{self, Kind, RunRow};

/// One order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Of the run. Twice the same is the same order (NFR-15).
    pub id: Uuid,
    pub projection: &'static str,
    /// None: all tenants.
    pub tenant: Option<TenantId>,
    pub kind: Kind,
    /// [`Kind::Rebuild`]: go on to the swap, whatever the comparison says.
    pub swap: bool,
    /// [`Kind::Swap`]: the rebuild whose rows are to be read.
    pub of_run: Option<Uuid>,
    pub requested_by: String,
}

impl Order {
    #[must_use]
    pub fn new(projection: &'static str, tenant: Option<TenantId>, kind: Kind, requested_by: &str) -> Self {
        Self { id: Uuid::new_v4(), projection, tenant, kind, swap: false, of_run: None, requested_by: requested_by.to_owned() }
    }

    fn is(&self, run: &RunRow) -> bool {
        (run.projection.as_str(), run.tenant_id, run.kind, run.swap, run.of_run)
            == (self.projection, self.tenant.map(TenantId::uuid), self.kind, self.swap, self.of_run)
    }
}

/// The run that came of an order.
#[derive(Debug, Clone)]
pub struct Ordered {
    pub run: RunRow,
    /// It was ordered before, under the same id.
    pub replayed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("{} {} of this projection has not ended", .0.kind, .0.id)]
    Open(Box<RunRow>),
    #[error("the same id was given to another order")]
    OtherOrder,
    #[error("the read database refused or did not answer")]
    Database(#[from] sqlx::Error),
}

/// Puts the order on record. A pause or its end is done at once; everything else waits for the projector's process.
///
/// A pause keeps the projector from one tenant or from all; what is there stays readable. Its end ([`Kind::Resume`]) also lets
/// the projection try again where it has stopped. `pool`: the read database as `holdfast_writer` or `holdfast_projector`.
///
/// # Errors
/// [`OrderError::Open`] while another run of the projection waits or is at work; [`OrderError::OtherOrder`].
pub async fn order(pool: &Pool, order: &Order) -> Result<Ordered, OrderError> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('holdfast rebuild order ' || $1, 0))")
        .bind(order.projection)
        .execute(&mut *tx)
        .await?;
    if let Some(run) = runs::find(&mut tx, order.id).await? {
        tx.rollback().await?;
        return if order.is(&run) { Ok(Ordered { run, replayed: true }) } else { Err(OrderError::OtherOrder) };
    }
    let done = match order.kind {
        Kind::Pause => Some(pause(&mut tx, order).await?),
        Kind::Resume => Some(resume(&mut tx, order).await?),
        Kind::Rebuild | Kind::Verify | Kind::SwapBack | Kind::Swap | Kind::Try => {
            if let Some(open) = runs::open(&mut tx, Some(order.projection)).await?.pop() {
                tx.rollback().await?;
                return Err(OrderError::Open(Box::new(open)));
            }
            None
        }
    };
    if !insert(&mut tx, order, done).await? {
        tx.rollback().await?;
        return Err(OrderError::OtherOrder);
    }
    let run = runs::find(&mut tx, order.id).await?.ok_or(sqlx::Error::RowNotFound)?;
    tx.commit().await?;
    Ok(Ordered { run, replayed: false })
}

/// `done`: the report of what was done at once.
async fn insert(connection: &mut PgConnection, order: &Order, done: Option<Value>) -> Result<bool, sqlx::Error> {
    let state = if done.is_some() { "done" } else { "requested" };
    let inserted = sqlx::query(
        "INSERT INTO rebuild.projection_runs (id, projection, tenant_id, kind, state, swap, of_run, requested_by, ended_at, diff)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $5 = 'done' THEN clock_timestamp() END, $9) ON CONFLICT DO NOTHING",
    )
    .bind(order.id)
    .bind(order.projection)
    .bind(order.tenant.map(TenantId::uuid))
    .bind(order.kind.as_str())
    .bind(state)
    .bind(order.swap)
    .bind(order.of_run)
    .bind(&order.requested_by)
    .bind(done)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

async fn pause(connection: &mut PgConnection, order: &Order) -> Result<Value, sqlx::Error> {
    let paused =
        sqlx::query("INSERT INTO rebuild.projection_pauses (projection, tenant_id, paused_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(order.projection)
            .bind(order.tenant.map_or(Uuid::nil(), TenantId::uuid))
            .bind(&order.requested_by)
            .execute(connection)
            .await?;
    Ok(json!({ "wasPaused": paused.rows_affected() == 0 }))
}

/// Without a tenant everything goes on, also what was paused one by one.
async fn resume(connection: &mut PgConnection, order: &Order) -> Result<Value, sqlx::Error> {
    let mut taken_back = [0, 0];
    for (count, table) in taken_back.iter_mut().zip(["rebuild.projection_pauses", "public.projection_failures"]) {
        let sql = format!("DELETE FROM {table} WHERE projection = $1 AND ($2::uuid IS NULL OR tenant_id = $2)");
        let tenant = order.tenant.map(TenantId::uuid);
        *count = sqlx::query(&sql).bind(order.projection).bind(tenant).execute(&mut *connection).await?.rows_affected();
    }
    let [pauses, stops] = taken_back;
    Ok(json!({ "pauses": pauses, "stops": stops }))
}
