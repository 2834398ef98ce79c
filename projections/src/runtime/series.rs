//! A table of running values: every row follows from the one before it of the same id (balances after each movement).

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::runtime::memory::{Rows, Stretch};
use crate::runtime::projection::{Fold, FoldError, read};
use crate::runtime::reads::Reads;
use crate::runtime::writes::{Write, Writes};
use crate::runtime::{ApplyError, Event, Table};

/// A table whose rows are only added; the last of each series is kept in memory. Its key is the id of the series and the position of the
/// event. It holds no opened values.
pub trait Series: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    const TABLE: Table;

    /// The series that the event continues, known from the event alone; each once.
    ///
    /// # Errors
    /// As [`Series::next`].
    fn ids(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError>;

    fn id(&self) -> Uuid;

    /// The row of this event. Pure: no clock, no random, nothing read.
    ///
    /// # Errors
    /// When the event cannot follow.
    fn next(previous: Option<&Self>, id: Uuid, event: &Event<'_>) -> Result<Self, ApplyError>;
}

pub(super) struct SeriesFold<S> {
    latest: String,
    insert: Arc<Write>,
    last: Rows<S>,
}

impl<S: Series> SeriesFold<S> {
    pub(super) fn new() -> Self {
        Self { latest: S::TABLE.select_latest(), insert: Write::insert(S::TABLE), last: Rows::of(S::TABLE.name) }
    }
}

impl<S: Series> Fold for SeriesFold<S> {
    fn table(&self) -> Table {
        S::TABLE
    }

    fn rebuild(&self, events: &[Event<'_>]) -> Result<String, ApplyError> {
        let ids = events.iter().map(S::ids).collect::<Result<Vec<_>, _>>()?;
        Ok(serde_json::to_string(&continued::<S>(HashMap::new(), events, &ids)?)?)
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
            let ids = events.iter().map(S::ids).collect::<Result<Vec<_>, _>>()?;
            let mut touched: Vec<Uuid> = ids.iter().flatten().copied().collect();
            touched.sort_unstable();
            touched.dedup();
            if touched.is_empty() {
                return Ok(());
            }
            let mut latest = self.last.recall(tenant_id, stretch, &touched);
            touched.retain(|id| !latest.contains_key(id));
            let stored: Vec<S> = read(reads, &self.latest, tenant_id, &touched).await?;
            latest.extend(stored.into_iter().map(|row| (row.id(), row)));
            let rows = continued::<S>(latest, events, &ids)?;
            self.last.note(tenant_id, stretch, rows.iter().map(|row| (row.id(), row.clone())));
            writes.add(&self.insert, reads, &rows).await
        })
    }
}

fn continued<S: Series>(mut latest: HashMap<Uuid, S>, events: &[Event<'_>], ids: &[Vec<Uuid>]) -> Result<Vec<S>, ApplyError> {
    let mut rows = Vec::new();
    for (event, ids) in events.iter().zip(ids) {
        for id in ids {
            let row = S::next(latest.get(id), *id, event)?;
            latest.insert(*id, row.clone());
            rows.push(row);
        }
    }
    Ok(rows)
}
