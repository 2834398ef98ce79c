//! A projection: a name, a version and its tables.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::Arc;

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::runtime::erase::erase;
use crate::runtime::memory::{Rows, Stamp, Stretch, Stretches};
use crate::runtime::reads::Reads;
use crate::runtime::series::SeriesFold;
use crate::runtime::writes::{Write, Writes};
use crate::runtime::{ApplyError, Event, Facts, Series, Table, View};

/// Read models that move together, with one checkpoint per tenant. A table belongs to exactly one projection.
pub struct Projection {
    name: &'static str,
    version: i32,
    tables: Vec<Box<dyn Fold>>,
    stretches: Stretches,
}

/// Why a batch could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("the read database refused or did not answer")]
    Database(#[from] sqlx::Error),
    /// Nothing was written.
    #[error("somebody else has moved the checkpoint")]
    Moved,
}

/// A table with its row type forgotten.
pub(super) trait Fold: Send + Sync {
    fn table(&self) -> Table;

    /// Its columns with opened values.
    fn personal(&self) -> &'static [&'static str] {
        &[]
    }

    /// The rows that the tenant's whole history makes, as a JSON array.
    fn rebuild(&self, events: &[Event<'_>]) -> Result<String, ApplyError>;

    /// At most one statement, to read, however many events there are; what is to be written goes into `writes`.
    fn fold<'a>(
        &'a self,
        reads: &'a mut dyn Reads,
        tenant_id: TenantId,
        events: &'a [Event<'a>],
        stretch: Stretch,
        writes: &'a mut Writes,
    ) -> BoxFuture<'a, Result<(), FoldError>>;
}

impl Projection {
    /// `version` goes up when the same events make other rows; the old rows must then be rebuilt.
    #[must_use]
    pub fn new(name: &'static str, version: i32) -> Self {
        Self { name, version, tables: Vec::new(), stretches: Stretches::new() }
    }

    #[must_use]
    pub fn view<V: View>(mut self) -> Self {
        self.tables.push(Box::new(ViewFold::<V> {
            select: V::TABLE.select(),
            upsert: Write::upsert(V::TABLE),
            written: Rows::of(V::TABLE.name),
        }));
        self
    }

    #[must_use]
    pub fn facts<F: Facts>(mut self) -> Self {
        self.tables.push(Box::new(FactsFold::<F> { insert: Write::insert(F::TABLE), row: PhantomData }));
        self
    }

