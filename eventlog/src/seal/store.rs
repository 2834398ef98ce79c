//! Seals and tiles in the write database.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::head::{Seal, Stamp};
use super::tiles::{self, Key, Tiles};
use super::tree::{Hash, Range};
use crate::LogError;
use crate::read::stored_event;
use crate::types::StoredEvent;

type Row = (i64, i64, DateTime<Utc>, Vec<u8>, String, Vec<u8>);

fn seal(tenant_id: TenantId, (size, previous_size, sealed_at, root, key_id, signature): Row) -> Seal {
    let root: Hash = root.try_into().unwrap_or_default(); // 32 bytes by a check of the table
    Seal { tenant_id, size, root, sealed_at: Stamp::of(sealed_at), previous_size, key_id, signature: BASE64.encode(signature) }
}

/// Up to `limit` seals of a smaller size than `before` (none: all), newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn seals(connection: &mut PgConnection, tenant_id: TenantId, before: Option<i64>, limit: i64) -> Result<Vec<Seal>, LogError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT size, previous_size, sealed_at, root, key_id, signature FROM seals
         WHERE tenant_id = $1 AND size < $2 ORDER BY size DESC LIMIT $3",
    )
    .bind(tenant_id.uuid())
    .bind(before.unwrap_or(i64::MAX))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| seal(tenant_id, row)).collect())
}

/// Up to `limit` seals of a larger size than `after`, oldest first.
pub(super) async fn seals_after(connection: &mut PgConnection, tenant_id: TenantId, after: i64, limit: i64) -> Result<Vec<Seal>, LogError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT size, previous_size, sealed_at, root, key_id, signature FROM seals
         WHERE tenant_id = $1 AND size > $2 ORDER BY size LIMIT $3",
    )
    .bind(tenant_id.uuid())
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| seal(tenant_id, row)).collect())
}

/// # Errors
/// When the database does not answer.
pub async fn newest_seal(connection: &mut PgConnection, tenant_id: TenantId) -> Result<Option<Seal>, LogError> {
    Ok(seals(connection, tenant_id, None, 1).await?.pop())
}

/// All tenants that have seals, as a role that sees them all.
///
/// # Errors
/// When the database does not answer.
pub async fn tenants_with_seals(connection: &mut PgConnection) -> Result<Vec<TenantId>, LogError> {
    let rows: Vec<Uuid> = sqlx::query_scalar("SELECT tenant_id FROM seals WHERE previous_size = 0").fetch_all(connection).await?;
    Ok(rows.into_iter().map(TenantId).collect())
}

/// Events `after + 1 ..` up to `through`, at most `limit`, in position order.
pub(crate) async fn page(
    connection: &mut PgConnection,
    tenant_id: TenantId,
    after: i64,
    through: i64,
    limit: i64,
) -> Result<Vec<StoredEvent>, LogError> {
    let rows = sqlx::query(
        "SELECT tenant_id, position, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, recorded_at
         FROM events WHERE tenant_id = $1 AND position > $2 AND position <= $3 ORDER BY tenant_id, position LIMIT $4",
    )
    .bind(tenant_id.uuid())
    .bind(after)
    .bind(through)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
}

/// A whole stream, which must be a short one.
pub(super) async fn stream(
    connection: &mut PgConnection,
    tenant_id: TenantId,
    aggregate_type: &str,
    aggregate_id: Uuid,
) -> Result<Vec<StoredEvent>, LogError> {
    let rows = sqlx::query(
        "SELECT tenant_id, position, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, recorded_at
         FROM events WHERE tenant_id = $1 AND aggregate_type = $2 AND aggregate_id = $3 ORDER BY sequence",
    )
    .bind(tenant_id.uuid())
    .bind(aggregate_type)
    .bind(aggregate_id)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(stored_event).collect::<Result<_, _>>()?)
}

/// Those of `keys` that are stored.
pub(crate) async fn load(connection: &mut PgConnection, tenant_id: TenantId, keys: &BTreeSet<Key>) -> Result<Tiles, LogError> {
    let levels: Vec<i32> = keys.iter().map(|(level, _)| i32::try_from(*level).unwrap_or(i32::MAX)).collect();
    let numbers: Vec<i64> = keys.iter().map(|(_, tile)| i64::try_from(*tile).unwrap_or(i64::MAX)).collect();
    let rows: Vec<(i32, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT t.level, t.tile, t.hashes FROM unnest($2::int[], $3::bigint[]) AS k (level, tile)
         JOIN seal_tiles t ON t.tenant_id = $1 AND t.level = k.level AND t.tile = k.tile",
    )
    .bind(tenant_id.uuid())
    .bind(levels)
    .bind(numbers)
    .fetch_all(connection)
    .await?;
    let tile = |(level, tile, hashes): (i32, i64, Vec<u8>)| {
        let hashes = hashes.as_chunks::<32>().0.to_vec();
        ((u32::try_from(level).unwrap_or(u32::MAX), u64::try_from(tile).unwrap_or(u64::MAX)), hashes)
    };
    Ok(Tiles(rows.into_iter().map(tile).collect()))
}

/// Writes the tiles and the seal; the caller commits.
pub(super) async fn write(connection: &mut PgConnection, seal: &Seal, tiles: BTreeMap<Key, Vec<Hash>>) -> Result<(), sqlx::Error> {
    for ((level, tile), hashes) in tiles {
        sqlx::query(
            "INSERT INTO seal_tiles AS t (tenant_id, level, tile, hashes) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, level, tile) DO UPDATE SET hashes = excluded.hashes WHERE t.hashes <> excluded.hashes",
        )
        .bind(seal.tenant_id.uuid())
        .bind(i32::try_from(level).unwrap_or(i32::MAX))
        .bind(i64::try_from(tile).unwrap_or(i64::MAX))
        .bind(hashes.concat())
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "INSERT INTO seals (tenant_id, size, previous_size, sealed_at, root, key_id, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(seal.tenant_id.uuid())
    .bind(seal.size)
    .bind(seal.previous_size)
    .bind(seal.sealed_at.instant())
    .bind(seal.root.to_vec())
    .bind(&seal.key_id)
    .bind(seal.signature_bytes().unwrap_or([0; 64]).to_vec())
    .execute(connection)
    .await?;
    Ok(())
}

/// The hashes of the complete subtrees of the first `size` events, largest first. None: not sealed so far.
pub(crate) async fn stored_prefix(connection: &mut PgConnection, tenant_id: TenantId, size: u64) -> Result<Option<Vec<Hash>>, LogError> {
    let range = Range { from: 0, to: size };
    let tiles = load(connection, tenant_id, &tiles::needed(&[range])).await?;
    Ok(range.subtrees().into_iter().map(|subtree| tiles.subtree(subtree)).collect())
}
