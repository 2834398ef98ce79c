//! The journal lines of a wallet with running balances (LED-17, LED-20). Balances are stored after every movement, so a
//! page costs its own lines, not those before it.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{PartyId, TenantId, WalletId};
use holdfast_domain::ledger::Side;
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger;
use crate::query::{Direction, List, Page, QueryError, Read, Reading, shown};
use crate::wallet::PROJECTION;
use crate::wallet::balances::position_before;
use crate::wallet::queries::find;

#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Booked at or after.
    pub from: Option<DateTime<Utc>>,
    /// Booked before.
    pub to: Option<DateTime<Utc>>,
    pub ref_type: Option<String>,
    pub direction: Option<Side>,
}

/// One journal line of the wallet.
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
    /// The value date: when it happened.
    pub occurred_at: DateTime<Utc>,
    /// When the log took it: what periods go by (MNY-55).
    pub recorded_at: DateTime<Utc>,
}

/// Which lines, by positions of the log: after the first, up to and with the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    pub(crate) after: Option<i64>,
    pub(crate) last: Option<i64>,
}

/// The wallet's journal lines with running balances, newest first. None as for [`super::balance`].
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
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION, ledger::PROJECTION]).await?;
    if find(&mut reading, wallet_id, owner).await?.is_none() {
        return reading.end(None).await;
    }
    let after = match filter.from {
        Some(from) => Some(position_before(&mut reading, wallet_id, from).await?),
        None => None,
    };
    let last = match filter.to {
        Some(to) => Some(position_before(&mut reading, wallet_id, to).await?),
        None => None,
    };
    let list = lines(&mut reading, wallet_id, Positions { after, last }, filter, Direction::Desc, page).await?;
    reading.end(Some(list)).await
}

/// One page of lines. Each balance is the one stored after its event, less the lines of the event that follow.
pub(crate) async fn lines(
    reading: &mut Reading,
    wallet_id: WalletId,
    range: Positions,
    filter: &EntryFilter,
    direction: Direction,
    page: &Page,
) -> Result<List<WalletEntry>, QueryError> {
    let sort = format!("wallet_entries:{}", direction.sql());
    let cursor: Option<(i64, i16)> = page.after(&sort)?;
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT l.entry_id, l.line, l.position, e.kind, l.code AS account, l.place, l.side AS direction, l.amount, l.currency,
                CASE l.place WHEN 'available' THEN b.available WHEN 'held' THEN b.held ELSE b.pending END - later.in_place AS place_balance,
                b.available + b.held + b.pending - later.in_wallet AS balance,
                l.ref_type, l.ref_id, l.occurred_at, l.recorded_at
         FROM (SELECT tenant_id, entry_id, line, position, wallet_id, code, place, side, amount, currency, ref_type, ref_id, occurred_at, recorded_at
               FROM journal_lines WHERE tenant_id = ",
    );
    sql.push_bind(reading.tenant_id.uuid()).push(" AND wallet_id = ").push_bind(wallet_id.uuid());
    if let Some(after) = range.after {
        sql.push(" AND position > ").push_bind(after);
    }
    if let Some(last) = range.last {
        sql.push(" AND position <= ").push_bind(last);
    }
    if let Some((position, line)) = cursor {
        sql.push(format!(" AND (position, line) {} (", direction.beyond())).push_bind(position).push(", ").push_bind(line).push(")");
    }
    if let Some(ref_type) = &filter.ref_type {
        sql.push(" AND ref_type = ").push_bind(ref_type);
    }
    if let Some(side) = filter.direction {
        sql.push(" AND side = ").push_bind(ledger::side_name(side));
    }
    let order = direction.sql();
    sql.push(format!(" ORDER BY position {order}, line {order} LIMIT ")).push_bind(page.fetch());
    sql.push(format!(
        ") l
         JOIN journal_entries e ON e.tenant_id = l.tenant_id AND e.position = l.position
         JOIN wallet_balances b ON b.tenant_id = l.tenant_id AND b.wallet_id = l.wallet_id AND b.position = l.position
         CROSS JOIN LATERAL (
             SELECT coalesce(sum(signed), 0) AS in_wallet, coalesce(sum(signed) FILTER (WHERE place = l.place), 0) AS in_place
             FROM (SELECT n.place, CASE n.side WHEN 'credit' THEN n.amount ELSE -n.amount END AS signed FROM journal_lines n
                   WHERE n.tenant_id = l.tenant_id AND n.wallet_id = l.wallet_id AND n.position = l.position AND n.line > l.line) following
         ) later
         ORDER BY l.position {order}, l.line {order}"
    ));
    let rows: Vec<WalletEntry> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let rows = rows.into_iter().map(WalletEntry::exact).collect();
    page.list(&sort, rows, |row| (row.position, row.line))
}

impl WalletEntry {
    fn exact(mut self) -> Self {
        for amount in [&mut self.amount, &mut self.place_balance, &mut self.balance] {
            *amount = shown(*amount, &self.currency);
        }
        self
    }
}
