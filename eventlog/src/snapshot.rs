//! States of streams, written down so that a long stream need not be folded from its beginning. A cache beside the log:
//! nothing needs it, and whatever is in it may be deleted at any time (docs/decisions/0017-snapshots.md).

use holdfast_domain::event::aggregate_type;
use holdfast_domain::kernel::TenantId;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::json::{JsonText, json_text};
use crate::seal::{Hash, leaf_hash};
use crate::types::{Loaded, StoredEvent, StreamId, UnreadableEvent};
use crate::{EventLog, LogError};

/// The newest one counts, whoever comes last. What other programs folded is theirs, until nobody has renewed it for a day.
pub const WRITE: &str = "
WITH n AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bytea[], $7::json[])
                  AS n (tenant_id, aggregate_type, aggregate_id, fingerprint, sequence, anchor, state)
), outlived AS (
    DELETE FROM snapshots AS s USING n
    WHERE s.tenant_id = n.tenant_id AND s.aggregate_type = n.aggregate_type AND s.aggregate_id = n.aggregate_id
      AND s.fingerprint <> n.fingerprint AND s.recorded_at < clock_timestamp() - interval '1 day'
)
INSERT INTO snapshots AS s (tenant_id, aggregate_type, aggregate_id, fingerprint, sequence, anchor, state, recorded_at)
SELECT tenant_id, aggregate_type, aggregate_id, fingerprint, sequence, anchor, state, clock_timestamp()
FROM n ORDER BY tenant_id, aggregate_type, aggregate_id
ON CONFLICT (tenant_id, aggregate_type, aggregate_id, fingerprint) DO UPDATE SET
    sequence = EXCLUDED.sequence, anchor = EXCLUDED.anchor, state = EXCLUDED.state, recorded_at = EXCLUDED.recorded_at
WHERE s.sequence < EXCLUDED.sequence";

/// Exactly these: whoever has written a better one meanwhile keeps it.
pub const DISCARD: &str = "
DELETE FROM snapshots AS s USING unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bytea[])
                                 AS n (tenant_id, aggregate_type, aggregate_id, fingerprint, sequence, anchor)
WHERE s.tenant_id = n.tenant_id AND s.aggregate_type = n.aggregate_type AND s.aggregate_id = n.aggregate_id
  AND s.fingerprint = n.fingerprint AND s.sequence = n.sequence AND s.anchor = n.anchor";

/// The state of a stream after its event `sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub stream: StreamId,
    /// How it was folded: [`fingerprint`](holdfast_domain::event::fingerprint).
    pub fingerprint: String,
    /// Of the last event that is in it.
    pub sequence: i64,
    /// Hash of that event as [`leaf_hash`] makes it. In another history (a restored backup) another event stands there.
    pub anchor: Hash,
    /// JSON text. Sealed values are sealed in it as they are in the events.
    pub state: String,
}

impl Snapshot {
    /// Whether the event at its sequence is the one that it was taken after.
    #[must_use]
    pub fn fits(&self, event: &StoredEvent) -> bool {
        event.sequence == self.sequence && leaf_hash(event) == self.anchor
    }
}

impl EventLog {
    /// At most one per stream.
    ///
    /// # Errors
    /// When the database does not answer; they may be written or not.
    pub async fn write_snapshots(&self, snapshots: &[Snapshot]) -> Result<(), LogError> {
        if let Some(port) = self.pool.port() {
            return Ok(port.write_snapshots(snapshots).await?);
        }
        let states: Vec<_> = snapshots.iter().map(|snapshot| JsonText(&snapshot.state)).collect();
        named(WRITE, snapshots).bind(states).execute(&mut *self.pool.acquire().await?).await?;
        Ok(())
    }

