//! Questions about statements. A period is a range of the wallet's positions: those after the last movement before its
//! start, up to the last before its end. So the closing of one month is the opening of the next by construction.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId, WalletId};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger;
use crate::query::{Direction, List, Page, QueryError, Read, Reading, shown};
use crate::statement::{Month, StatementId};
use crate::wallet::{self, EntryFilter, Held, Positions, WalletEntry, WalletSummary, held_before};

const PROJECTIONS: &[&str] = &[wallet::PROJECTION, ledger::PROJECTION];

/// One month of one wallet, without its lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatementSummary {
    pub id: String,
    pub wallet_id: Uuid,
    /// `user`, `talent` or `tenant`.
    pub owner_type: String,
    pub owner_id: Uuid,
    pub currency: String,
    /// The month, UTC.
    #[schema(example = "2026-03")]
    pub period: String,
    /// The first instant of it.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub to: DateTime<Utc>,
    /// True: the month is not over, and this will change.
    pub provisional: bool,
    /// Positions of the tenant's log: from the first that belongs to it, one after the last of the month before, to the
    /// wallet's last movement. An empty month ends one before it begins.
    pub from_position: i64,
    pub to_position: i64,
    pub opening: Place,
    pub closing: Place,
}

/// What a wallet holds, by place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    #[schema(value_type = String, example = "120.00")]
    pub available: Decimal,
    #[schema(value_type = String)]
    pub held: Decimal,
    #[schema(value_type = String)]
    pub pending: Decimal,
    #[schema(value_type = String)]
    pub total: Decimal,
}

/// What came and went by one kind of movement. Moves within the wallet count on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct StatementTotal {
    /// `wallet_credited` …
    pub kind: String,
    #[serde(rename = "in")]
    #[sqlx(rename = "came")]
    #[schema(value_type = String, example = "120.00")]
    pub came: Decimal,
    #[serde(rename = "out")]
    #[sqlx(rename = "went")]
    #[schema(value_type = String)]
    pub went: Decimal,
}

/// One month of one wallet (LED-20).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(flatten)]
    pub summary: StatementSummary,
    /// closing = opening + `totalIn` - `totalOut`.
    #[schema(value_type = String)]
    pub total_in: Decimal,
    #[schema(value_type = String)]
    pub total_out: Decimal,
    pub totals: Vec<StatementTotal>,
    /// Oldest first, each with its value date (`occurredAt`) and the instant by which it belongs here (`recordedAt`).
    pub lines: List<WalletEntry>,
}

/// At least one of both.
#[derive(Debug, Clone, Copy)]
pub enum StatementsWanted {
    /// The months of a wallet, newest first; all or one.
    OfWallet(WalletId, Option<Month>),
    /// Of all wallets, in the order of their opening.
    OfMonth(Month),
}

/// Complete months only. `owner`: whose wallets may be seen; none: everybody's.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(
    pool: &Pool,
    tenant_id: TenantId,
    wanted: StatementsWanted,
    owner: Option<PartyId>,
    now: DateTime<Utc>,
    page: &Page,
) -> Result<Read<List<StatementSummary>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, PROJECTIONS).await?;
    let reached = ledger_reached(&mut reading).await?;
    let list = match wanted {
        StatementsWanted::OfWallet(wallet_id, month) => {
            months_of(&mut reading, wallet_id, month, owner, |month| month.is_complete(reached, now), now, page).await?
        }
        StatementsWanted::OfMonth(month) if month.is_complete(reached, now) => wallets_of(&mut reading, month, owner, page).await?,
        StatementsWanted::OfMonth(_) => List { items: Vec::new(), next_cursor: None },
    };
    reading.end(list).await
}

async fn months_of(
    reading: &mut Reading,
    wallet_id: WalletId,
    wanted: Option<Month>,
    owner: Option<PartyId>,
    complete: impl Fn(Month) -> bool,
    now: DateTime<Utc>,
    page: &Page,
) -> Result<List<StatementSummary>, QueryError> {
    const SORT: &str = "statements_of_wallet";
    let cursor: Option<String> = page.after(SORT)?;
    let Some(wallet) = wallet::find(reading, wallet_id, owner).await? else { return page.list(SORT, Vec::new(), |_| ()) };
    let first = Month::of(wallet.opened_at);
    let last = match cursor {
        Some(cursor) => cursor.parse::<Month>().map_err(|_| QueryError::InvalidCursor)?.previous(),
        None => Month::of(now).previous(),
    };
    let months = std::iter::successors(Some(last), |month| Some(month.previous())).take_while(|month| *month >= first);
    let months = months.filter(|month| complete(*month) && wanted.is_none_or(|wanted| wanted == *month));
    let mut rows = Vec::new();
    for month in months.take(usize::try_from(page.fetch()).unwrap_or_default()) {
        rows.push(summary(reading, &wallet, month, false).await?.0);
    }
    page.list(SORT, rows, |row| row.period.clone())
}

