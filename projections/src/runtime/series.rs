//! A table of running values: every row follows from the one before it of the same id (balances after each movement).

use std::collections::HashMap;
use std::marker::PhantomData;

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::runtime::projection::{Fold, FoldError};
use crate::runtime::{ApplyError, Event, Table};

/// A table whose rows are only added. Its key is the id of the series and the position of the event.
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
    insert: String,
    row: PhantomData<fn() -> S>,
}

impl<S: Series> SeriesFold<S> {
    pub(super) fn new() -> Self {
        Self { latest: S::TABLE.select_latest(), insert: S::TABLE.insert(), row: PhantomData }
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
        connection: &'a mut PgConnection,
        tenant_id: TenantId,
        events: &'a [Event<'a>],
    ) -> BoxFuture<'a, Result<(), FoldError>> {
        Box::pin(async move {
            let ids = events.iter().map(S::ids).collect::<Result<Vec<_>, _>>()?;
            let mut touched: Vec<Uuid> = ids.iter().flatten().copied().collect();
            touched.sort_unstable();
            touched.dedup();
            if touched.is_empty() {
                return Ok(());
            }
            let stored: Vec<String> =
                sqlx::query_scalar(&self.latest).bind(tenant_id.uuid()).bind(&touched).fetch_all(&mut *connection).await?;
            let stored: Vec<S> =
                stored.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>().map_err(ApplyError::from)?;
            let latest = stored.into_iter().map(|row| (row.id(), row)).collect();
            let rows = continued::<S>(latest, events, &ids)?;
            sqlx::query(&self.insert)
                .bind(tenant_id.uuid())
                .bind(serde_json::to_string(&rows).map_err(ApplyError::from)?)
                .execute(connection)
                .await?;
            Ok(())
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
