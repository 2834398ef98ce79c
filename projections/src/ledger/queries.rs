//! Questions about the ledger: does it balance (LED-25), what stands where (LED-80), what did an aggregate book.

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger::PROJECTION;
use crate::query::{QueryError, Read, Reading, shown};

/// Where every unit is, per currency and account code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialBalance {
    pub currencies: Vec<CurrencyTotals>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrencyTotals {
    pub currency: String,
    #[schema(value_type = String, example = "1000.00")]
    pub debits: Decimal,
    #[schema(value_type = String, example = "1000.00")]
    pub credits: Decimal,
    /// Must be zero (LED-61).
    #[schema(value_type = String, example = "0.00")]
    pub difference: Decimal,
    pub accounts: Vec<AccountTotals>,
}

/// All accounts of one code in one currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct AccountTotals {
    pub code: String,
    pub name: String,
    pub kind: String,
    /// The side on which its balance grows: `debit` or `credit`.
    pub normal_side: String,
    #[serde(skip)]
    currency: String,
    #[schema(value_type = String)]
    pub debits: Decimal,
    #[schema(value_type = String)]
    pub credits: Decimal,
    /// On the normal side.
    #[schema(value_type = String)]
    pub balance: Decimal,
    /// How many accounts.
    pub accounts: i64,
    /// How many of them are not at zero.
    pub open: i64,
}

/// LED-25.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerHealth {
    /// True when no currency has a difference.
    pub balanced: bool,
    pub currencies: Vec<CurrencyTotals>,
    /// How many events the ledger is behind the tenant's log; none where the head is not known.
    pub lag: Option<i64>,
    /// True when the ledger has stopped for this tenant at an event that does not fit.
    pub stopped: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntryView {
    pub entry_id: Uuid,
    pub event_id: Uuid,
    pub position: i64,
    /// What kind of movement it is (`escrow_released`).
    pub kind: String,
    pub ref_type: String,
    pub ref_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub lines: Vec<JournalLineView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalLineView {
    /// The account's code (`L210`).
    pub account: String,
    /// The account's name (`escrow`).
    pub account_name: String,
    pub owner_id: Option<Uuid>,
    pub detail: String,
    /// `debit` or `credit`.
    pub direction: String,
    #[schema(value_type = String, example = "950.00")]
    pub amount: Decimal,
    pub currency: String,
}

/// # Errors
/// When the database does not answer.
pub async fn trial_balance(pool: &Pool, tenant_id: TenantId) -> Result<Read<TrialBalance>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let currencies = totals(&mut reading).await?;
    reading.end(TrialBalance { currencies }).await
}

/// `head`: the last position of the tenant's log, where the caller knows it.
///
/// # Errors
/// When the database does not answer.
pub async fn health(pool: &Pool, tenant_id: TenantId, head: Option<i64>) -> Result<Read<LedgerHealth>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let currencies = totals(&mut reading).await?;
    let stopped = sqlx::query_scalar("SELECT EXISTS (SELECT FROM projection_failures WHERE tenant_id = $1 AND projection = $2)")
        .bind(tenant_id.uuid())
        .bind(PROJECTION)
        .fetch_one(reading.connection())
        .await?;
    let balanced = currencies.iter().all(|totals| totals.difference.is_zero());
    let lag = head.map(|head| (head - reading.position()).max(0));
    reading.end(LedgerHealth { balanced, currencies, lag, stopped }).await
}

async fn totals(reading: &mut Reading) -> Result<Vec<CurrencyTotals>, QueryError> {
    let tenant_id = reading.tenant_id;
    let rows: Vec<AccountTotals> = sqlx::query_as(
        "SELECT code, name, kind, normal_side, currency, sum(debits) AS debits, sum(credits) AS credits, sum(balance) AS balance,
                count(*) AS accounts, count(*) FILTER (WHERE balance <> 0) AS open
         FROM accounts WHERE tenant_id = $1
         GROUP BY currency, code, name, kind, normal_side ORDER BY currency, code",
    )
    .bind(tenant_id.uuid())
    .fetch_all(reading.connection())
    .await?;
    let mut currencies = Vec::<CurrencyTotals>::new();
    for row in rows {
        let row = row.exact();
        match currencies.last_mut() {
            Some(totals) if totals.currency == row.currency => totals.add(row),
            Some(_) | None => currencies.push(CurrencyTotals::of(row)),
        }
    }
    Ok(currencies)
}

