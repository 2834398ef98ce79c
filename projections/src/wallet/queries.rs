//! Questions about wallets (LED-15..17).

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId, WalletId};
use holdfast_domain::ledger::Side;
use holdfast_domain::wallet::{OwnerType, WalletStatus};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger;
use crate::query::{List, Page, QueryError, Read, Reading, shown};
use crate::wallet::PROJECTION;

/// Every field narrows the list; none shows all wallets of the tenant.
#[derive(Debug, Clone, Default)]
pub struct WalletFilter {
    pub owner_type: Option<OwnerType>,
    pub owner_id: Option<PartyId>,
    pub currency: Option<String>,
    pub status: Option<WalletStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct WalletSummary {
    #[sqlx(rename = "wallet_id")]
    pub id: Uuid,
    pub version: i64,
    /// `user`, `talent` or `tenant`.
    pub owner_type: String,
    pub owner_id: Uuid,
    pub currency: String,
    /// `active`, `frozen` or `closed`.
    pub status: String,
    #[schema(value_type = String, example = "120.00")]
    pub available: Decimal,
    #[schema(value_type = String)]
    pub held: Decimal,
    #[schema(value_type = String)]
    pub pending: Decimal,
    /// The part of `held` that the freeze holds.
    #[schema(value_type = String)]
    pub frozen: Decimal,
    pub opened_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// LED-16.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletBalance {
    pub wallet_id: Uuid,
    pub currency: String,
    pub status: String,
    #[schema(value_type = String, example = "120.00")]
    pub available: Decimal,
    #[schema(value_type = String)]
    pub held: Decimal,
    #[schema(value_type = String)]
    pub pending: Decimal,
    /// The position of the tenant's log that these amounts show.
    pub as_of_position: i64,
}

#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Booked at or after.
    pub from: Option<DateTime<Utc>>,
    /// Booked before.
    pub to: Option<DateTime<Utc>>,
    pub ref_type: Option<String>,
    pub direction: Option<Side>,
}

/// One journal line of the wallet; newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct WalletEntry {
    pub entry_id: Uuid,
    pub line: i16,
    pub position: i64,
    /// What kind of movement it is (`wallet_credited`).
    pub kind: String,
    /// The account's code (`L225`).
    pub account: String,
    /// `available`, `held` or `pending`.
    pub place: String,
    /// `debit` takes from the place, `credit` adds to it.
    pub direction: String,
    #[schema(value_type = String, example = "120.00")]
    pub amount: Decimal,
    pub currency: String,
    /// What the place holds after this line.
    #[schema(value_type = String)]
    pub place_balance: Decimal,
    /// What the whole wallet holds after this line.
    #[schema(value_type = String)]
    pub balance: Decimal,
    pub ref_type: String,
    pub ref_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

const WALLET_COLUMNS: &str =
    "wallet_id, version, owner_type, owner_id, currency, status, available, held, pending, frozen, opened_at, updated_at";

/// Wallets with their balances, oldest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(pool: &Pool, tenant_id: TenantId, filter: &WalletFilter, page: &Page) -> Result<Read<List<WalletSummary>>, QueryError> {
    const SORT: &str = "wallets";
    let after: Option<(DateTime<Utc>, Uuid)> = page.after(SORT)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let mut sql = QueryBuilder::<Postgres>::new(format!("SELECT {WALLET_COLUMNS} FROM wallets WHERE tenant_id = "));
    sql.push_bind(tenant_id.uuid());
    if let Some(owner_type) = filter.owner_type {
        sql.push(" AND owner_type = ").push_bind(owner_type.as_str());
    }
    if let Some(owner_id) = filter.owner_id {
        sql.push(" AND owner_id = ").push_bind(owner_id.uuid());
    }
    if let Some(currency) = &filter.currency {
        sql.push(" AND currency = ").push_bind(currency);
    }
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some((opened_at, wallet_id)) = after {
        sql.push(" AND (opened_at, wallet_id) > (").push_bind(opened_at).push(", ").push_bind(wallet_id).push(")");
    }
    sql.push(" ORDER BY opened_at, wallet_id LIMIT ").push_bind(page.fetch());
    let rows: Vec<WalletSummary> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let rows = rows.into_iter().map(WalletSummary::exact).collect();
    reading.end(page.list(SORT, rows, |row| (row.opened_at, row.id))?).await
}

