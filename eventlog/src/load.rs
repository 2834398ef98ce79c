//! Everything a batch of commands needs, in one round trip and as of one instant.

use holdfast_domain::event::{aggregate_type, fingerprint};
use holdfast_domain::kernel::TenantId;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::db::Session;
use crate::json::json_text;
use crate::read::stored_event;
use crate::snapshot::stored_snapshot;
use crate::types::{LoadRequest, Loaded, ReceiptKey, StoredReceipt, StreamId, UnreadableEvent};
use crate::{EventLog, LogError};

/// Four kinds of rows under one another; the columns of events come first, as [`stored_event`] reads them. The event that a
/// snapshot was taken after is read as well: it says whether the snapshot is of this log.
pub const LOAD: &str = "
WITH s AS MATERIALIZED (
    SELECT s.*, n.sequence, n.anchor, n.state
    FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS s (tenant_id, aggregate_type, aggregate_id, fingerprint)
    LEFT JOIN LATERAL (SELECT * FROM snapshots n WHERE n.tenant_id = s.tenant_id AND n.aggregate_type = s.aggregate_type
                       AND n.aggregate_id = s.aggregate_id AND n.fingerprint = s.fingerprint OFFSET 0) AS n ON true
)
SELECT e.tenant_id, e.position, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version, e.payload, e.metadata, e.recorded_at,
       NULL::bytea AS bytes, 'event' AS what
FROM s
JOIN LATERAL (SELECT * FROM events e WHERE e.tenant_id = s.tenant_id AND e.aggregate_type = s.aggregate_type AND e.aggregate_id = s.aggregate_id
              AND e.sequence >= coalesce(s.sequence, 1) ORDER BY e.sequence) AS e ON true
UNION ALL
SELECT s.tenant_id, NULL, s.aggregate_type, s.aggregate_id, s.sequence, s.fingerprint, NULL, s.state, NULL, NULL, s.anchor, 'snapshot'
FROM s WHERE s.sequence IS NOT NULL
UNION ALL
SELECT r.tenant_id, r.position, r.key_owner, NULL, NULL, r.idempotency_key, NULL, r.answer, NULL, NULL, r.request_hash, 'receipt'
FROM unnest($5::uuid[], $6::text[], $7::text[]) AS k (tenant_id, key_owner, idempotency_key)
JOIN LATERAL (SELECT * FROM receipts r WHERE r.tenant_id = k.tenant_id AND r.key_owner = k.key_owner AND r.idempotency_key = k.idempotency_key
              OFFSET 0) AS r ON true
UNION ALL
SELECT h.tenant_id, h.position, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'head'
FROM tenant_heads h WHERE h.tenant_id = ANY ($8::uuid[])";

impl EventLog {
    /// # Errors
    /// When the database does not answer.
    pub async fn load(&self, request: &LoadRequest) -> Result<Loaded, LogError> {
        let mut connection = self.pool.autocommit().await?;
        let loaded = load(connection.session(), request).await?;
        connection.answered();
        Ok(loaded)
    }
}

/// One round trip; a second one for streams whose snapshot is of another history, which are then read whole.
pub(crate) async fn load(mut session: Session<'_>, request: &LoadRequest) -> Result<Loaded, LogError> {
    let mut loaded = ask(&mut session, request).await?;
    loaded.set_misfits_aside();
    if !loaded.misfits.is_empty() {
        let streams = loaded.misfits.iter().map(|snapshot| snapshot.stream).collect();
        let whole = ask(&mut session, &LoadRequest { streams, ..LoadRequest::default() }).await?;
        loaded.streams.extend(whole.streams);
    }
    Ok(loaded)
}

async fn ask(session: &mut Session<'_>, request: &LoadRequest) -> Result<Loaded, LogError> {
    let connection = match session {
        Session::Postgres(connection) => &mut **connection,
        Session::Port(port) => return Ok(port.load(request).await?),
    };
    let (streams, receipts) = (&request.streams, &request.receipts);
    let folding = |stream: &StreamId| if request.from_snapshots { fingerprint(stream.aggregate_type) } else { None };
    let rows = sqlx::query(LOAD)
        .bind(streams.iter().map(|stream| stream.tenant_id.uuid()).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| stream.aggregate_type).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| stream.aggregate_id).collect::<Vec<_>>())
        .bind(streams.iter().map(folding).collect::<Vec<_>>())
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
        "snapshot" => {
            let snapshot = stored_snapshot(row)?;
            loaded.snapshots.insert(snapshot.stream, snapshot);
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
