//! Lists of escrows: by filter, and by what is due (ESC-11, ESC-85).

use chrono::{DateTime, Utc};
use holdfast_domain::escrow::EscrowStatus;
use holdfast_domain::kernel::{BookingId, ContractId, PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::escrow::summary::StoredEscrow;
use crate::escrow::{EscrowSummary, PROJECTION};
use crate::query::{Direction, List, Page, QueryError, Read, Reading};

/// Who sees an escrow as its own, for `a`, an event of it.
pub(crate) const PARTIES: &str =
    "SELECT ARRAY[e.payer_id, e.payee_id] FROM escrows e WHERE e.tenant_id = a.tenant_id AND e.escrow_id = a.entity_id";

/// Every field narrows the list.
#[derive(Debug, Clone, Default)]
pub struct EscrowFilter {
    pub status: Option<EscrowStatus>,
    pub contract_id: Option<ContractId>,
    pub booking_id: Option<BookingId>,
    pub payer_id: Option<PartyId>,
    pub payee_id: Option<PartyId>,
    /// Created at or after.
    pub from: Option<DateTime<Utc>>,
    /// Created before.
    pub to: Option<DateTime<Utc>>,
    /// Only escrows of which this one is payer or payee: what somebody without `escrow.read` may see.
    pub party: Option<PartyId>,
}

/// ESC-85. The default is newest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EscrowSort {
    pub by: EscrowSortField,
    pub direction: Direction,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EscrowSortField {
    #[default]
    CreatedAt,
    Amount,
    /// Escrows for which no such time runs come last.
    AutoReleaseAt,
}

impl std::str::FromStr for EscrowSort {
    type Err = UnknownSort;

    /// `created_at:desc`; without a direction, ascending.
    fn from_str(text: &str) -> Result<Self, UnknownSort> {
        let (by, direction) = text.split_once(':').unwrap_or((text, "asc"));
        let by = match by {
            "created_at" => EscrowSortField::CreatedAt,
            "amount" => EscrowSortField::Amount,
            "auto_release_at" => EscrowSortField::AutoReleaseAt,
            _ => return Err(UnknownSort),
        };
        let direction = match direction {
            "asc" => Direction::Asc,
            "desc" => Direction::Desc,
            _ => return Err(UnknownSort),
        };
        Ok(Self { by, direction })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sort is created_at, amount or auto_release_at, then :asc or :desc")]
pub struct UnknownSort;

impl EscrowSort {
    /// Never null, so that a cursor can compare with it.
    const fn expression(self) -> &'static str {
        match (self.by, self.direction) {
            (EscrowSortField::CreatedAt, _) => "created_at",
            (EscrowSortField::Amount, _) => "amount",
            (EscrowSortField::AutoReleaseAt, Direction::Asc) => "coalesce(auto_release_at, 'infinity')",
            (EscrowSortField::AutoReleaseAt, Direction::Desc) => "coalesce(auto_release_at, '-infinity')",
        }
    }

    const fn sql_type(self) -> &'static str {
        match self.by {
            EscrowSortField::CreatedAt | EscrowSortField::AutoReleaseAt => "timestamptz",
            EscrowSortField::Amount => "numeric",
        }
    }

    /// The row's place in this sort, as text that the database reads back exactly.
    fn place(self, row: &StoredEscrow) -> String {
        match (self.by, row.auto_release_at, self.direction) {
            (EscrowSortField::CreatedAt, ..) => row.created_at.to_rfc3339(),
            (EscrowSortField::Amount, ..) => row.amount.to_string(),
            (EscrowSortField::AutoReleaseAt, Some(at), _) => at.to_rfc3339(),
            (EscrowSortField::AutoReleaseAt, None, Direction::Asc) => "infinity".to_owned(),
            (EscrowSortField::AutoReleaseAt, None, Direction::Desc) => "-infinity".to_owned(),
        }
    }
}

impl std::fmt::Display for EscrowSort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let by = match self.by {
            EscrowSortField::CreatedAt => "created_at",
            EscrowSortField::Amount => "amount",
            EscrowSortField::AutoReleaseAt => "auto_release_at",
        };
        write!(f, "{by}:{}", self.direction.sql().to_lowercase())
    }
}

