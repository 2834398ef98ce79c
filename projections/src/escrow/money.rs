//! What happened to the money of escrows (ESC-03, ESC-04, ESC-28).

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{EscrowId, PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::escrow::detail::find;
use crate::escrow::{PROJECTION, TransactionKind};
use crate::ledger::{self, JournalEntryView, entries_of};
use crate::query::{List, Page, QueryError, Read, Reading, shown};

/// ESC-28: derived from what the escrow's events booked, never calculated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscrowLedger {
    pub escrow_id: Uuid,
    pub currency: String,
    #[schema(value_type = String, example = "1000.00")]
    pub funded_amount: Decimal,
    #[schema(value_type = String)]
    pub released_amount: Decimal,
    #[schema(value_type = String)]
    pub refunded_amount: Decimal,
    #[schema(value_type = String)]
    pub penalty_amount: Decimal,
    #[schema(value_type = String)]
    pub open_amount: Decimal,
    #[schema(value_type = String)]
    pub contested_amount: Decimal,
    #[schema(value_type = String)]
    pub in_transit: Decimal,
    /// Oldest first.
    pub entries: Vec<JournalEntryView>,
}

/// None when the tenant has no such escrow, or `party` is neither its payer nor its payee.
///
/// # Errors
/// When the database does not answer.
pub async fn ledger(
    pool: &Pool,
    tenant_id: TenantId,
    escrow_id: EscrowId,
    party: Option<PartyId>,
) -> Result<Read<Option<EscrowLedger>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION, ledger::PROJECTION]).await?;
    let Some(stored) = find(&mut reading, escrow_id, party).await? else { return reading.end(None).await };
    let summary = stored.summary()?;
    let entries = entries_of(&mut reading, "escrow", escrow_id.uuid()).await?;
    let view = EscrowLedger {
        escrow_id: summary.id,
        currency: summary.currency,
        funded_amount: summary.funded_amount,
        released_amount: summary.released_amount,
        refunded_amount: summary.refunded_amount,
        penalty_amount: summary.penalty_amount,
        open_amount: summary.open_amount,
        contested_amount: summary.contested_amount,
        in_transit: summary.in_transit,
        entries,
    };
    reading.end(Some(view)).await
}

#[derive(Debug, Clone, Default)]
pub struct TransactionFilter {
    pub escrow_id: Option<EscrowId>,
    pub kind: Option<TransactionKind>,
    pub party: Option<PartyId>,
}

/// ESC-04.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct EscrowTransaction {
    /// The event's id.
    #[sqlx(rename = "event_id")]
    pub id: Uuid,
    pub escrow_id: Uuid,
    pub position: i64,
    /// `fund`, `release`, `refund` or `penalty`.
    pub kind: String,
    pub payer_id: Uuid,
    pub payee_id: Uuid,
    pub contract_id: Uuid,
    pub booking_id: Option<Uuid>,
    pub sponsorship_order_id: Option<Uuid>,
    #[schema(value_type = String, example = "1000.00")]
    pub amount: Decimal,
    pub currency: String,
    /// The journal entry that books it.
    pub ledger_entry_id: Uuid,
    pub at: DateTime<Utc>,
}

/// Newest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn transactions(
    pool: &Pool,
    tenant_id: TenantId,
    filter: &TransactionFilter,
    page: &Page,
) -> Result<Read<List<EscrowTransaction>>, QueryError> {
    const SORT: &str = "escrow_transactions";
    let after: Option<i64> = page.after(SORT)?;
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT t.event_id, t.escrow_id, t.position, t.kind, e.payer_id, e.payee_id, e.contract_id, e.booking_id, e.sponsorship_order_id,
                t.amount, t.currency, t.ledger_entry_id, t.at
         FROM escrow_transactions t JOIN escrows e ON e.tenant_id = t.tenant_id AND e.escrow_id = t.escrow_id
         WHERE t.tenant_id = ",
    );
    sql.push_bind(tenant_id.uuid());
    if let Some(escrow_id) = filter.escrow_id {
        sql.push(" AND t.escrow_id = ").push_bind(escrow_id.uuid());
    }
    if let Some(kind) = filter.kind {
        sql.push(" AND t.kind = ").push_bind(kind.as_str());
    }
    if let Some(party) = filter.party {
        sql.push(" AND (e.payer_id = ").push_bind(party.uuid()).push(" OR e.payee_id = ").push_bind(party.uuid()).push(")");
    }
    if let Some(position) = after {
        sql.push(" AND t.position < ").push_bind(position);
    }
    sql.push(" ORDER BY t.position DESC LIMIT ").push_bind(page.fetch());
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let rows: Vec<EscrowTransaction> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let rows = rows.into_iter().map(|row| EscrowTransaction { amount: shown(row.amount, &row.currency), ..row }).collect();
    reading.end(page.list(SORT, rows, |row| row.position)?).await
}

#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    pub escrow_id: Option<EscrowId>,
    /// Only those that hold something.
    pub funded_only: bool,
}

/// ESC-03, LED-10: what the ledger says that an escrow holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct EscrowAccount {
    pub escrow_id: Uuid,
    pub currency: String,
    /// Open and contested together (L210 + L215).
    #[schema(value_type = String, example = "1000.00")]
    pub balance: Decimal,
    /// The contested part (L215), which only a decision moves.
    #[schema(value_type = String, example = "0.00")]
    pub locked_balance: Decimal,
}

/// By escrow.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn accounts(
    pool: &Pool,
    tenant_id: TenantId,
    filter: &AccountFilter,
    page: &Page,
) -> Result<Read<List<EscrowAccount>>, QueryError> {
    const SORT: &str = "escrow_accounts";
    let after: Option<Uuid> = page.after(SORT)?;
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT owner_id AS escrow_id, currency, sum(balance) AS balance,
                coalesce(sum(balance) FILTER (WHERE code = 'L215'), 0) AS locked_balance
         FROM accounts WHERE code IN ('L210', 'L215') AND owner_id IS NOT NULL AND tenant_id = ",
    );
    sql.push_bind(tenant_id.uuid());
    if let Some(escrow_id) = filter.escrow_id {
        sql.push(" AND owner_id = ").push_bind(escrow_id.uuid());
    }
    if let Some(escrow_id) = after {
        sql.push(" AND owner_id > ").push_bind(escrow_id);
    }
    sql.push(" GROUP BY owner_id, currency");
    if filter.funded_only {
        sql.push(" HAVING sum(balance) <> 0");
    }
    sql.push(" ORDER BY owner_id LIMIT ").push_bind(page.fetch());
    let mut reading = Reading::begin(pool, tenant_id, &[ledger::PROJECTION]).await?;
    let rows: Vec<EscrowAccount> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let exact = |row: EscrowAccount| EscrowAccount {
        balance: shown(row.balance, &row.currency),
        locked_balance: shown(row.locked_balance, &row.currency),
        ..row
    };
    let rows = rows.into_iter().map(exact).collect();
    reading.end(page.list(SORT, rows, |row| row.escrow_id)?).await
}
