//! A projection: a name, a version and its tables.

use std::collections::{BTreeSet, HashMap};
use std::marker::PhantomData;

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::runtime::erase::erase;
use crate::runtime::series::SeriesFold;
use crate::runtime::{ApplyError, Event, Facts, Series, Table, View};

/// Read models that move together, with one checkpoint per tenant. A table belongs to exactly one projection.
pub struct Projection {
    name: &'static str,
    version: i32,
    tables: Vec<Box<dyn Fold>>,
}

/// Why a batch could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("the read database refused or did not answer")]
    Database(#[from] sqlx::Error),
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

    /// At most one statement to read and one to write, however many events there are.
    fn fold<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        tenant_id: TenantId,
        events: &'a [Event<'a>],
    ) -> BoxFuture<'a, Result<(), FoldError>>;
}

impl Projection {
    /// `version` goes up when the same events make other rows; the old rows must then be rebuilt.
    #[must_use]
    pub fn new(name: &'static str, version: i32) -> Self {
        Self { name, version, tables: Vec::new() }
    }

    #[must_use]
    pub fn view<V: View>(mut self) -> Self {
        self.tables.push(Box::new(ViewFold::<V> { select: V::TABLE.select(), upsert: V::TABLE.upsert(), row: PhantomData }));
        self
    }

    #[must_use]
    pub fn facts<F: Facts>(mut self) -> Self {
        self.tables.push(Box::new(FactsFold::<F> { insert: F::TABLE.insert(), row: PhantomData }));
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

    pub(crate) async fn fold(&self, connection: &mut PgConnection, tenant_id: TenantId, events: &[Event<'_>]) -> Result<(), FoldError> {
        let erased: BTreeSet<_> = events.first().into_iter().flat_map(Event::erased_in_batch).collect();
        for table in &self.tables {
            // Before the fold: what the batch itself says about them it has opened as erased already.
            erase(connection, tenant_id, table.table(), table.personal(), &erased).await?;
            table.fold(connection, tenant_id, events).await?;
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
    upsert: String,
    row: PhantomData<fn() -> V>,
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
        Ok(serde_json::to_string(&fold_rows::<V>(&[], events, &keys)?)?)
    }

    fn fold<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        tenant_id: TenantId,
        events: &'a [Event<'a>],
    ) -> BoxFuture<'a, Result<(), FoldError>> {
        Box::pin(async move {
            let keys = events.iter().map(V::keys).collect::<Result<Vec<_>, _>>()?;
            let mut touched: Vec<Uuid> = keys.iter().flatten().copied().collect();
            touched.sort_unstable();
            touched.dedup();
            if touched.is_empty() {
                return Ok(());
            }
            let stored: Vec<String> =
                sqlx::query_scalar(&self.select).bind(tenant_id.uuid()).bind(&touched).fetch_all(&mut *connection).await?;
            let rows = fold_rows::<V>(&stored, events, &keys)?;
            sqlx::query(&self.upsert)
                .bind(tenant_id.uuid())
                .bind(serde_json::to_string(&rows).map_err(ApplyError::from)?)
                .execute(connection)
                .await?;
            Ok(())
        })
    }
}

/// The rows after the events, in order of their ids.
fn fold_rows<V: View>(stored: &[String], events: &[Event<'_>], keys: &[Vec<Uuid>]) -> Result<Vec<V>, ApplyError> {
    let mut rows = HashMap::<Uuid, V>::new();
    for text in stored {
        let row: V = serde_json::from_str(text)?;
        rows.insert(row.id(), row);
    }
    for (event, keys) in events.iter().zip(keys) {
        for key in keys {
            rows.entry(*key).or_insert_with(|| V::new(*key)).apply(event)?;
        }
    }
    let mut rows: Vec<V> = rows.into_values().collect();
    rows.sort_by_key(View::id);
    Ok(rows)
}

struct FactsFold<F> {
    insert: String,
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
        connection: &'a mut PgConnection,
        tenant_id: TenantId,
        events: &'a [Event<'a>],
    ) -> BoxFuture<'a, Result<(), FoldError>> {
        Box::pin(async move {
            let rows = facts::<F>(events)?;
            if rows.is_empty() {
                return Ok(());
            }
            sqlx::query(&self.insert)
                .bind(tenant_id.uuid())
                .bind(serde_json::to_string(&rows).map_err(ApplyError::from)?)
                .execute(connection)
                .await?;
            Ok(())
        })
    }
}

fn facts<F: Facts>(events: &[Event<'_>]) -> Result<Vec<F>, ApplyError> {
    let mut rows = Vec::new();
    for event in events {
        rows.extend(F::rows(event)?);
    }
    Ok(rows)
}
