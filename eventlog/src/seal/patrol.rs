//! Sealed events are read again, round and round: a change is found also where nobody asks.

use sqlx::PgConnection;

use super::head::Seal;
use super::leaf::leaf_hash;
use super::sealer::Refused;
use super::store;
use super::tiles::{Tiles, WIDTH};
use super::tree::{Frontier, Range};

/// Reads sealed events again and compares them with what was sealed: all of a log of up to `patrol` events, the next `patrol`
/// of a longer one. Returns where to go on.
pub(super) async fn patrol(connection: &mut PgConnection, sealed: Option<&Seal>, patrolled: i64, patrol: i64) -> Result<i64, Refused> {
    let Some(seal) = sealed else { return Ok(0) };
    if seal.size <= patrol {
        let mut tree = Frontier::default();
        for event in store::page(connection, seal.tenant_id, 0, seal.size, seal.size).await? {
            tree.push(leaf_hash(&event));
        }
        return if tree.root() == seal.root { Ok(0) } else { Err(Refused::EventChanged(1)) };
    }
    // Whole tiles, whose hashes are compared with the level above; the last tile is under the root that was checked.
    let width = WIDTH as u64;
    let tiles_in_all = u64::try_from(seal.size).unwrap_or(0).div_ceil(width);
    let first = u64::try_from(patrolled).unwrap_or(0) / width % tiles_in_all;
    let until = (first + u64::try_from(patrol).unwrap_or(0).div_ceil(width)).min(tiles_in_all);
    let from = i64::try_from(first * width).unwrap_or(i64::MAX);
    let to = i64::try_from(until * width).unwrap_or(i64::MAX).min(seal.size);
    let events = store::page(connection, seal.tenant_id, from, to, to - from).await?;
    let keys = (first..until).flat_map(|tile| [(0, tile), (1, tile / width)]).collect();
    let tiles = store::load(connection, seal.tenant_id, &keys).await?;
    for (tile, events) in (first..until).zip(events.chunks(WIDTH)) {
        let hashes: Vec<_> = events.iter().map(leaf_hash).collect();
        let whole = Range { from: tile * width, to: tile * width + width };
        let computed = Tiles([((0, tile), hashes.clone())].into()).range(whole);
        let above = tiles.0.get(&(1, tile / width)).and_then(|hashes| hashes.get(usize::try_from(tile % width).ok()?));
        let same = tiles.0.get(&(0, tile)) == Some(&hashes) && (computed.is_none() || computed.as_ref() == above);
        if !same {
            return Err(Refused::EventChanged(i64::try_from(tile * width + 1).unwrap_or(i64::MAX)));
        }
    }
    let read = i64::try_from(events.len()).unwrap_or(i64::MAX);
    if read != to - from {
        return Err(Refused::Gap(from + read + 1));
    }
    Ok(if until == tiles_in_all { 0 } else { to })
}
