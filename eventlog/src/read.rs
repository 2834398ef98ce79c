//! Reading the log: by position, by stream, and where the heads stand.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use holdfast_domain::event::{AGGREGATE_TYPES, aggregate_type};
use holdfast_domain::kernel::TenantId;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::json::json_text;
use crate::types::{StoredEvent, StreamId, UnreadableEvent};
use crate::{EventLog, LogError};

impl EventLog {
    /// Up to `limit` events from `after + 1` on, in position order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self, tenant_id: TenantId, after: i64, limit: i64) -> Result<Vec<StoredEvent>, LogError> {
        if let Some(port) = self.pool.port() {
            return Ok(port.read(tenant_id, after, limit).await?);
        }
        let mut connection = self.pool.acquire().await?;
        let rows = sqlx::query(
            "SELECT tenant_id, position, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, recorded_at
             FROM events WHERE tenant_id = $1 AND position > $2 ORDER BY tenant_id, position LIMIT $3",
        )
        .bind(tenant_id.uuid())
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
        connection.answered();
        Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
    }

    /// Up to `limit` events of the stream from `after_sequence + 1` on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_stream(&self, stream: StreamId, after_sequence: i64, limit: i64) -> Result<Vec<StoredEvent>, LogError> {
        let mut connection = self.pool.acquire().await?;
        let rows = sqlx::query(
            "SELECT tenant_id, position, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, recorded_at
             FROM events WHERE tenant_id = $1 AND aggregate_type = $2 AND aggregate_id = $3 AND sequence > $4
             ORDER BY tenant_id, aggregate_type, aggregate_id, sequence LIMIT $5",
        )
        .bind(stream.tenant_id.uuid())
        .bind(stream.aggregate_type)
        .bind(stream.aggregate_id)
        .bind(after_sequence)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
        Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
    }

    /// The streams that events in `after + 1 ..= through` belong to.
    ///
    /// # Errors
    /// When the database does not answer, or holds an aggregate type that this program does not know.
    pub async fn touched(&self, tenant_id: TenantId, after: i64, through: i64) -> Result<Vec<StreamId>, LogError> {
        if let Some(port) = self.pool.port() {
            return Ok(port.touched(tenant_id, after, through).await?);
        }
        let mut connection = self.pool.acquire().await?;
        let rows: Vec<(String, Uuid)> = sqlx::query_as(
            "SELECT DISTINCT aggregate_type, aggregate_id FROM events WHERE tenant_id = $1 AND position > $2 AND position <= $3",
        )
        .bind(tenant_id.uuid())
        .bind(after)
        .bind(through)
        .fetch_all(&mut *connection)
        .await?;
        let stream = |(stored, aggregate_id): (String, Uuid)| {
            let aggregate_type = aggregate_type(&stored).map_err(UnreadableEvent::Payload)?;
            Ok(StreamId { tenant_id, aggregate_type, aggregate_id })
        };
        rows.into_iter().map(stream).collect()
    }

    /// The last position in `least ..= most` that was recorded before `time`, else `least`. A tenant's times never fall, so
    /// a few single rows tell.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn position_before(&self, tenant_id: TenantId, time: DateTime<Utc>, least: i64, most: i64) -> Result<i64, LogError> {
        let (mut before, mut not_before) = (least, most + 1);
        while not_before - before > 1 {
            let middle = before + (not_before - before) / 2;
            let recorded_at = self.recorded_at(tenant_id, middle).await?;
            if recorded_at.is_some_and(|recorded_at| recorded_at < time) {
                before = middle;
            } else {
                not_before = middle;
            }
        }
        Ok(before)
    }

    async fn recorded_at(&self, tenant_id: TenantId, position: i64) -> Result<Option<DateTime<Utc>>, LogError> {
        if let Some(port) = self.pool.port() {
            return Ok(port.recorded_at(tenant_id, position).await?);
        }
        let recorded_at = sqlx::query_scalar("SELECT recorded_at FROM events WHERE tenant_id = $1 AND position = $2")
            .bind(tenant_id.uuid())
            .bind(position)
            .fetch_optional(&mut *self.pool.acquire().await?)
            .await?;
        Ok(recorded_at)
    }

    /// How far a subscription that keeps its checkpoints in this database has come, per tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn checkpoints(&self, subscription: &str) -> Result<HashMap<TenantId, i64>, sqlx::Error> {
        if let Some(port) = self.pool.port() {
            return port.checkpoints(subscription).await;
        }
        let rows: Vec<(Uuid, i64)> = sqlx::query_as("SELECT tenant_id, position FROM subscription_checkpoints WHERE subscription = $1")
            .bind(subscription)
            .fetch_all(&mut *self.pool.acquire().await?)
            .await?;
        Ok(rows.into_iter().map(|(tenant_id, position)| (TenantId(tenant_id), position)).collect())
    }

    /// Moves a subscription's checkpoint, for a batch that leaves nothing else to store; together with others that are to be moved at the
    /// same time. False: it was not at `from`, and stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn move_checkpoint(&self, subscription: &str, tenant_id: TenantId, from: i64, to: i64) -> Result<bool, sqlx::Error> {
        if let Some(port) = self.pool.port() {
            return port.move_checkpoint_from(subscription, tenant_id, from, to).await;
        }
        self.moves.make(&self.pool, subscription, tenant_id, from, to).await
    }

    /// Position and time of the last append of every tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn heads(&self) -> Result<HashMap<TenantId, (i64, DateTime<Utc>)>, LogError> {
        if let Some(port) = self.pool.port() {
            return Ok(port.heads().await?);
        }
        let mut connection = self.pool.acquire().await?;
        let rows: Vec<(Uuid, i64, DateTime<Utc>)> =
            sqlx::query_as("SELECT tenant_id, position, recorded_at FROM tenant_heads").fetch_all(&mut *connection).await?;
        Ok(rows.into_iter().map(|(tenant_id, position, recorded_at)| (TenantId(tenant_id), (position, recorded_at))).collect())
    }

    /// As [`Self::read_stream`], in a transaction that sees this tenant's rows only: for the role `auditor`, to which the
    /// database shows nothing before its session is set to a tenant (protocols 11).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_stream_as_tenant(&self, stream: StreamId, after_sequence: i64, limit: i64) -> Result<Vec<StoredEvent>, LogError> {
        let mut tx = self.pool.begin_tenant_read(stream.tenant_id).await?;
        let rows = sqlx::query(
            "SELECT tenant_id, position, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, recorded_at
             FROM events WHERE tenant_id = $1 AND aggregate_type = $2 AND aggregate_id = $3 AND sequence > $4
             ORDER BY tenant_id, aggregate_type, aggregate_id, sequence LIMIT $5",
        )
        .bind(stream.tenant_id.uuid())
        .bind(stream.aggregate_type)
        .bind(stream.aggregate_id)
        .bind(after_sequence)
        .bind(limit)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
    }

    /// The tenant's streams with this id: none, one, or one each of several aggregates. Reads as the tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn streams_with_id(&self, tenant_id: TenantId, aggregate_id: Uuid) -> Result<Vec<StreamId>, LogError> {
        let mut tx = self.pool.begin_tenant_read(tenant_id).await?;
        let types: Vec<String> = sqlx::query_scalar(
            "SELECT aggregate_type FROM events
             WHERE tenant_id = $1 AND aggregate_type = ANY ($2::text[]) AND aggregate_id = $3 AND sequence = 1",
        )
        .bind(tenant_id.uuid())
        .bind(AGGREGATE_TYPES)
        .bind(aggregate_id)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let ours = AGGREGATE_TYPES.iter().filter(|name| types.iter().any(|found| found == *name));
        Ok(ours.map(|aggregate_type| StreamId { tenant_id, aggregate_type, aggregate_id }).collect())
    }

    /// The heads of these tenants; those without one are missing.
    pub(crate) async fn positions(&self, tenants: &[TenantId]) -> Result<HashMap<TenantId, i64>, LogError> {
        if let Some(port) = self.pool.port() {
            return Ok(port.positions(tenants).await?);
        }
        let mut connection = self.pool.acquire().await?;
        let rows: Vec<(Uuid, i64)> = sqlx::query_as("SELECT tenant_id, position FROM tenant_heads WHERE tenant_id = ANY ($1::uuid[])")
            .bind(tenants.iter().map(|tenant| tenant.uuid()).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
        connection.answered();
        Ok(rows.into_iter().map(|(tenant_id, position)| (TenantId(tenant_id), position)).collect())
    }
}

/// From the columns that the statements of this crate list, in their order.
pub(crate) fn stored_event(row: &PgRow) -> Result<StoredEvent, sqlx::Error> {
    Ok(StoredEvent {
        tenant_id: TenantId(row.try_get(0)?),
        position: row.try_get(1)?,
        aggregate_type: row.try_get(2)?,
        aggregate_id: row.try_get(3)?,
        sequence: row.try_get(4)?,
        event_type: row.try_get(5)?,
        event_version: row.try_get(6)?,
        payload: json_text(row, 7)?,
        metadata: json_text(row, 8)?,
        recorded_at: row.try_get(9)?,
    })
}
