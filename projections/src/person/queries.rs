//! Questions about erasures.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::person::PROJECTION;
use crate::query::{QueryError, Read, Reading};

/// That a person's keys were destroyed, so that nothing sealed for them can be opened again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    pub tenant_id: Uuid,
    pub subject: Uuid,
    /// `erased`: asked for; `keys_destroyed`: done.
    pub status: String,
    pub requested_by: Uuid,
    /// `person_request`, `retention_ended`, `legal_order` or `not_a_person`.
    pub reason: String,
    pub erased_event_id: Uuid,
    pub erased_position: i64,
    pub erased_at: DateTime<Utc>,
    /// How many keys were destroyed; this and what follows is null until they are.
    pub keys: Option<i32>,
    pub keys_destroyed_event_id: Option<Uuid>,
    pub keys_destroyed_position: Option<i64>,
    pub keys_destroyed_at: Option<DateTime<Utc>>,
}

/// None when the tenant has erased nobody of this id.
///
/// # Errors
/// When the database does not answer.
pub async fn certificate(pool: &Pool, tenant_id: TenantId, subject: PartyId) -> Result<Read<Option<CertificateView>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let sql = "SELECT tenant_id, subject, CASE WHEN destroyed_position IS NULL THEN 'erased' ELSE 'keys_destroyed' END AS status,
                      requested_by, reason, erased_event_id, erased_position, erased_at, keys,
                      destroyed_event_id AS keys_destroyed_event_id, destroyed_position AS keys_destroyed_position,
                      destroyed_at AS keys_destroyed_at
               FROM erasures WHERE tenant_id = $1 AND subject = $2";
    let found = sqlx::query_as(sql).bind(tenant_id.uuid()).bind(subject.uuid()).fetch_optional(reading.connection()).await?;
    reading.end(found).await
}
