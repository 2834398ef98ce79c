//! What the read models show, against the log folded anew (invariant 5). All rows of a tenant come from one snapshot, with
//! the positions that its projections had reached in it.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{Currency, Money, TenantId};
use holdfast_domain::ledger::Side;
use holdfast_domain::wallet::OwnerType;
use holdfast_eventlog::db::{Pool, Tx};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use super::books::{At, Books};
use super::{Findings, PATIENCE};

const CAUGHT_UP: &str = "every projection has reached the head of its tenant";
const STOPPED: &str = "no projection has stopped";
const ESCROWS: &str = "escrow rows are what the log folds to";
const TIMELINES: &str = "an escrow's timeline has all its events";
const WALLETS: &str = "wallet rows are what the log folds to";
const ACCOUNTS: &str = "account rows are the sums of what the log books";
const LINES: &str = "journal lines are what the log books, row for row";
const ENTRIES: &str = "stored entries sum to zero per currency";
const AUDIT: &str = "the audit log has every event once";

const PROJECTIONS: &[&str] = &["escrow", "wallet", "ledger", "audit"];

/// How far the projections are in the snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Positions {
    pub(super) escrow: i64,
    pub(super) wallet: i64,
    pub(super) ledger: i64,
    audit: i64,
}

pub(super) struct Rows {
    pub(super) positions: Positions,
    escrows: Vec<EscrowRow>,
    timelines: HashMap<Uuid, i64>,
    wallets: Vec<WalletRow>,
    accounts: Vec<AccountRow>,
    lines: Vec<LineRow>,
    unbalanced: Vec<Uuid>,
    entries: i64,
    /// Count, first and last position.
    audit: (i64, i64, i64),
}

#[derive(Debug, FromRow)]
struct EscrowRow {
    escrow_id: Uuid,
    version: i64,
    position: i64,
    status: String,
    currency: String,
    amount: Decimal,
    auto_release_at: Option<DateTime<Utc>>,
    next_deadline_at: Option<DateTime<Utc>>,
    state: Value,
}

#[derive(Debug, FromRow)]
struct WalletRow {
    wallet_id: Uuid,
    version: i64,
    position: i64,
    owner_type: String,
    owner_id: Uuid,
    currency: String,
    status: String,
    available: Decimal,
    held: Decimal,
    pending: Decimal,
}

#[derive(Debug, FromRow)]
struct AccountRow {
    code: String,
    owner_id: Option<Uuid>,
    detail: String,
    currency: String,
    debits: Decimal,
    credits: Decimal,
    lines: i64,
}

#[derive(Debug, FromRow)]
struct LineRow {
    position: i64,
    code: String,
    owner_id: Option<Uuid>,
    detail: String,
    side: String,
    amount: Decimal,
    currency: String,
}

/// Waits until all projections have reached the head that was read before, and says which have not.
pub(super) async fn wait_for(pool: &Pool, tenant_id: TenantId, head: i64, findings: &mut Findings) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let mut tx = snapshot(pool, tenant_id).await?;
        let positions = checkpoints(&mut tx, tenant_id).await?;
        let stopped: Vec<(String, i64, String)> =
            sqlx::query_as("SELECT projection, position, error FROM projection_failures WHERE tenant_id = $1")
                .bind(tenant_id.uuid())
                .fetch_all(&mut *tx)
                .await
                .context("cannot read the failures of projections")?;
        tx.rollback().await.context("cannot end a read")?;
        let at = |name: &str| positions.get(name).copied().unwrap_or_default();
        let behind = PROJECTIONS.iter().any(|name| at(name) < head);
        if behind && stopped.is_empty() && started.elapsed() < PATIENCE {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            continue;
        }
        for name in PROJECTIONS {
            findings.expect(CAUGHT_UP, at(name) >= head, || format!("{tenant_id}: {name} stands at {} of {head}", at(name)));
        }
        findings.count(STOPPED, i64::try_from(PROJECTIONS.len()).unwrap_or_default());
        for (name, position, error) in stopped {
            findings.fail(STOPPED, format!("{tenant_id}: {name} at position {position}: {error}"));
        }
        return Ok(());
    }
}

async fn snapshot(pool: &Pool, tenant_id: TenantId) -> anyhow::Result<Tx> {
    // The id is formatted from its type: it cannot be anything else.
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL app.tenant_id = '{}'", tenant_id.uuid());
    pool.begin_with(&begin).await.context("cannot reach the read database")
}