    /// Deletes those that turned out to be of no use.
    ///
    /// # Errors
    /// When the database does not answer; they may be deleted or not.
    pub async fn discard_snapshots(&self, snapshots: &[Snapshot]) -> Result<(), LogError> {
        if let Some(port) = self.pool.port() {
            return Ok(port.discard_snapshots(snapshots).await?);
        }
        named(DISCARD, snapshots).execute(&mut *self.pool.acquire().await?).await?;
        Ok(())
    }

    /// The tenant's, in order of their keys, up to `limit` after `after`; those of aggregates that are not ours are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn snapshots(&self, tenant_id: TenantId, after: Option<&Snapshot>, limit: i64) -> Result<Vec<Snapshot>, LogError> {
        let (kind, id, fingerprint) = after.map_or(("", Uuid::nil(), ""), |snapshot| {
            (snapshot.stream.aggregate_type, snapshot.stream.aggregate_id, snapshot.fingerprint.as_str())
        });
        let rows = sqlx::query(
            "SELECT tenant_id, NULL, aggregate_type, aggregate_id, sequence, fingerprint, NULL, state, NULL, NULL, anchor FROM snapshots
             WHERE tenant_id = $1 AND aggregate_type = ANY ($2) AND (aggregate_type, aggregate_id, fingerprint) > ($3, $4, $5)
             ORDER BY aggregate_type, aggregate_id, fingerprint LIMIT $6",
        )
        .bind(tenant_id.uuid())
        .bind(holdfast_domain::event::AGGREGATE_TYPES)
        .bind(kind)
        .bind(id)
        .bind(fingerprint)
        .bind(limit)
        .fetch_all(&mut *self.pool.acquire().await?)
        .await?;
        rows.iter().map(stored_snapshot).collect()
    }
}

type Query<'a> = sqlx::query::Query<'a, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// The parameters that both statements begin with.
fn named<'a>(statement: &'static str, snapshots: &'a [Snapshot]) -> Query<'a> {
    sqlx::query(statement)
        .bind(snapshots.iter().map(|snapshot| snapshot.stream.tenant_id.uuid()).collect::<Vec<_>>())
        .bind(snapshots.iter().map(|snapshot| snapshot.stream.aggregate_type).collect::<Vec<_>>())
        .bind(snapshots.iter().map(|snapshot| snapshot.stream.aggregate_id).collect::<Vec<_>>())
        .bind(snapshots.iter().map(|snapshot| snapshot.fingerprint.as_str()).collect::<Vec<_>>())
        .bind(snapshots.iter().map(|snapshot| snapshot.sequence).collect::<Vec<_>>())
        .bind(snapshots.iter().map(|snapshot| snapshot.anchor.as_slice()).collect::<Vec<_>>())
}

/// From a row of [`LOAD`](crate::statements::LOAD).
pub(crate) fn stored_snapshot(row: &PgRow) -> Result<Snapshot, LogError> {
    let stored: String = row.try_get(2)?;
    let aggregate_type = aggregate_type(&stored).map_err(UnreadableEvent::Payload)?;
    let anchor: Vec<u8> = row.try_get(10)?;
    Ok(Snapshot {
        stream: StreamId { tenant_id: TenantId(row.try_get(0)?), aggregate_type, aggregate_id: row.try_get(3)? },
        fingerprint: row.try_get(5)?,
        sequence: row.try_get(4)?,
        anchor: anchor.try_into().unwrap_or_default(), // the table takes no other length
        state: json_text(row, 7)?,
    })
}

impl Loaded {
    /// What is left in `snapshots` may be used.
    pub(crate) fn set_misfits_aside(&mut self) {
        let fits = |snapshot: &Snapshot| {
            let anchor = self.streams.get(&snapshot.stream).and_then(|events| events.first());
            anchor.is_some_and(|event| snapshot.fits(event))
        };
        let mut wrong: Vec<StreamId> = self.snapshots.values().filter(|snapshot| !fits(snapshot)).map(|snapshot| snapshot.stream).collect();
        wrong.sort_unstable();
        self.misfits.extend(wrong.iter().filter_map(|stream| self.snapshots.remove(stream)));
    }
}