/// None when the tenant has no such wallet, or `owner` is somebody else.
///
/// # Errors
/// When the database does not answer.
pub async fn balance(
    pool: &Pool,
    tenant_id: TenantId,
    wallet_id: WalletId,
    owner: Option<PartyId>,
) -> Result<Read<Option<WalletBalance>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let wallet = find(&mut reading, wallet_id, owner).await?;
    let as_of_position = reading.position();
    let balance = wallet.map(|wallet| WalletBalance {
        wallet_id: wallet.id,
        currency: wallet.currency,
        status: wallet.status,
        available: wallet.available,
        held: wallet.held,
        pending: wallet.pending,
        as_of_position,
    });
    reading.end(balance).await
}

/// The wallet's journal lines with running balances, newest first. None as for [`balance`].
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn entries(
    pool: &Pool,
    tenant_id: TenantId,
    wallet_id: WalletId,
    owner: Option<PartyId>,
    filter: &EntryFilter,
    page: &Page,
) -> Result<Read<Option<List<WalletEntry>>>, QueryError> {
    const SORT: &str = "wallet_entries";
    let after: Option<(i64, i16)> = page.after(SORT)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION, ledger::PROJECTION]).await?;
    if find(&mut reading, wallet_id, owner).await?.is_none() {
        return reading.end(None).await;
    }
    // Balances run over all lines of the wallet, also those that the filter leaves out.
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT l.entry_id, l.line, l.position, e.kind, l.code AS account, l.place, l.side AS direction, l.amount, l.currency,
                l.place_balance, l.balance, l.ref_type, l.ref_id, l.occurred_at, l.recorded_at
         FROM (
             SELECT tenant_id, entry_id, line, position, code, place, side, amount, currency, ref_type, ref_id, occurred_at, recorded_at,
                    sum(CASE side WHEN 'credit' THEN amount ELSE -amount END) OVER (PARTITION BY place ORDER BY position, line) AS place_balance,
                    sum(CASE side WHEN 'credit' THEN amount ELSE -amount END) OVER (ORDER BY position, line) AS balance
             FROM journal_lines WHERE tenant_id = ",
    );
    sql.push_bind(tenant_id.uuid()).push(" AND wallet_id = ").push_bind(wallet_id.uuid());
    if let Some((position, _)) = after {
        sql.push(" AND position <= ").push_bind(position);
    }
    sql.push(") l JOIN journal_entries e ON e.tenant_id = l.tenant_id AND e.entry_id = l.entry_id WHERE true");
    if let Some((position, line)) = after {
        sql.push(" AND (l.position, l.line) < (").push_bind(position).push(", ").push_bind(line).push(")");
    }
    if let Some(from) = filter.from {
        sql.push(" AND l.recorded_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND l.recorded_at < ").push_bind(to);
    }
    if let Some(ref_type) = &filter.ref_type {
        sql.push(" AND l.ref_type = ").push_bind(ref_type);
    }
    if let Some(direction) = filter.direction {
        sql.push(" AND l.side = ").push_bind(ledger::side_name(direction));
    }
    sql.push(" ORDER BY l.position DESC, l.line DESC LIMIT ").push_bind(page.fetch());
    let rows: Vec<WalletEntry> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let rows = rows.into_iter().map(WalletEntry::exact).collect();
    let list = page.list(SORT, rows, |row| (row.position, row.line))?;
    reading.end(Some(list)).await
}

async fn find(reading: &mut Reading, wallet_id: WalletId, owner: Option<PartyId>) -> Result<Option<WalletSummary>, QueryError> {
    let tenant_id = reading.tenant_id;
    let row: Option<WalletSummary> = sqlx::query_as(&format!(
        "SELECT {WALLET_COLUMNS} FROM wallets WHERE tenant_id = $1 AND wallet_id = $2 AND ($3::uuid IS NULL OR owner_id = $3)"
    ))
    .bind(tenant_id.uuid())
    .bind(wallet_id.uuid())
    .bind(owner.map(PartyId::uuid))
    .fetch_optional(reading.connection())
    .await?;
    Ok(row.map(WalletSummary::exact))
}

impl WalletSummary {
    fn exact(mut self) -> Self {
        for amount in [&mut self.available, &mut self.held, &mut self.pending, &mut self.frozen] {
            *amount = shown(*amount, &self.currency);
        }
        self
    }
}

impl WalletEntry {
    fn exact(mut self) -> Self {
        for amount in [&mut self.amount, &mut self.place_balance, &mut self.balance] {
            *amount = shown(*amount, &self.currency);
        }
        self
    }
}