async fn checkpoints(tx: &mut Tx, tenant_id: TenantId) -> anyhow::Result<HashMap<String, i64>> {
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT projection, position FROM projection_checkpoints WHERE tenant_id = $1")
        .bind(tenant_id.uuid())
        .fetch_all(&mut **tx)
        .await
        .context("cannot read the checkpoints")?;
    Ok(rows.into_iter().collect())
}

impl Rows {
    pub(super) async fn load(pool: &Pool, tenant_id: TenantId) -> anyhow::Result<Self> {
        let mut tx = snapshot(pool, tenant_id).await?;
        let reached = checkpoints(&mut tx, tenant_id).await?;
        let at = |name: &str| reached.get(name).copied().unwrap_or_default();
        let positions = Positions { escrow: at("escrow"), wallet: at("wallet"), ledger: at("ledger"), audit: at("audit") };
        let id = tenant_id.uuid();
        let escrows = sqlx::query_as(
            "SELECT escrow_id, version, position, status, currency, amount, auto_release_at, next_deadline_at, state FROM escrows WHERE tenant_id = $1",
        )
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        let timelines: Vec<(Uuid, i64)> =
            sqlx::query_as("SELECT escrow_id, count(*) FROM escrow_events WHERE tenant_id = $1 GROUP BY escrow_id")
                .bind(id)
                .fetch_all(&mut *tx)
                .await?;
        let wallets = sqlx::query_as(
            "SELECT wallet_id, version, position, owner_type, owner_id, currency, status, available, held, pending FROM wallets WHERE tenant_id = $1",
        )
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        let accounts = sqlx::query_as("SELECT code, owner_id, detail, currency, debits, credits, lines FROM accounts WHERE tenant_id = $1")
            .bind(id)
            .fetch_all(&mut *tx)
            .await?;
        let lines = sqlx::query_as(
            "SELECT position, code, owner_id, detail, side, amount, currency FROM journal_lines WHERE tenant_id = $1 ORDER BY position, line",
        )
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        let unbalanced = sqlx::query_scalar(
            "SELECT DISTINCT entry_id FROM journal_lines WHERE tenant_id = $1 GROUP BY entry_id, currency
             HAVING sum(CASE side WHEN 'debit' THEN amount ELSE -amount END) <> 0",
        )
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        let entries = sqlx::query_scalar("SELECT count(*) FROM journal_entries WHERE tenant_id = $1").bind(id).fetch_one(&mut *tx).await?;
        let audit =
            sqlx::query_as("SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM audit_log WHERE tenant_id = $1")
                .bind(id)
                .fetch_one(&mut *tx)
                .await?;
        tx.rollback().await?;
        Ok(Self { positions, escrows, timelines: timelines.into_iter().collect(), wallets, accounts, lines, unbalanced, entries, audit })
    }

    pub(super) fn compare(&self, books: &Books, findings: &mut Findings) {
        self.compare_escrows(books, findings);
        self.compare_wallets(books, findings);
        self.compare_accounts(books, findings);
        self.compare_journal(books, findings);
        let tenant = books.tenant_id;
        let (count, first, last) = self.audit;
        let whole = count == self.positions.audit && last == count && first == 1;
        findings.count(AUDIT, count.max(1) - 1);
        findings.expect(AUDIT, whole, || format!("{tenant}: {count} rows from {first} to {last}, {} expected", self.positions.audit));
    }

    fn compare_escrows(&self, books: &Books, findings: &mut Findings) {
        let tenant = books.tenant_id;
        let shown: HashMap<Uuid, &EscrowRow> = self.escrows.iter().map(|row| (row.escrow_id, row)).collect();
        for (id, At { state, position }) in &books.escrows {
            let Some(row) = shown.get(id) else {
                findings.expect(ESCROWS, false, || format!("{tenant}: escrow {id} has no row"));
                continue;
            };
            let same_state = serde_json::to_value(state).is_ok_and(|state| state == row.state);
            let amount = state.terms().map(|terms| terms.amount);
            let same = same_state
                && (row.version, row.position) == (state.version(), *position)
                && row.status == state.status().as_str()
                && amount.is_some_and(|amount| amount.amount() == row.amount && amount.currency().code() == row.currency)
                && same_instant(row.auto_release_at, state.auto_release_at())
                && same_instant(row.next_deadline_at, state.next_deadline().map(|deadline| deadline.at));
            findings.expect(ESCROWS, same, || {
                format!(
                    "{tenant}: escrow {id}: row {} at version {}, log {} at {}",
                    row.status,
                    row.version,
                    state.status(),
                    state.version()
                )
            });
            let events = self.timelines.get(id).copied().unwrap_or_default();
            findings
                .expect(TIMELINES, events == state.version(), || format!("{tenant}: escrow {id}: {events} of {} events", state.version()));
        }
        for row in self.escrows.iter().filter(|row| !books.escrows.contains_key(&row.escrow_id)) {
            findings.fail(ESCROWS, format!("{tenant}: escrow {} is not in the log", row.escrow_id));
        }
    }

