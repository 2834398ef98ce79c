//! From a balance or a status to what is behind it (ANA-38): every event of the stream with who did it, the events that led
//! to it, and the journal lines that it booked.

use std::collections::HashMap;

use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::queries::AUDIT_COLUMNS;
use super::{AuditEntry, PROJECTION};
use crate::ledger;
use crate::query::{List, Page, QueryError, Read, Reading, shown};

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained<'a> {
    pub entity_type: &'a str,
    pub entity_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What stands on the accounts of a wallet or an escrow now: the `effect` of all lines of all pages together.
    pub balances: Vec<ExplainedBalance>,
    /// Oldest first.
    pub events: List<ExplainedEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedBalance {
    /// Which of the balances: `available`, `held` or `pending` of a wallet, `escrow` or `escrow_disputed` of an escrow.
    pub place: String,
    pub currency: String,
    #[schema(value_type = String, example = "950.00")]
    pub balance: Decimal,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedEvent {
    /// Who did what, in which request, when.
    pub event: AuditEntry,
    /// What led to it, the nearest first: up to the request from outside.
    pub causes: Vec<AuditEntry>,
    /// Both sides of what it booked; empty where it moved no money.
    pub lines: Vec<ExplainedLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedLine {
    pub entry_id: Uuid,
    /// The account's code (`L210`).
    pub account: String,
    pub account_name: String,
    pub owner_id: Option<Uuid>,
    pub detail: String,
    /// `debit` or `credit`.
    pub direction: String,
    #[schema(value_type = String, example = "950.00")]
    pub amount: Decimal,
    pub currency: String,
    /// Set where the line is part of what is explained: which balance it changes …
    pub place: Option<String>,
    /// … and by how much: below zero where it goes down.
    #[schema(value_type = Option<String>, example = "-950.00")]
    pub effect: Option<Decimal>,
}

/// How far back causes are followed: as far as reactions may follow on one request.
const MAX_CAUSES: i32 = 20;

/// Lines that change the balances of `$2`: the accounts of a wallet, or what lies in an escrow and what is contested of it.
const OWN: &str = "(l.wallet_id = $2 OR (l.code IN ('L210', 'L215') AND l.owner_id = $2))";

/// One page of the events behind `subject`, oldest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn explain(pool: &Pool, tenant_id: TenantId, subject: Explained<'_>, page: &Page) -> Result<Read<Explanation>, QueryError> {
    const SORT: &str = "explain";
    let after: i64 = page.after(SORT)?.unwrap_or(0);
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION, ledger::PROJECTION]).await?;
    let events: Vec<AuditEntry> = sqlx::query_as(&format!(
        "SELECT {AUDIT_COLUMNS} FROM audit_log
         WHERE tenant_id = $1 AND entity_id = $2 AND entity_type = $3 AND position > $4
         ORDER BY position LIMIT $5"
    ))
    .bind(tenant_id.uuid())
    .bind(subject.entity_id)
    .bind(subject.entity_type)
    .bind(after)
    .bind(page.fetch())
    .fetch_all(reading.connection())
    .await?;
    let events = page.list(SORT, events, |event| event.position)?;
    let mut causes = causes(&mut reading, &events.items).await?;
    let mut lines = lines(&mut reading, subject.entity_id, &events.items).await?;
    let balances = balances(&mut reading, subject.entity_id).await?;
    let events = events.try_map(|event| {
        let causes = event.causation_id.map(|cause| chain(&mut causes, cause)).unwrap_or_default();
        let lines = lines.remove(&event.position).unwrap_or_default();
        Ok(ExplainedEvent { event, causes, lines })
    })?;
    reading.end(Explanation { balances, events }).await
}

