//! What all queries share: positions, pages, cursors, one tenant's read-only transaction.

mod by_key;

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::kernel::{Currency, EscrowId, TenantId};
use holdfast_eventlog::db::{Pool, TenantRead};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

pub use by_key::{ByKey, Keyed};

/// An answer and the position of the tenant's log that it shows at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    pub position: i64,
    pub value: T,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; none on the last one.
    pub next_cursor: Option<String>,
}

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// 1..=[`Page::MAX`].
    limit: usize,
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Asc,
    #[default]
    Desc,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("limit must be between 1 and {}", Page::MAX)]
    InvalidLimit,
    /// Malformed, or made by a query with another sort.
    #[error("this cursor does not belong to this query")]
    InvalidCursor,
    #[error("the read database did not answer")]
    Database(#[from] sqlx::Error),
    /// A row that this version of the program cannot read.
    #[error("a stored row cannot be read")]
    Unreadable(#[from] serde_json::Error),
    #[error("escrow {0} has a row and no terms")]
    NoTerms(EscrowId),
    /// Of a statement that several readers shared.
    #[error(transparent)]
    Together(Arc<QueryError>),
}

impl Page {
    pub const MAX: usize = 200;
    pub const DEFAULT: usize = 50;

    /// # Errors
    /// `InvalidLimit` outside 1..=200. No limit: 50.
    pub fn try_new(limit: Option<usize>, cursor: Option<String>) -> Result<Self, QueryError> {
        let limit = limit.unwrap_or(Self::DEFAULT);
        if !(1..=Self::MAX).contains(&limit) {
            return Err(QueryError::InvalidLimit);
        }
        Ok(Self { limit, cursor })
    }

    /// Where the last page ended; none for the first.
    ///
    /// # Errors
    /// `InvalidCursor` when it was not made for `sort`.
    pub fn after<C: DeserializeOwned>(&self, sort: &str) -> Result<Option<C>, QueryError> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| QueryError::InvalidCursor)?;
        let (made_for, end): (String, C) = serde_json::from_slice(&bytes).map_err(|_| QueryError::InvalidCursor)?;
        if made_for == sort { Ok(Some(end)) } else { Err(QueryError::InvalidCursor) }
    }

    /// One more row than the page holds tells whether there is another page.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::try_from(self.limit + 1).unwrap_or(i64::MAX)
    }

    /// `rows` as fetched with [`Page::fetch`]; `end` names a row's place in the sort.
    ///
    /// # Errors
    /// When the place cannot be written down.
    pub fn list<R, C: Serialize>(&self, sort: &str, mut rows: Vec<R>, end: impl Fn(&R) -> C) -> Result<List<R>, QueryError> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = match rows.last() {
            Some(last) if more => Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(sort, end(last)))?)),
            _ => None,
        };
        Ok(List { items: rows, next_cursor })
    }
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: Self::DEFAULT, cursor: None }
    }
}

impl<T> List<T> {
    pub(crate) fn try_map<U>(self, map: impl FnMut(T) -> Result<U, QueryError>) -> Result<List<U>, QueryError> {
        Ok(List { items: self.items.into_iter().map(map).collect::<Result<_, _>>()?, next_cursor: self.next_cursor })
    }
}

impl Direction {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Asc => "ASC",
            Self::Desc => "DESC",
        }
    }

    /// What a row after the cursor compares as.
    pub(crate) fn beyond(self) -> &'static str {
        match self {
            Self::Asc => ">",
            Self::Desc => "<",
        }
    }
}

/// A read-only transaction that sees one tenant, and the position that its rows show at least.
pub(crate) struct Reading {
    read: TenantRead,
    pub(crate) tenant_id: TenantId,
    position: i64,
}

impl Reading {
    /// Reads the checkpoints before any row: what is read later can only be newer. The least projection counts.
    pub(crate) async fn begin(pool: &Pool, tenant_id: TenantId, projections: &[&str]) -> Result<Self, QueryError> {
        let mut read = pool.tenant_read(tenant_id).await?;
        let position = least_position(&mut read, tenant_id, projections).await?;
        Ok(Self { read, tenant_id, position })
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.read
    }

    pub(crate) fn position(&self) -> i64 {
        self.position
    }

    pub(crate) async fn end<T>(self, value: T) -> Result<Read<T>, QueryError> {
        self.read.end().await?;
        Ok(Read { position: self.position, value })
    }
}

/// 0 where a projection has not begun. What an earlier reader of the same transaction has seen is good enough, if that was after
/// this one came: it shows all that this one may ask for.
async fn least_position(read: &mut TenantRead, tenant_id: TenantId, projections: &[&str]) -> Result<i64, sqlx::Error> {
    let seen = |read: &TenantRead| projections.iter().map(|name| read.seen(name)).min().flatten();
    if let Some(position) = seen(read) {
        return Ok(position);
    }
    let asked = Instant::now();
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT wanted.projection, coalesce(c.position, 0)
         FROM unnest($2::text[]) AS wanted (projection)
         LEFT JOIN projection_checkpoints c ON c.tenant_id = $1 AND c.projection = wanted.projection",
    )
    .bind(tenant_id.uuid())
    .bind(projections)
    .fetch_all(&mut **read)
    .await?;
    for (projection, position) in rows {
        read.note(projection, position, asked);
    }
    Ok(seen(read).unwrap_or_default())
}

/// The amount with exactly the currency's decimals, as answers show it.
pub(crate) fn shown(mut amount: Decimal, currency: &str) -> Decimal {
    if let Ok(currency) = currency.parse::<Currency>() {
        amount.rescale(currency.exponent());
    }
    amount
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_on_where_the_page_ended_and_only_in_its_own_sort() {
        let page = Page::try_new(Some(2), None).unwrap();
        let list = page.list("created_at:desc", vec![3, 2, 1], |n| *n).unwrap();
        assert_eq!(list.items, [3, 2]);
        let next = Page::try_new(Some(2), list.next_cursor).unwrap();
        assert_eq!(next.after::<i32>("created_at:desc").unwrap(), Some(2));
        assert!(matches!(next.after::<i32>("amount:desc"), Err(QueryError::InvalidCursor)));
        assert_eq!(next.list("created_at:desc", vec![1], |n| *n).unwrap().next_cursor, None);
        assert!(matches!(Page::try_new(Some(2), Some("x!".into())).unwrap().after::<i32>("a"), Err(QueryError::InvalidCursor)));
        assert!(matches!(Page::try_new(Some(201), None), Err(QueryError::InvalidLimit)));
        assert!(matches!(Page::try_new(Some(0), None), Err(QueryError::InvalidLimit)));
    }

    #[test]
    fn amounts_are_shown_with_their_currencys_decimals() {
        assert_eq!(shown(Decimal::ZERO, "KWD").to_string(), "0.000");
        assert_eq!(shown(Decimal::new(125, 1), "EUR").to_string(), "12.50");
    }
}
