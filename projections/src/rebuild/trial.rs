//! What the present code would make of the event at which a projection has stopped. Nothing is kept.

use holdfast_domain::kernel::TenantId;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::PgConnection;

use crate::personal::Opened;
use crate::rebuild::{RebuildError, Rebuilder, projection};
use crate::runtime::{ApplyError, Event, FoldError, Projection, Stretch, Table, Writes, failures, reason};

/// Columns with what people have written or are called: not for operators' eyes.
const PERSONAL: [&str; 2] = ["texts", "personal"];

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    pub tenant_id: TenantId,
    pub position: i64,
    pub event_type: String,
    /// Why it does not fit; none when it does.
    pub error: Option<String>,
    pub changes: Vec<RowChange>,
}

/// A row that the event would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowChange {
    pub table: &'static str,
    /// None: it is new.
    pub before: Option<Map<String, Value>>,
    pub after: Map<String, Value>,
}

impl Rebuilder {
    /// Folds the event in a transaction that is rolled back.
    ///
    /// # Errors
    /// [`RebuildError::NotStopped`]; when something cannot be read. That the event does not fit is no error.
    pub async fn attempt(&self, name: &str, tenant_id: TenantId) -> Result<Trial, RebuildError> {
        let projection = projection(name)?;
        let stopped = failures(&self.live).await?;
        let stopped = stopped
            .iter()
            .find(|failure| failure.tenant_id == tenant_id && failure.projection == projection.name())
            .ok_or(RebuildError::NotStopped(projection.name()))?;
        let position = stopped.position;
        let stored = self.log.read(tenant_id, position - 1, 1).await?.into_iter().find(|event| event.position == position);
        let stored = stored.ok_or(RebuildError::Gap { tenant_id, position })?;
        let mut trial = Trial { tenant_id, position, event_type: stored.event_type.clone(), error: None, changes: Vec::new() };
        let Ok(recorded) = stored.decode() else {
            trial.error = Some(ApplyError::Unreadable.to_string());
            return Ok(trial);
        };
        let opened = Opened::open_all(self.keys.as_ref(), tenant_id, &recorded.event.personal()).await?;
        let event = Event::new(&recorded, &opened);
        let mut tx = self.live.begin().await?;
        // Nobody else may write this tenant's rows meanwhile.
        sqlx::query("SELECT FROM projection_checkpoints WHERE tenant_id = $1 AND projection = $2 FOR UPDATE")
            .bind(tenant_id.uuid())
            .bind(projection.name())
            .execute(&mut *tx)
            .await?;
        match fold(&projection, &mut tx, tenant_id, event).await {
            Ok(()) => trial.changes = self.changes(&mut tx, &projection, tenant_id).await?,
            Err(error) => trial.error = Some(reason(&error)),
        }
        tx.rollback().await?;
        Ok(trial)
    }

    async fn changes(&self, tx: &mut PgConnection, projection: &Projection, tenant_id: TenantId) -> Result<Vec<RowChange>, RebuildError> {
        let mut changes = Vec::new();
        let mut outside = self.live.acquire().await?; // sees the rows as they are without the event
        for table in projection.tables() {
            let written: Vec<String> = sqlx::query_scalar(&table.select_written()).bind(tenant_id.uuid()).fetch_all(&mut *tx).await?;
            for row in written {
                let before: Option<String> = sqlx::query_scalar(&table.select_same_keys())
                    .bind(tenant_id.uuid())
                    .bind(format!("[{row}]"))
                    .fetch_optional(&mut *outside)
                    .await?;
                let before = before.map(|row| covered(&row)).transpose()?;
                changes.push(RowChange { table: name(&table), before, after: covered(&row)? });
            }
        }
        Ok(changes)
    }
}

fn name(table: &Table) -> &'static str {
    table.name
}

fn covered(row: &str) -> Result<Map<String, Value>, serde_json::Error> {
    let mut row: Map<String, Value> = serde_json::from_str(row)?;
    for column in PERSONAL {
        if let Some(value) = row.get_mut(column) {
            *value = Value::from("(personal)");
        }
    }
    Ok(row)
}

async fn fold(projection: &Projection, connection: &mut PgConnection, tenant_id: TenantId, event: Event<'_>) -> Result<(), FoldError> {
    let mut writes = Writes::default();
    projection.fold(connection, tenant_id, &[event], Stretch::new(), &mut writes).await?;
    Ok(writes.run(connection, tenant_id).await?)
}