/// All events that led to these, by id.
async fn causes(reading: &mut Reading, events: &[AuditEntry]) -> Result<HashMap<Uuid, AuditEntry>, QueryError> {
    let nearest: Vec<Uuid> = events.iter().filter_map(|event| event.causation_id).collect();
    if nearest.is_empty() {
        return Ok(HashMap::new());
    }
    let tenant_id = reading.tenant_id;
    let found: Vec<AuditEntry> = sqlx::query_as(&format!(
        "WITH RECURSIVE led (event_id, causation_id, depth) AS (
             SELECT event_id, causation_id, 1 FROM audit_log WHERE tenant_id = $1 AND event_id = ANY ($2::uuid[])
             UNION
             SELECT a.event_id, a.causation_id, led.depth + 1 FROM led
             JOIN audit_log a ON a.tenant_id = $1 AND a.event_id = led.causation_id WHERE led.depth < $3
         )
         SELECT {AUDIT_COLUMNS} FROM audit_log WHERE tenant_id = $1 AND event_id IN (SELECT led.event_id FROM led)"
    ))
    .bind(tenant_id.uuid())
    .bind(nearest)
    .bind(MAX_CAUSES)
    .fetch_all(reading.connection())
    .await?;
    Ok(found.into_iter().map(|event| (event.event_id, event)).collect())
}

fn chain(causes: &mut HashMap<Uuid, AuditEntry>, nearest: Uuid) -> Vec<AuditEntry> {
    let mut chain = Vec::new();
    let mut next = Some(nearest);
    for _ in 0..MAX_CAUSES {
        let Some(cause) = next.and_then(|id| causes.get(&id)) else { break };
        next = cause.causation_id;
        chain.push(cause.clone());
    }
    chain
}

#[derive(FromRow)]
struct LineRow {
    position: i64,
    entry_id: Uuid,
    code: String,
    name: String,
    normal_side: String,
    owner_id: Option<Uuid>,
    detail: String,
    side: String,
    amount: Decimal,
    currency: String,
    place: Option<String>,
}

/// What these events booked, by position.
async fn lines(reading: &mut Reading, id: Uuid, events: &[AuditEntry]) -> Result<HashMap<i64, Vec<ExplainedLine>>, QueryError> {
    let tenant_id = reading.tenant_id;
    let rows: Vec<LineRow> = sqlx::query_as(&format!(
        "SELECT e.position, l.entry_id, l.code, a.name, a.normal_side, l.owner_id, l.detail, l.side, l.amount, l.currency,
                CASE WHEN {OWN} THEN coalesce(l.place, a.name) END AS place
         FROM journal_entries e
         JOIN journal_lines l ON l.tenant_id = e.tenant_id AND l.position = e.position
         JOIN accounts a ON a.tenant_id = l.tenant_id AND a.account_id = l.account_id
         WHERE e.tenant_id = $1 AND e.position = ANY ($3::bigint[])
         ORDER BY e.position, l.line"
    ))
    .bind(tenant_id.uuid())
    .bind(id)
    .bind(events.iter().map(|event| event.position).collect::<Vec<_>>())
    .fetch_all(reading.connection())
    .await?;
    let mut lines = HashMap::<i64, Vec<ExplainedLine>>::new();
    for row in rows {
        lines.entry(row.position).or_default().push(row.line());
    }
    Ok(lines)
}

impl LineRow {
    fn line(self) -> ExplainedLine {
        let amount = shown(self.amount, &self.currency);
        let effect = self.place.as_ref().map(|_| if self.side == self.normal_side { amount } else { -amount });
        ExplainedLine {
            entry_id: self.entry_id,
            account: self.code,
            account_name: self.name,
            owner_id: self.owner_id,
            detail: self.detail,
            direction: self.side,
            amount,
            currency: self.currency,
            place: self.place,
            effect,
        }
    }
}

/// By the accounts themselves, not by the lines that the page shows. A wallet's accounts carry no wallet id: one of its lines
/// tells which they are.
async fn balances(reading: &mut Reading, id: Uuid) -> Result<Vec<ExplainedBalance>, QueryError> {
    let tenant_id = reading.tenant_id;
    let mut balances: Vec<ExplainedBalance> = sqlx::query_as(
        "SELECT coalesce(own.place, a.name) AS place, a.currency, sum(a.balance) AS balance
         FROM (
             SELECT DISTINCT account_id, place FROM journal_lines WHERE tenant_id = $1 AND wallet_id = $2
             UNION
             SELECT account_id, NULL FROM accounts WHERE tenant_id = $1 AND code IN ('L210', 'L215') AND owner_id = $2
         ) own
         JOIN accounts a ON a.tenant_id = $1 AND a.account_id = own.account_id
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(tenant_id.uuid())
    .bind(id)
    .fetch_all(reading.connection())
    .await?;
    for balance in &mut balances {
        balance.balance = shown(balance.balance, &balance.currency);
    }
    Ok(balances)
}