    fn compare_wallets(&self, books: &Books, findings: &mut Findings) {
        let tenant = books.tenant_id;
        let shown: HashMap<Uuid, &WalletRow> = self.wallets.iter().map(|row| (row.wallet_id, row)).collect();
        for (id, At { state, position }) in &books.wallets {
            let (Some(row), Some(owner), Some(balances)) = (shown.get(id), state.owner(), state.balances()) else {
                findings.expect(WALLETS, false, || format!("{tenant}: wallet {id} has no row"));
                continue;
            };
            let own = [balances.available, balances.held, balances.pending].map(Money::amount);
            let same = (row.version, row.position) == (state.version(), *position)
                && row.owner_type == OwnerType::as_str(owner.owner_type)
                && row.owner_id == owner.owner_id.uuid()
                && row.currency == owner.currency.code()
                && row.status == state.wallet_status().as_str()
                && [row.available, row.held, row.pending] == own;
            findings.expect(WALLETS, same, || format!("{tenant}: wallet {id}: row {row:?}, log {own:?} at version {}", state.version()));
        }
        for row in self.wallets.iter().filter(|row| !books.wallets.contains_key(&row.wallet_id)) {
            findings.fail(WALLETS, format!("{tenant}: wallet {} is not in the log", row.wallet_id));
        }
    }

    fn compare_accounts(&self, books: &Books, findings: &mut Findings) {
        let tenant = books.tenant_id;
        let key = |row: &AccountRow| (row.code.clone(), row.owner_id, row.detail.clone(), row.currency.clone());
        let shown: HashMap<_, &AccountRow> = self.accounts.iter().map(|row| (key(row), row)).collect();
        for ((account, currency), sums) in &books.accounts_shown {
            let key = (account.code.code().to_owned(), account.owner_id, account.detail.clone(), currency.code().to_owned());
            let same = shown.get(&key).is_some_and(|row| {
                minor(row.debits, *currency) == Some(sums.debits)
                    && minor(row.credits, *currency) == Some(sums.credits)
                    && row.lines == sums.lines
            });
            findings.expect(ACCOUNTS, same, || format!("{tenant}: {key:?}: log {sums:?}, row {:?}", shown.get(&key)));
        }
        findings.expect(ACCOUNTS, self.accounts.len() == books.accounts_shown.len(), || {
            format!("{tenant}: {} rows, {} accounts in the log", self.accounts.len(), books.accounts_shown.len())
        });
    }

    fn compare_journal(&self, books: &Books, findings: &mut Findings) {
        let tenant = books.tenant_id;
        for (booked, row) in books.journal.iter().zip(&self.lines) {
            let line = &booked.line;
            let side = match line.side {
                Side::Debit => "debit",
                Side::Credit => "credit",
            };
            let same = row.position == booked.position
                && row.code == line.account.code.code()
                && row.owner_id == line.account.owner_id
                && row.detail == line.account.detail
                && row.side == side
                && row.amount == line.amount.amount()
                && row.currency == line.amount.currency().code();
            findings.expect(LINES, same, || format!("{tenant}: position {}: row {row:?}, log {line:?}", booked.position));
        }
        findings.expect(LINES, self.lines.len() == books.journal.len(), || {
            format!("{tenant}: {} rows, {} lines in the log", self.lines.len(), books.journal.len())
        });
        findings.count(ENTRIES, self.entries);
        for entry in &self.unbalanced {
            findings.fail(ENTRIES, format!("{tenant}: entry {entry}"));
        }
    }
}

fn minor(amount: Decimal, currency: Currency) -> Option<i128> {
    Money::try_new(amount, currency).ok().map(Money::minor)
}

/// The database keeps microseconds.
fn same_instant(row: Option<DateTime<Utc>>, log: Option<DateTime<Utc>>) -> bool {
    row.map(|at| at.timestamp_micros()) == log.map(|at| at.timestamp_micros())
}