/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(
    pool: &Pool,
    tenant_id: TenantId,
    filter: &EscrowFilter,
    sort: EscrowSort,
    page: &Page,
) -> Result<Read<List<EscrowSummary>>, QueryError> {
    let sort_name = format!("escrows:{sort}");
    let after: Option<(String, Uuid)> = page.after(&sort_name)?;
    let mut sql = select_escrows(tenant_id);
    narrow(&mut sql, filter);
    let (expression, direction) = (sort.expression(), sort.direction);
    if let Some((place, escrow_id)) = after {
        sql.push(format!(" AND ({expression}, escrow_id) {} (", direction.beyond())).push_bind(place);
        sql.push(format!("::text::{}, ", sort.sql_type())).push_bind(escrow_id).push(")");
    }
    sql.push(format!(" ORDER BY {expression} {0}, escrow_id {0} LIMIT ", direction.sql())).push_bind(page.fetch());
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let rows: Vec<StoredEscrow> = sql.build_query_as().fetch_all(reading.connection()).await.map_err(cursor_or_database)?;
    let list = page.list(&sort_name, rows, |row| (sort.place(row), row.escrow_id))?;
    reading.end(list.try_map(|row| row.summary())?).await
}

fn select_escrows<'q>(tenant_id: TenantId) -> QueryBuilder<'q, Postgres> {
    let mut sql = QueryBuilder::new(format!("SELECT {} FROM escrows WHERE tenant_id = ", StoredEscrow::COLUMNS));
    sql.push_bind(tenant_id.uuid());
    sql
}

fn narrow(sql: &mut QueryBuilder<'_, Postgres>, filter: &EscrowFilter) {
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    let ids = [
        ("contract_id", filter.contract_id.map(ContractId::uuid)),
        ("booking_id", filter.booking_id.map(BookingId::uuid)),
        ("payer_id", filter.payer_id.map(PartyId::uuid)),
        ("payee_id", filter.payee_id.map(PartyId::uuid)),
    ];
    for (column, id) in ids {
        if let Some(id) = id {
            sql.push(format!(" AND {column} = ")).push_bind(id);
        }
    }
    if let Some(from) = filter.from {
        sql.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND created_at < ").push_bind(to);
    }
    if let Some(party) = filter.party {
        sql.push(" AND (payer_id = ").push_bind(party.uuid()).push(" OR payee_id = ").push_bind(party.uuid()).push(")");
    }
}

/// A cursor's text that the database cannot read is the caller's doing.
fn cursor_or_database(error: sqlx::Error) -> QueryError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.is_some_and(|code| code.starts_with("22")) { QueryError::InvalidCursor } else { error.into() }
}

/// Which clock is asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DueKind {
    /// Any deadline (MNY-17).
    #[default]
    Any,
    /// Will be approved or settled by itself (ESC-60).
    AutoRelease,
    /// Work that must be delivered (ESC-67).
    Sla,
}

#[derive(Debug, Clone, Default)]
pub struct DueFilter {
    pub kind: DueKind,
    /// Due at or before; none: whenever.
    pub until: Option<DateTime<Utc>>,
    pub party: Option<PartyId>,
}

/// Escrows whose clock runs, the most urgent first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn due(pool: &Pool, tenant_id: TenantId, filter: &DueFilter, page: &Page) -> Result<Read<List<EscrowSummary>>, QueryError> {
    let (column, sort_name) = match filter.kind {
        DueKind::Any => ("next_deadline_at", "due"),
        DueKind::AutoRelease => ("auto_release_at", "due_auto_release"),
        DueKind::Sla => ("sla_due_at", "due_sla"),
    };
    let after: Option<(DateTime<Utc>, Uuid)> = page.after(sort_name)?;
    let mut sql = select_escrows(tenant_id);
    sql.push(format!(" AND {column} IS NOT NULL"));
    narrow(&mut sql, &EscrowFilter { party: filter.party, ..EscrowFilter::default() });
    if let Some(until) = filter.until {
        sql.push(format!(" AND {column} <= ")).push_bind(until);
    }
    if let Some((at, escrow_id)) = after {
        sql.push(format!(" AND ({column}, escrow_id) > (")).push_bind(at).push(", ").push_bind(escrow_id).push(")");
    }
    sql.push(format!(" ORDER BY {column}, escrow_id LIMIT ")).push_bind(page.fetch());
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let rows: Vec<StoredEscrow> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let list = page.list(sort_name, rows, |row| {
        let at = match filter.kind {
            DueKind::Any => row.next_deadline_at,
            DueKind::AutoRelease => row.auto_release_at,
            DueKind::Sla => row.sla_due_at,
        };
        (at, row.escrow_id)
    })?;
    reading.end(list.try_map(|row| row.summary())?).await
}
