//! Steps that were refused: put aside with their reason until an admin asks for another attempt.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{CorrelationId, EventId, TenantId, derived_uuid};
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::port::DeadLetterRow;
use serde::Serialize;
use uuid::Uuid;

use crate::request::Refusal;

/// A refused step.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub reaction: String,
    pub step: String,
    pub event_position: i64,
    pub event_id: Uuid,
    pub correlation_id: Uuid,
    pub attempt: i32,
    pub reason: serde_json::Value,
    pub created_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
}

impl From<DeadLetterRow> for DeadLetter {
    fn from(row: DeadLetterRow) -> Self {
        let DeadLetterRow { id, tenant_id, reaction, step, event_position, event_id, correlation_id, attempt, reason } = row;
        let created_at = DateTime::UNIX_EPOCH; // nobody reads it there
        Self { id, tenant_id, reaction, step, event_position, event_id, correlation_id, attempt, reason, created_at, resolved_at: None }
    }
}

const COLUMNS: &str = "id, tenant_id, reaction, step, event_position, event_id, correlation_id, attempt, reason, created_at, resolved_at";

/// Which of them.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    pub tenant_id: Option<TenantId>,
    pub reaction: Option<String>,
    /// Those that were resolved, instead of those that wait.
    pub resolved: bool,
}

/// Oldest first; `after`: when the last one before was put aside, and its id. `pool`: as `holdfast_writer` or `holdfast_reactor`.
///
/// # Errors
/// When the write database does not answer.
pub async fn dead_letters(
    pool: &Pool,
    filter: &DeadLetterFilter,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let (at, id) = after.unzip();
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters
         WHERE (resolved_at IS NOT NULL) = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND ($3::text IS NULL OR reaction = $3)
           AND ($4::timestamptz IS NULL OR (created_at, id) > ($4, $5))
         ORDER BY created_at, id LIMIT $6"
    );
    sqlx::query_as(&sql)
        .bind(filter.resolved)
        .bind(filter.tenant_id.map(TenantId::uuid))
        .bind(&filter.reaction)
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(&mut *pool.acquire().await?)
        .await
}

/// Whatever became of it; its id says nothing about its tenant. `pool`: as for [`dead_letters`].
///
/// # Errors
/// When the write database does not answer.
pub async fn find_dead_letter(pool: &Pool, id: Uuid) -> Result<Option<DeadLetter>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE id = $1");
    sqlx::query_as(&sql).bind(id).fetch_optional(&mut *pool.acquire().await?).await
}

/// What the reactor found out about one step.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reaction: &'static str,
    pub(crate) step: String,
    pub(crate) event_position: i64,
    pub(crate) event_id: EventId,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) attempt: i32,
    pub(crate) refusal: Refusal,
}

pub(crate) async fn find(pool: &Pool, tenant_id: TenantId, id: Uuid) -> Result<Option<DeadLetter>, sqlx::Error> {
    if let Some(port) = pool.port() {
        return Ok(port.unresolved_letter(tenant_id, id).await?.map(DeadLetter::from));
    }
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE tenant_id = $1 AND id = $2 AND resolved_at IS NULL");
    sqlx::query_as(&sql).bind(tenant_id.uuid()).bind(id).fetch_optional(&mut *pool.acquire().await?).await
}

pub(crate) async fn insert(tx: &mut Tx, tenant_id: TenantId, refused: &Refused) -> Result<(), sqlx::Error> {
    let id = derived_uuid(
        tenant_id,
        refused.event_id.uuid(),
        &format!("{}/{}", refused.reaction, refused.step),
        u64::from(refused.attempt.unsigned_abs()),
    );
    let reason = if let Refusal::Rejected { rejection, .. } = &refused.refusal {
        serde_json::to_value(rejection).unwrap_or_default()
    } else {
        serde_json::json!({ "message": refused.refusal.to_string() })
    };
    tracing::error!(tenant = %tenant_id, reaction = refused.reaction, step = refused.step, event = %refused.event_id, %reason, "a reaction's step was refused");
    metrics::counter!("holdfast_dead_letters_total", "reaction" => refused.reaction).increment(1);
    if let Some(port) = tx.port() {
        let letter = DeadLetterRow {
            id,
            tenant_id: tenant_id.uuid(),
            reaction: refused.reaction.to_owned(),
            step: refused.step.clone(),
            event_position: refused.event_position,
            event_id: refused.event_id.uuid(),
            correlation_id: refused.correlation_id.uuid(),
            attempt: refused.attempt,
            reason,
        };
        return port.insert_letter(letter).await;
    }
    sqlx::query(
        "INSERT INTO dead_letters (id, tenant_id, reaction, step, event_position, event_id, correlation_id, attempt, reason, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now()) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(tenant_id.uuid())
    .bind(refused.reaction)
    .bind(&refused.step)
    .bind(refused.event_position)
    .bind(refused.event_id.uuid())
    .bind(refused.correlation_id.uuid())
    .bind(refused.attempt)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn resolve(tx: &mut Tx, tenant_id: TenantId, id: Uuid) -> Result<(), sqlx::Error> {
    if let Some(port) = tx.port() {
        return port.resolve_letter(tenant_id, id).await;
    }
    sqlx::query("UPDATE dead_letters SET resolved_at = now() WHERE tenant_id = $1 AND id = $2")
        .bind(tenant_id.uuid())
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
