//! How many transactions per second cala-ledger posts: `bench-cala CALLERS MILLISECONDS`, the database in `BENCH_CALA_URL`.
//!
//! A transfer between two of a thousand accounts: `post_transaction` with a template of two entries. Balances are kept with the
//! transaction; nothing runs in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cala_ledger::account::NewAccount;
use cala_ledger::journal::NewJournal;
use cala_ledger::tx_template::{NewParamDefinition, NewTxTemplate, NewTxTemplateEntry, NewTxTemplateTransaction, ParamDataType, Params};
use cala_ledger::{AccountId, CalaLedger, CalaLedgerConfig, JournalId, TransactionId};
use rust_decimal::Decimal;
use uuid::Uuid;

const ACCOUNTS: u128 = 1_000;
const CONNECTIONS: u32 = 16;
const TEMPLATE: &str = "TRANSFER";
const JOURNAL: Uuid = Uuid::from_u128(0xca1a);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let callers: u64 = arguments.next().context("how many callers?")?.parse()?;
    let length = Duration::from_millis(arguments.next().context("how long?")?.parse()?);
    let url = std::env::var("BENCH_CALA_URL").context("BENCH_CALA_URL")?;
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('cala_journals') IS NOT NULL").fetch_one(&pool).await?;
    if !exists {
        let config = CalaLedgerConfig::builder().pool(pool.clone()).exec_migrations(true).build()?;
        let mut jobs = jobs_after_migrations(&pool, config).await?;
        fill(&jobs.0).await?;
        jobs.1.shutdown().await.ok();
    }
    let mut jobs = job::Jobs::init(job::JobSvcConfig::builder().pool(pool.clone()).exec_migrations(false).build()?).await?;
    let cala = CalaLedger::init(CalaLedgerConfig::builder().pool(pool).exec_migrations(false).build()?, &mut jobs).await?;
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..callers).map(|caller| tokio::spawn(post(cala.clone(), caller, begun, length, Arc::clone(&done)))).collect();
    for task in tasks {
        task.await??;
    }
    println!("per second: {}", done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}

/// cala's own migrations bring the tables of its jobs as well.
async fn jobs_after_migrations(pool: &sqlx::PgPool, config: CalaLedgerConfig) -> anyhow::Result<(CalaLedger, job::Jobs)> {
    let mut jobs = job::Jobs::init(job::JobSvcConfig::builder().pool(pool.clone()).exec_migrations(false).build()?).await?;
    let cala = CalaLedger::init(config, &mut jobs).await?;
    Ok((cala, jobs))
}

async fn fill(cala: &CalaLedger) -> anyhow::Result<()> {
    cala.journals().create(NewJournal::builder().id(JournalId::from(JOURNAL)).name("bench").build()).await?;
    for nth in 0..ACCOUNTS {
        let name = format!("wallet {nth}");
        cala.accounts().create(NewAccount::builder().id(account(nth)).name(name.clone()).code(name).build()).await?;
    }
    let parameter = |name: &str, kind| NewParamDefinition::builder().name(name).r#type(kind).build();
    let entry = |kind: &str, account: &str, direction: &str| {
        NewTxTemplateEntry::builder()
            .entry_type(kind)
            .account_id(account)
            .layer("SETTLED")
            .direction(direction)
            .units("params.amount")
            .currency("'EUR'")
            .build()
    };
    let template = NewTxTemplate::builder()
        .id(Uuid::now_v7())
        .code(TEMPLATE)
        .params(vec![
            parameter("from", ParamDataType::Uuid)?,
            parameter("to", ParamDataType::Uuid)?,
            parameter("amount", ParamDataType::Decimal)?,
        ])
        .transaction(NewTxTemplateTransaction::builder().effective("date()").journal_id(format!("uuid('{JOURNAL}')")).build()?)
        .entries(vec![entry("'TRANSFER_DR'", "params.from", "DEBIT")?, entry("'TRANSFER_CR'", "params.to", "CREDIT")?])
        .build();
    cala.tx_templates().create(template).await?;
    Ok(())
}

async fn post(cala: CalaLedger, caller: u64, begun: Instant, length: Duration, done: Arc<AtomicU64>) -> anyhow::Result<()> {
    let mut at = u128::from(caller) * 7_919;
    while begun.elapsed() < length {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 1;
        let (from, to) = (at % ACCOUNTS, (at + 1) % ACCOUNTS);
        let mut params = Params::new();
        params.insert("from", account(from));
        params.insert("to", account(to));
        params.insert("amount", Decimal::new(1, 2));
        cala.post_transaction(TransactionId::new(), TEMPLATE, params).await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn account(nth: u128) -> AccountId {
    AccountId::from(Uuid::from_u128(1 + nth))
}
