//! Rows as this process has last written them, so that the next batch need not read them (decision 0020).
//!
//! Whoever writes a projection's rows moves its checkpoint in the same transaction. As long as the row of the checkpoint is the one that our
//! last transaction wrote, the rows are those that it wrote: other processes, swaps and rebuilds make it another one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use holdfast_domain::kernel::TenantId;
use lru::LruCache;
use uuid::Uuid;

/// Of each table; they are small, or are not remembered.
const MAX_ROWS: usize = 32_768;
/// Of each projection.
const MAX_TENANTS: usize = 16_384;

/// A checkpoint's row: where it stands, and which transaction wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) position: i64,
    pub(super) xmin: i64,
}

/// A stretch of one tenant's batches between which nobody else has written. No two have the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch(u64);

impl Stretch {
    /// Nothing is remembered of it yet.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a projection's last transaction for each tenant left behind.
pub(super) struct Stretches(Mutex<LruCache<TenantId, (Stamp, Stretch)>>);

impl Stretches {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }

    /// The row of the checkpoint after our last transaction; none when it did not end well.
    pub(super) fn left(&self, tenant_id: TenantId) -> Option<Stamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).peek(&tenant_id).map(|(stamp, _)| *stamp)
    }

    /// The stretch that a checkpoint with this row goes on with. It is taken out: a transaction that fails ends it.
    pub(super) fn resume(&self, tenant_id: TenantId, found: Stamp) -> Stretch {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop(&tenant_id);
        left.filter(|(stamp, _)| *stamp == found).map_or_else(Stretch::new, |(_, stretch)| stretch)
    }

    /// After the commit of the transaction that wrote `stamp`.
    pub(super) fn keep(&self, tenant_id: TenantId, stamp: Stamp, stretch: Stretch) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        put(&mut left, tenant_id, (stamp, stretch), MAX_TENANTS);
    }
}

/// The rows of one table that were written last, each with the stretch in which that was.
pub(super) struct Rows<R> {
    table: &'static str,
    known: Mutex<Known<R>>,
}

type Known<R> = LruCache<(TenantId, Uuid), (Stretch, R)>;

impl<R: Clone> Rows<R> {
    pub(super) fn of(table: &'static str) -> Self {
        Self { table, known: Mutex::new(LruCache::unbounded()) }
    }

    /// Those of `ids` that can be trusted; the others must be read.
    pub(super) fn recall(&self, tenant_id: TenantId, stretch: Stretch, ids: &[Uuid]) -> HashMap<Uuid, R> {
        let mut rows = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recall = |id: &Uuid| match rows.get(&(tenant_id, *id)) {
            Some((written, row)) if *written == stretch => Some((*id, row.clone())),
            Some(_) | None => None,
        };
        ids.iter().filter_map(&mut recall).collect()
    }

    /// They count only if the transaction that writes them is committed and its stretch kept.
    pub(super) fn note(&self, tenant_id: TenantId, stretch: Stretch, rows: impl IntoIterator<Item = (Uuid, R)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, row) in rows {
            put(&mut known, (tenant_id, id), (stretch, row), MAX_ROWS);
        }
        let rows = u32::try_from(known.len()).unwrap_or(u32::MAX);
        metrics::gauge!("holdfast_projection_rows_remembered", "table" => self.table).set(f64::from(rows));
    }
}

/// A cache that takes its memory as it fills: of most tables nothing is remembered.
fn put<K: Hash + Eq, V>(cache: &mut LruCache<K, V>, key: K, value: V, max: usize) {
    cache.put(key, value);
    if cache.len() > max {
        cache.pop_lru();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(Uuid::nil());
    const ID: Uuid = Uuid::from_u128(1);

    fn stamp(position: i64, xmin: i64) -> Stamp {
        Stamp { position, xmin }
    }

    #[test]
    fn a_checkpoint_that_somebody_else_wrote_begins_a_new_stretch() {
        let stretches = Stretches::new();
        let first = stretches.resume(TENANT, stamp(0, 7));
        stretches.keep(TENANT, stamp(3, 8), first);
        assert_eq!(stretches.resume(TENANT, stamp(3, 8)), first);
        assert_ne!(stretches.resume(TENANT, stamp(3, 8)), first, "it was taken out and its transaction has not ended well");
        for found in [stamp(3, 9), stamp(4, 8)] {
            stretches.keep(TENANT, stamp(3, 8), first);
            assert_ne!(stretches.resume(TENANT, found), first, "{found:?}");
        }
    }

    #[test]
    fn rows_of_another_stretch_or_tenant_are_read_again() {
        let (rows, stretch) = (Rows::of("things"), Stretch::new());
        rows.note(TENANT, stretch, [(ID, "written")]);
        assert_eq!(rows.recall(TENANT, stretch, &[ID, Uuid::from_u128(2)]), [(ID, "written")].into());
        assert!(rows.recall(TENANT, Stretch::new(), &[ID]).is_empty());
        assert!(rows.recall(TenantId(Uuid::from_u128(9)), stretch, &[ID]).is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (rows, stretch) = (Rows::of("things"), Stretch::new());
        rows.note(TENANT, stretch, (0..50_000).map(|n| (Uuid::from_u128(n), ())));
        assert_eq!(rows.known.lock().unwrap().len(), MAX_ROWS);
        let stretches = Stretches::new();
        (0..20_000).for_each(|n| stretches.keep(TenantId(Uuid::from_u128(n)), stamp(1, 1), stretch));
        assert_eq!(stretches.0.lock().unwrap().len(), MAX_TENANTS);
    }
}
