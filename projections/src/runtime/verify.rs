//! Is a read model what a fresh rebuild from the log would make it, row for row (invariant 5)?

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::subscription::FeedEvent;
use holdfast_eventlog::{EventLog, LogError};

use crate::personal::{Keys, KeysError, Opened};
use crate::runtime::{ApplyError, Event, Projection};

/// What comparing one table of one tenant found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableCheck {
    pub projection: &'static str,
    pub table: &'static str,
    /// The position at which both were compared.
    pub position: i64,
    /// In the rebuild.
    pub rows: i64,
    /// Missing, left over or other than rebuilt.
    pub different: i64,
    /// Keys of the first of them.
    pub keys: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    #[error("the log ends at {found}, before the checkpoint {checkpoint}")]
    LogTooShort { checkpoint: i64, found: i64 },
    #[error("personal values cannot be opened")]
    Keys(#[from] KeysError),
    #[error("an event does not fit the projection")]
    Apply(#[from] ApplyError),
    #[error("the read database did not answer")]
    Database(#[from] sqlx::Error),
}

/// Folds the tenant's log up to the projection's checkpoint and compares. Writes nothing.
///
/// `pool`: the read database as `holdfast_projector`. Holds the tenant's events in memory.
///
/// # Errors
/// When something cannot be read; differences are not errors.
pub async fn verify(
    projection: &Projection,
    pool: &Pool,
    log: &EventLog,
    keys: &dyn Keys,
    tenant_id: TenantId,
) -> Result<Vec<TableCheck>, VerifyError> {
    const NAMED: i64 = 5;
    // Checkpoint and rows from one snapshot: the projector may go on meanwhile.
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    let checkpoint: Option<i64> =
        sqlx::query_scalar("SELECT position FROM projection_checkpoints WHERE tenant_id = $1 AND projection = $2")
            .bind(tenant_id.uuid())
            .bind(projection.name())
            .fetch_optional(&mut *tx)
            .await?;
    let position = checkpoint.unwrap_or_default();
    let events = read_through(log, tenant_id, position).await?;
    let recorded = events.iter().map(|event| event.recorded().map_err(|_| ApplyError::Unreadable)).collect::<Result<Vec<_>, _>>()?;
    let opened = Opened::of_batch(keys, tenant_id, &recorded).await?;
    let events: Vec<Event<'_>> = recorded.into_iter().map(|recorded| Event::new(recorded, &opened)).collect();
    let mut checks = Vec::new();
    for (table, rows) in projection.rebuild(&events)? {
        let (rows, different, keys) =
            sqlx::query_as(&table.compare()).bind(tenant_id.uuid()).bind(rows).bind(NAMED).fetch_one(&mut *tx).await?;
        checks.push(TableCheck { projection: projection.name(), table: table.name, position, rows, different, keys });
    }
    tx.commit().await?;
    Ok(checks)
}

async fn read_through(log: &EventLog, tenant_id: TenantId, position: i64) -> Result<Vec<FeedEvent>, VerifyError> {
    const PAGE: i64 = 1000;
    let mut events = Vec::<FeedEvent>::new();
    loop {
        let found = events.last().map_or(0, |event| event.position);
        let wanted = (position - found).min(PAGE);
        if wanted == 0 {
            return Ok(events);
        }
        let page = log.read(tenant_id, found, wanted).await?;
        if page.is_empty() {
            return Err(VerifyError::LogTooShort { checkpoint: position, found });
        }
        events.extend(page.into_iter().map(FeedEvent::new));
    }
}
