//! A ledger projection as it is usually written: a transaction per event, a statement per row. Same tables, same rows.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Recorded, derived_uuid};
use holdfast_domain::ledger::{JournalEntry, JournalLine, Side, post};
use holdfast_eventlog::StoredEvent;
use sqlx::{Connection as _, PgConnection};

use crate::environment::World;
use crate::measure::number;

const TABLES: &str = "CREATE SCHEMA IF NOT EXISTS row_at_a_time;
CREATE TABLE IF NOT EXISTS row_at_a_time.accounts (LIKE public.accounts INCLUDING ALL);
CREATE TABLE IF NOT EXISTS row_at_a_time.journal_entries (LIKE public.journal_entries INCLUDING ALL);
CREATE TABLE IF NOT EXISTS row_at_a_time.journal_lines (LIKE public.journal_lines INCLUDING ALL);
CREATE TABLE IF NOT EXISTS row_at_a_time.checkpoints (LIKE public.projection_checkpoints INCLUDING ALL);
TRUNCATE row_at_a_time.accounts, row_at_a_time.journal_entries, row_at_a_time.journal_lines, row_at_a_time.checkpoints";

const ENTRY: &str = "INSERT INTO row_at_a_time.journal_entries
    (tenant_id, entry_id, event_id, position, kind, aggregate_type, aggregate_id, ref_type, ref_id, occurred_at, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $7, $8, $9)";
const LINE: &str = "INSERT INTO row_at_a_time.journal_lines
    (tenant_id, entry_id, line, position, account_id, code, owner_id, detail, ref_type, ref_id, side, amount, currency, occurred_at, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const ACCOUNT: &str = "INSERT INTO row_at_a_time.accounts AS a
    (tenant_id, account_id, code, name, kind, normal_side, owner_id, detail, currency, never_negative, debits, credits, balance, lines, position)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, false, $10, $11, CASE $6 WHEN 'debit' THEN $10 - $11 ELSE $11 - $10 END, 1, $12)
    ON CONFLICT (tenant_id, account_id) DO UPDATE SET debits = a.debits + excluded.debits, credits = a.credits + excluded.credits,
        balance = a.balance + excluded.balance, lines = a.lines + 1, position = excluded.position";
const CHECKPOINT: &str = "INSERT INTO row_at_a_time.checkpoints (tenant_id, projection, version, position) VALUES ($1, 'ledger', 1, $2)
    ON CONFLICT (tenant_id, projection) DO UPDATE SET position = excluded.position";

/// Events per second, over at most so many of them and so long.
///
/// # Errors
/// When the database does not answer or an event cannot be read.
pub(crate) async fn measure(world: &World, at_most: usize, length: Duration) -> anyhow::Result<f64> {
    sqlx::raw_sql(TABLES).execute(&world.read).await?;
    let log = world.log().await?;
    let mut connection = world.read.acquire().await?;
    let (mut done, begun) = (0, Instant::now());
    'tenants: for tenant in &world.cast.tenants {
        let mut after = 0;
        loop {
            let page = log.read(tenant.id, after, 500).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for event in &page {
                fold(&mut connection, event).await?;
                done += 1;
                if done >= at_most || begun.elapsed() > length {
                    break 'tenants;
                }
            }
        }
    }
    Ok(number(u64::try_from(done)?) / begun.elapsed().as_secs_f64())
}

async fn fold(connection: &mut PgConnection, stored: &StoredEvent) -> anyhow::Result<()> {
    let event = stored.decode()?;
    let entry = post(&event.origin, &event.event)?;
    let mut tx = connection.begin().await?;
    if let Some(entry) = &entry {
        write(&mut tx, &event, entry).await?;
    }
    sqlx::query(CHECKPOINT).bind(stored.tenant_id.uuid()).bind(stored.position).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn write(connection: &mut PgConnection, event: &Recorded<AnyEvent>, entry: &JournalEntry) -> anyhow::Result<()> {
    let (origin, metadata) = (&event.origin, &event.metadata);
    let tenant = origin.tenant_id.uuid();
    let entry_id = derived_uuid(origin.tenant_id, metadata.event_id.uuid(), "entry", 0);
    sqlx::query(ENTRY)
        .bind(tenant)
        .bind(entry_id)
        .bind(metadata.event_id.uuid())
        .bind(event.position)
        .bind(entry.kind())
        .bind(origin.aggregate_type)
        .bind(origin.aggregate_id)
        .bind(metadata.occurred_at)
        .bind(event.recorded_at)
        .execute(&mut *connection)
        .await?;
    for (nth, line) in entry.lines().iter().enumerate() {
        let account_id = account_id(event, line);
        sqlx::query(LINE)
            .bind(tenant)
            .bind(entry_id)
            .bind(i16::try_from(nth).context("too many lines")?)
            .bind(event.position)
            .bind(account_id)
            .bind(line.account.code.code())
            .bind(line.account.owner_id)
            .bind(&line.account.detail)
            .bind(origin.aggregate_type)
            .bind(origin.aggregate_id)
            .bind(side(line.side))
            .bind(line.amount.amount())
            .bind(line.amount.currency().code())
            .bind(metadata.occurred_at)
            .bind(event.recorded_at)
            .execute(&mut *connection)
            .await?;
        let zero = holdfast_domain::kernel::Money::zero(line.amount.currency()).amount();
        let (debit, credit) = if line.side == Side::Debit { (line.amount.amount(), zero) } else { (zero, line.amount.amount()) };
        sqlx::query(ACCOUNT)
            .bind(tenant)
            .bind(account_id)
            .bind(line.account.code.code())
            .bind(line.account.code.name())
            .bind(line.account.code.kind())
            .bind(side(line.account.code.normal_side()))
            .bind(line.account.owner_id)
            .bind(&line.account.detail)
            .bind(line.amount.currency().code())
            .bind(debit)
            .bind(credit)
            .bind(event.position)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn side(side: Side) -> &'static str {
    if side == Side::Debit { "debit" } else { "credit" }
}

fn account_id(event: &Recorded<AnyEvent>, line: &JournalLine) -> uuid::Uuid {
    let purpose = format!("{}:{}:{}", line.account.code.code(), line.account.detail, line.amount.currency().code());
    derived_uuid(event.origin.tenant_id, line.account.owner_id.unwrap_or_default(), &purpose, 0)
}