/// Every wallet that was open before the month ended.
async fn wallets_of(
    reading: &mut Reading,
    month: Month,
    owner: Option<PartyId>,
    page: &Page,
) -> Result<List<StatementSummary>, QueryError> {
    const SORT: &str = "statements_of_month";
    let after: Option<(DateTime<Utc>, Uuid)> = page.after(SORT)?;
    let wallets: Vec<WalletSummary> = sqlx::query_as(
        "SELECT wallet_id, version, owner_type, owner_id, currency, status, available, held, pending, frozen, opened_at, updated_at
         FROM wallets
         WHERE tenant_id = $1 AND opened_at < $2 AND ($3::uuid IS NULL OR owner_id = $3)
           AND ($4::timestamptz IS NULL OR (opened_at, wallet_id) > ($4, $5::uuid))
         ORDER BY opened_at, wallet_id LIMIT $6",
    )
    .bind(reading.tenant_id.uuid())
    .bind(month.end())
    .bind(owner.map(PartyId::uuid))
    .bind(after.map(|(opened_at, _)| opened_at))
    .bind(after.map(|(_, wallet_id)| wallet_id))
    .bind(page.fetch())
    .fetch_all(reading.connection())
    .await?;
    let List { items, next_cursor } = page.list(SORT, wallets, |wallet| (wallet.opened_at, wallet.id))?;
    let mut rows = Vec::new();
    for wallet in &items {
        rows.push(summary(reading, wallet, month, false).await?.0);
    }
    Ok(List { items: rows, next_cursor })
}

/// None when the wallet is unknown or somebody else's, was not open yet, or the month is not over; with `provisional`
/// also the month that runs.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn statement(
    pool: &Pool,
    tenant_id: TenantId,
    id: StatementId,
    owner: Option<PartyId>,
    provisional: bool,
    now: DateTime<Utc>,
    page: &Page,
) -> Result<Read<Option<Statement>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, PROJECTIONS).await?;
    let Some(wallet) = wallet::find(&mut reading, id.wallet_id, owner).await? else { return reading.end(None).await };
    let reached = ledger_reached(&mut reading).await?;
    let complete = id.month.is_complete(reached, now);
    let runs = provisional && id.month.start() <= now;
    if id.month < Month::of(wallet.opened_at) || !(complete || runs) {
        return reading.end(None).await;
    }
    let (summary, range) = summary(&mut reading, &wallet, id.month, !complete).await?;
    let totals = totals(&mut reading, id.wallet_id, range, &summary.currency).await?;
    let lines = wallet::lines(&mut reading, id.wallet_id, range, &EntryFilter::default(), Direction::Asc, page).await?;
    let zero = shown(Decimal::ZERO, &summary.currency);
    let (total_in, total_out) = totals.iter().fold((zero, zero), |(came, went), total| (came + total.came, went + total.went));
    reading.end(Some(Statement { summary, total_in, total_out, totals, lines })).await
}

/// The next lines of a statement, for those who read all of them.
///
/// # Errors
/// When the database does not answer.
pub async fn line_page(
    pool: &Pool,
    tenant_id: TenantId,
    statement: &StatementSummary,
    page: &Page,
) -> Result<List<WalletEntry>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, PROJECTIONS).await?;
    let range = Positions { after: Some(statement.from_position - 1), last: Some(statement.to_position) };
    let wallet_id = WalletId(statement.wallet_id);
    let lines = wallet::lines(&mut reading, wallet_id, range, &EntryFilter::default(), Direction::Asc, page).await?;
    Ok(reading.end(lines).await?.value)
}

async fn summary(
    reading: &mut Reading,
    wallet: &WalletSummary,
    month: Month,
    provisional: bool,
) -> Result<(StatementSummary, Positions), QueryError> {
    let wallet_id = WalletId(wallet.id);
    let opening = held_before(reading, wallet_id, month.start()).await?;
    let closing = held_before(reading, wallet_id, month.end()).await?;
    let summary = StatementSummary {
        id: StatementId { wallet_id, month }.to_string(),
        wallet_id: wallet.id,
        owner_type: wallet.owner_type.clone(),
        owner_id: wallet.owner_id,
        currency: wallet.currency.clone(),
        period: month.to_string(),
        from: month.start(),
        to: month.end(),
        provisional,
        from_position: opening.position + 1,
        to_position: closing.position,
        opening: Place::of(opening, &wallet.currency),
        closing: Place::of(closing, &wallet.currency),
    };
    Ok((summary, Positions { after: Some(opening.position), last: Some(closing.position) }))
}

impl Place {
    fn of(held: Held, currency: &str) -> Self {
        let exact = |amount| shown(amount, currency);
        let Held { available, held, pending, .. } = held;
        Self { available: exact(available), held: exact(held), pending: exact(pending), total: exact(available + held + pending) }
    }
}

async fn totals(reading: &mut Reading, wallet_id: WalletId, range: Positions, currency: &str) -> Result<Vec<StatementTotal>, QueryError> {
    let totals: Vec<StatementTotal> = sqlx::query_as(
        "SELECT e.kind, coalesce(sum(l.amount) FILTER (WHERE l.side = 'credit'), 0) AS came,
                coalesce(sum(l.amount) FILTER (WHERE l.side = 'debit'), 0) AS went
         FROM journal_lines l JOIN journal_entries e ON e.tenant_id = l.tenant_id AND e.position = l.position
         WHERE l.tenant_id = $1 AND l.wallet_id = $2 AND l.position > $3 AND l.position <= $4
         GROUP BY e.kind ORDER BY e.kind",
    )
    .bind(reading.tenant_id.uuid())
    .bind(wallet_id.uuid())
    .bind(range.after)
    .bind(range.last)
    .fetch_all(reading.connection())
    .await?;
    let exact = |total: StatementTotal| StatementTotal { came: shown(total.came, currency), went: shown(total.went, currency), ..total };
    Ok(totals.into_iter().map(exact).collect())
}

/// When the last entry was recorded that the ledger has: everything before is there.
async fn ledger_reached(reading: &mut Reading) -> Result<Option<DateTime<Utc>>, QueryError> {
    let reached = sqlx::query_scalar("SELECT recorded_at FROM journal_entries WHERE tenant_id = $1 ORDER BY position DESC LIMIT 1")
        .bind(reading.tenant_id.uuid())
        .fetch_optional(reading.connection())
        .await?;
    Ok(reached)
}
