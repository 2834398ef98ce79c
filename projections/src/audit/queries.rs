//! Questions about the audit log.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::audit::PROJECTION;
use crate::query::{List, Page, QueryError, Read, Reading};

#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub actor_id: Option<PartyId>,
    /// The event's name (`escrow.released`).
    pub action: Option<String>,
    pub entity_type: Option<String>,
    pub entity_id: Option<Uuid>,
    /// Recorded at or after.
    pub from: Option<DateTime<Utc>>,
    /// Recorded before.
    pub to: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    pub position: i64,
    pub event_id: Uuid,
    /// The event's name (`escrow.released`).
    pub action: String,
    pub entity_type: String,
    pub entity_id: Uuid,
    /// The entity's version with this event.
    pub sequence: i64,
    pub actor_id: Uuid,
    /// `user` or `system`.
    pub actor_kind: String,
    /// The roles that the actor had then.
    #[schema(value_type = Vec<String>)]
    pub actor_roles: Json<Vec<String>>,
    pub request_id: Uuid,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    /// `{"before": .., "after": ..}` where the event says so.
    #[schema(value_type = Option<Object>)]
    pub change: Option<Json<serde_json::Value>>,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

pub(crate) const AUDIT_COLUMNS: &str = "position, event_id, action, entity_type, entity_id, sequence, actor_id, actor_kind, actor_roles,
    request_id, correlation_id, causation_id, change, occurred_at, recorded_at";

/// Newest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(pool: &Pool, tenant_id: TenantId, filter: &AuditFilter, page: &Page) -> Result<Read<List<AuditEntry>>, QueryError> {
    const SORT: &str = "audit";
    let after: Option<i64> = page.after(SORT)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let mut sql = QueryBuilder::<Postgres>::new(format!("SELECT {AUDIT_COLUMNS} FROM audit_log WHERE tenant_id = "));
    sql.push_bind(tenant_id.uuid());
    if let Some(position) = after {
        sql.push(" AND position < ").push_bind(position);
    }
    if let Some(actor_id) = filter.actor_id {
        sql.push(" AND actor_id = ").push_bind(actor_id.uuid());
    }
    if let Some(action) = &filter.action {
        sql.push(" AND action = ").push_bind(action);
    }
    if let Some(entity_type) = &filter.entity_type {
        sql.push(" AND entity_type = ").push_bind(entity_type);
    }
    if let Some(entity_id) = filter.entity_id {
        sql.push(" AND entity_id = ").push_bind(entity_id);
    }
    if let Some(from) = filter.from {
        sql.push(" AND recorded_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND recorded_at < ").push_bind(to);
    }
    sql.push(" ORDER BY position DESC LIMIT ").push_bind(page.fetch());
    let rows: Vec<AuditEntry> = sql.build_query_as().fetch_all(reading.connection()).await?;
    reading.end(page.list(SORT, rows, |row| row.position)?).await
}