impl CurrencyTotals {
    fn of(first: AccountTotals) -> Self {
        let zero = shown(Decimal::ZERO, &first.currency);
        let mut totals = Self { currency: first.currency.clone(), debits: zero, credits: zero, difference: zero, accounts: Vec::new() };
        totals.add(first);
        totals
    }

    fn add(&mut self, account: AccountTotals) {
        self.debits += account.debits;
        self.credits += account.credits;
        self.difference = self.debits - self.credits;
        self.accounts.push(account);
    }
}

impl AccountTotals {
    fn exact(mut self) -> Self {
        for amount in [&mut self.debits, &mut self.credits, &mut self.balance] {
            *amount = shown(*amount, &self.currency);
        }
        self
    }
}

/// Every entry that events of this aggregate booked, oldest first (at most 1000).
///
/// # Errors
/// When the database does not answer.
pub async fn entries_of_aggregate(
    pool: &Pool,
    tenant_id: TenantId,
    aggregate_type: &str,
    aggregate_id: Uuid,
) -> Result<Read<Vec<JournalEntryView>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let entries = entries_of(&mut reading, aggregate_type, aggregate_id).await?;
    reading.end(entries).await
}

#[derive(FromRow)]
struct EntryLine {
    entry_id: Uuid,
    event_id: Uuid,
    position: i64,
    kind: String,
    ref_type: String,
    ref_id: Uuid,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    code: String,
    name: String,
    owner_id: Option<Uuid>,
    detail: String,
    side: String,
    amount: Decimal,
    currency: String,
}

pub(crate) async fn entries_of(
    reading: &mut Reading,
    aggregate_type: &str,
    aggregate_id: Uuid,
) -> Result<Vec<JournalEntryView>, QueryError> {
    let tenant_id = reading.tenant_id;
    let rows: Vec<EntryLine> = sqlx::query_as(
        "SELECT e.entry_id, e.event_id, e.position, e.kind, e.ref_type, e.ref_id, e.occurred_at, e.recorded_at,
                l.code, a.name, l.owner_id, l.detail, l.side, l.amount, l.currency
         FROM (
             SELECT tenant_id, entry_id, event_id, position, kind, ref_type, ref_id, occurred_at, recorded_at FROM journal_entries
             WHERE tenant_id = $1 AND aggregate_type = $2 AND aggregate_id = $3 ORDER BY position LIMIT 1000
         ) e
         JOIN journal_lines l ON l.tenant_id = e.tenant_id AND l.position = e.position
         JOIN accounts a ON a.tenant_id = l.tenant_id AND a.account_id = l.account_id
         ORDER BY e.position, l.line",
    )
    .bind(tenant_id.uuid())
    .bind(aggregate_type)
    .bind(aggregate_id)
    .fetch_all(reading.connection())
    .await?;
    let mut entries = Vec::<JournalEntryView>::new();
    for row in rows {
        if entries.last().is_none_or(|entry| entry.entry_id != row.entry_id) {
            entries.push(row.entry());
        }
        if let Some(entry) = entries.last_mut() {
            entry.lines.push(row.line());
        }
    }
    Ok(entries)
}

impl EntryLine {
    fn entry(&self) -> JournalEntryView {
        JournalEntryView {
            entry_id: self.entry_id,
            event_id: self.event_id,
            position: self.position,
            kind: self.kind.clone(),
            ref_type: self.ref_type.clone(),
            ref_id: self.ref_id,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            lines: Vec::new(),
        }
    }

    fn line(self) -> JournalLineView {
        JournalLineView {
            amount: shown(self.amount, &self.currency),
            account: self.code,
            account_name: self.name,
            owner_id: self.owner_id,
            detail: self.detail,
            direction: self.side,
            currency: self.currency,
        }
    }
}