    #[must_use]
    pub fn series<S: Series>(mut self) -> Self {
        self.tables.push(Box::new(SeriesFold::<S>::new()));
        self
    }

    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    #[must_use]
    pub fn version(&self) -> i32 {
        self.version
    }

    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        self.tables.iter().map(|table| table.table()).collect()
    }

    /// The rows of each table that the tenant's whole history makes, as JSON arrays.
    pub(super) fn rebuild(&self, events: &[Event<'_>]) -> Result<Vec<(Table, String)>, ApplyError> {
        self.tables.iter().map(|table| Ok((table.table(), table.rebuild(events)?))).collect()
    }

    /// The row of its checkpoint, as this process left it.
    pub(super) fn left(&self, tenant_id: TenantId) -> Option<Stamp> {
        self.stretches.left(tenant_id)
    }

    /// `found`: the locked row of its checkpoint.
    pub(super) fn resume(&self, tenant_id: TenantId, found: Stamp) -> Stretch {
        self.stretches.resume(tenant_id, found)
    }

    /// `written`: the row of its checkpoint, committed together with what was folded in this stretch.
    pub(super) fn keep(&self, tenant_id: TenantId, written: Stamp, stretch: Stretch) {
        self.stretches.keep(tenant_id, written, stretch);
    }

    /// What is to be written goes into `writes`, which the caller sends.
    pub(crate) async fn fold(
        &self,
        reads: &mut dyn Reads,
        tenant_id: TenantId,
        events: &[Event<'_>],
        stretch: Stretch,
        writes: &mut Writes,
    ) -> Result<(), FoldError> {
        let erased: BTreeSet<_> = events.first().into_iter().flat_map(Event::erased_in_batch).collect();
        for table in &self.tables {
            // Before the fold: what the batch itself says about them it has opened as erased already.
            erase(reads, tenant_id, table.table(), table.personal(), &erased).await?;
            table.fold(reads, tenant_id, events, stretch, writes).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Projection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projection").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

struct ViewFold<V> {
    select: String,
    upsert: Arc<Write>,
    written: Rows<V>,
}

impl<V: View> Fold for ViewFold<V> {
    fn table(&self) -> Table {
        V::TABLE
    }

    fn personal(&self) -> &'static [&'static str] {
        V::PERSONAL
    }

    fn rebuild(&self, events: &[Event<'_>]) -> Result<String, ApplyError> {
        let keys = events.iter().map(V::keys).collect::<Result<Vec<_>, _>>()?;
        Ok(serde_json::to_string(&fold_rows::<V>(HashMap::new(), events, &keys)?)?)
    }

    fn fold<'a>(
        &'a self,
        reads: &'a mut dyn Reads,
        tenant_id: TenantId,
        events: &'a [Event<'a>],
        stretch: Stretch,
        writes: &'a mut Writes,
    ) -> BoxFuture<'a, Result<(), FoldError>> {
        Box::pin(async move {
            let keys = events.iter().map(V::keys).collect::<Result<Vec<_>, _>>()?;
            let mut touched: Vec<Uuid> = keys.iter().flatten().copied().collect();
            touched.sort_unstable();
            touched.dedup();
            if touched.is_empty() {
                return Ok(());
            }
            let mut stored = if V::REMEMBERED { self.written.recall(tenant_id, stretch, &touched) } else { HashMap::new() };
            let new = begun::<V>(events, &keys)?;
            touched.retain(|id| !stored.contains_key(id) && !new.contains(id));
            let read: Vec<V> = read(reads, &self.select, tenant_id, &touched).await?;
            stored.extend(read.into_iter().map(|row| (row.id(), row)));
            let rows = fold_rows::<V>(stored, events, &keys)?;
            if V::REMEMBERED {
                self.written.note(tenant_id, stretch, rows.iter().map(|row| (row.id(), row.clone())));
            }
            writes.add(&self.upsert, reads, &rows).await
        })
    }
}

/// Rows that one of the events begins.
fn begun<V: View>(events: &[Event<'_>], keys: &[Vec<Uuid>]) -> Result<HashSet<Uuid>, ApplyError> {
    let mut begun = HashSet::new();
    for (event, keys) in events.iter().zip(keys) {
        for key in keys {
            if V::begins(event, *key)? {
                begun.insert(*key);
            }
        }
    }
    Ok(begun)
}

/// The rows after the events, in order of their ids.
fn fold_rows<V: View>(mut rows: HashMap<Uuid, V>, events: &[Event<'_>], keys: &[Vec<Uuid>]) -> Result<Vec<V>, ApplyError> {
    for (event, keys) in events.iter().zip(keys) {
        for key in keys {
            rows.entry(*key).or_insert_with(|| V::new(*key)).apply(event)?;
        }
    }
    let mut rows: Vec<V> = rows.into_values().collect();
    rows.sort_by_key(View::id);
    Ok(rows)
}

/// Rows of these ids; no question for none.
pub(super) async fn read<R: DeserializeOwned>(
    reads: &mut dyn Reads,
    select: &str,
    tenant_id: TenantId,
    ids: &[Uuid],
) -> Result<Vec<R>, FoldError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let stored: Vec<String> = sqlx::query_scalar(select).bind(tenant_id.uuid()).bind(ids).fetch_all(reads.connection().await?).await?;
    Ok(stored.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>().map_err(ApplyError::from)?)
}

struct FactsFold<F> {
    insert: Arc<Write>,
    row: PhantomData<fn() -> F>,
}

impl<F: Facts> Fold for FactsFold<F> {
    fn table(&self) -> Table {
        F::TABLE
    }

    fn personal(&self) -> &'static [&'static str] {
        F::PERSONAL
    }

    fn rebuild(&self, events: &[Event<'_>]) -> Result<String, ApplyError> {
        Ok(serde_json::to_string(&facts::<F>(events)?)?)
    }

    fn fold<'a>(
        &'a self,
        reads: &'a mut dyn Reads,
        _tenant_id: TenantId,
        events: &'a [Event<'a>],
        _stretch: Stretch,
        writes: &'a mut Writes,
    ) -> BoxFuture<'a, Result<(), FoldError>> {
        Box::pin(async move { writes.add(&self.insert, reads, &facts::<F>(events)?).await })
    }
}

fn facts<F: Facts>(events: &[Event<'_>]) -> Result<Vec<F>, ApplyError> {
    let mut rows = Vec::new();
    for event in events {
        rows.extend(F::rows(event)?);
    }
    Ok(rows)
}
