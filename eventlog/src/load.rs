//! Everything a batch of commands needs, in one round trip and one snapshot.

use holdfast_domain::event::aggregate_type;
use holdfast_domain::kernel::TenantId;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::db::Session;
use crate::json::json_text;
use crate::read::stored_event;
use crate::types::{LoadRequest, Loaded, ReceiptKey, StoredReceipt, StreamId, UnreadableEvent};
use crate::{EventLog, LogError};

/// Three kinds of rows under one another; the columns of events come first, as [`stored_event`] reads them.
pub const LOAD: &str = "
SELECT e.tenant_id, e.position, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version, e.payload, e.metadata, e.recorded_at,
       NULL::bytea AS request_hash, 'event' AS what
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS s (tenant_id, aggregate_type, aggregate_id)
JOIN LATERAL (SELECT * FROM events e WHERE e.tenant_id = s.tenant_id AND e.aggregate_type = s.aggregate_type AND e.aggregate_id = s.aggregate_id
              ORDER BY e.sequence) AS e ON true
UNION ALL
SELECT r.tenant_id, r.position, r.key_owner, NULL, NULL, r.idempotency_key, NULL, r.answer, NULL, NULL, r.request_hash, 'receipt'
FROM unnest($4::uuid[], $5::text[], $6::text[]) AS k (tenant_id, key_owner, idempotency_key)
JOIN LATERAL (SELECT * FROM receipts r WHERE r.tenant_id = k.tenant_id AND r.key_owner = k.key_owner AND r.idempotency_key = k.idempotency_key
              OFFSET 0) AS r ON true
UNION ALL
SELECT h.tenant_id, h.position, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'head'
FROM tenant_heads h WHERE h.tenant_id = ANY ($7::uuid[])";

impl EventLog {
    /// # Errors
    /// When the database does not answer.
    pub async fn load(&self, request: &LoadRequest) -> Result<Loaded, LogError> {
        let mut connection = self.pool.autocommit().await?;
        load(connection.session(), request).await
    }
}

pub(crate) async fn load(session: Session<'_>, request: &LoadRequest) -> Result<Loaded, LogError> {
    let connection = match session {
        Session::Postgres(connection) => connection,
        Session::Port(port) => return Ok(port.load(request).await?),
    };
    let (streams, receipts) = (&request.streams, &request.receipts);
    let rows = sqlx::query(LOAD)
        .bind(streams.iter().map(|stream| stream.tenant_id.uuid()).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| stream.aggregate_type).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| stream.aggregate_id).collect::<Vec<_>>())
        .bind(receipts.iter().map(|key| key.tenant_id.uuid()).collect::<Vec<_>>())
        .bind(receipts.iter().map(|key| key.key_owner.as_str()).collect::<Vec<_>>())
        .bind(receipts.iter().map(|key| key.idempotency_key.as_str()).collect::<Vec<_>>())
        .bind(request.tenants.iter().map(|tenant| tenant.uuid()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut loaded = Loaded::default();
    for row in &rows {
        add(&mut loaded, row)?;
    }
    sort(&mut loaded);
    Ok(loaded)
}

fn add(loaded: &mut Loaded, row: &PgRow) -> Result<(), LogError> {
    let tenant_id = TenantId(row.try_get(0)?);
    match row.try_get(11)? {
        "event" => {
            let event = stored_event(row)?;
            let aggregate_type = aggregate_type(&event.aggregate_type).map_err(UnreadableEvent::Payload)?;
            let stream = StreamId { tenant_id, aggregate_type, aggregate_id: event.aggregate_id };
            loaded.streams.entry(stream).or_default().push(event);
        }
        "receipt" => {
            let key = ReceiptKey { tenant_id, key_owner: row.try_get(2)?, idempotency_key: row.try_get(5)? };
            let receipt = StoredReceipt { request_hash: row.try_get(10)?, answer: json_text(row, 7)?, position: row.try_get(1)? };
            loaded.receipts.insert(key, receipt);
        }
        _ => {
            loaded.heads.insert(tenant_id, row.try_get(1)?);
        }
    }
    Ok(())
}

/// The rows come in this order already; no promise of SQL says so. A stream that was asked for twice is given once.
fn sort(loaded: &mut Loaded) {
    for events in loaded.streams.values_mut() {
        events.sort_by_key(|event| event.sequence);
        events.dedup_by_key(|event| event.sequence);
    }
}
