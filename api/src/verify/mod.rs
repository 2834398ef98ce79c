//! `holdfast verify`: every invariant that can be checked on live databases, with counts and the ids that fail.
//!
//! The log is read from its beginning and folded anew, per tenant; what the read models and the ledger show is compared with
//! that, each at the position that it says it has reached. So it may run beside a working system.

mod books; // the log folded: escrows, wallets, the ledger, and the invariants along the way
mod contexts; // what holds between contexts, and that stored files are what their events say
mod log; // positions, sequences, receipts, claims
mod reactions; // dead letters, overdue deadlines, checkpoints
mod read_models; // rows against the fold
mod snapshots; // states that writers begin with, against the fold

use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::{Pool, PoolSettings};
use holdfast_files::Files;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::cli::print::table;
use crate::settings::{DatabaseRole, Needs, Settings, Side};
use books::Books;

/// Ids that are listed per check; the rest is counted.
const EXAMPLES: usize = 10;
/// So long the read models and reactions may take to reach the heads.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events per read of the log.
const PAGE: i64 = 2_000;
/// Money may be under way for so long (MNY-01).
const IN_FLIGHT_S: i64 = 60;

pub const NEEDS: Needs = Needs {
    tokens: false,
    secrets: false,
    database: &[(Side::Write, DatabaseRole::Writer), (Side::Write, DatabaseRole::Reactor), (Side::Read, DatabaseRole::Reader)],
};

/// What was found. One JSON object with `--json`.
#[derive(Debug, Serialize)]
pub struct Report {
    pub ok: bool,
    tenants: usize,
    events: i64,
    milliseconds: u64,
    checks: Vec<Check>,
}

/// One invariant: how much was looked at, and what does not hold.
#[derive(Debug, Clone, Serialize)]
struct Check {
    name: &'static str,
    checked: u64,
    failed: u64,
    /// The first ones: `tenant: what`.
    examples: Vec<String>,
}

/// Checks in the order in which they were first named.
#[derive(Debug, Default)]
struct Findings {
    checks: Vec<Check>,
}

impl Findings {
    fn check(&mut self, name: &'static str) -> &mut Check {
        let index = self.checks.iter().position(|check| check.name == name).unwrap_or_else(|| {
            self.checks.push(Check { name, checked: 0, failed: 0, examples: Vec::new() });
            self.checks.len() - 1
        });
        &mut self.checks[index]
    }

    /// `true` when it holds.
    fn expect(&mut self, name: &'static str, holds: bool, otherwise: impl FnOnce() -> String) {
        let check = self.check(name);
        check.checked += 1;
        if !holds {
            check.failed += 1;
            if check.examples.len() < EXAMPLES {
                check.examples.push(otherwise());
            }
        }
    }

    fn count(&mut self, name: &'static str, checked: i64) {
        self.check(name).checked += u64::try_from(checked).unwrap_or_default();
    }

    fn fail(&mut self, name: &'static str, example: String) {
        let check = self.check(name);
        check.failed += 1;
        if check.examples.len() < EXAMPLES {
            check.examples.push(example);
        }
    }
}

/// The databases, each as the role with the least rights that will do.
struct Databases {
    log: EventLog,
    writer: Pool,
    reactor: Pool,
    reader: Pool,
}

/// # Errors
/// When a database cannot be read; what does not hold is in the report.
pub async fn run(settings: &Settings) -> anyhow::Result<Report> {
    let started = Instant::now();
    let databases = Databases::connect(settings).await?;
    let files = Files::open(&settings.file_storage()?).context("the file storage cannot be opened (files.*)")?;
    let heads = databases.log.heads().await.context("cannot read the heads")?;
    let mut tenants: Vec<(TenantId, i64)> = heads.into_iter().map(|(tenant_id, (position, _))| (tenant_id, position)).collect();
    tenants.sort_unstable();
    let mut findings = Findings::default();
    log::check(&databases.writer, &mut findings).await?;
    for &(tenant_id, head) in &tenants {
        read_models::wait_for(&databases.reader, tenant_id, head, &mut findings).await?;
    }
    reactions::check(&databases.reactor, &tenants, &mut findings).await?;
    for &(tenant_id, _) in &tenants {
        let rows = read_models::Rows::load(&databases.reader, tenant_id).await.context("cannot read the read models")?;
        let books = Books::fold(&databases.log, tenant_id, &rows.positions, &mut findings).await?;
        books.check(&mut findings);
        books.contexts.check_files(tenant_id, &files, &mut findings).await;
        rows.compare(&books, &mut findings);
        snapshots::check(&databases.log, tenant_id, &mut findings).await?;
    }
    let checks = findings.checks;
    Ok(Report {
        ok: checks.iter().all(|check| check.failed == 0),
        tenants: tenants.len(),
        events: tenants.iter().map(|(_, head)| head).sum(),
        milliseconds: started.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        checks,
    })
}

impl Databases {
    async fn connect(settings: &Settings) -> anyhow::Result<Self> {
        let patient = |pool: PoolSettings| PoolSettings {
            application_name: "holdfast verify",
            statement_timeout: Duration::ZERO,
            max_connections: 2,
            ..pool
        };
        let connect = async |side: Side, role: DatabaseRole, pool: PoolSettings| {
            let url = settings.database.url(side, role)?;
            Pool::connect(url.expose_secret(), patient(pool)).await.with_context(|| format!("cannot reach the {} database", side.as_str()))
        };
        Ok(Self {
            log: EventLog::new(connect(Side::Write, DatabaseRole::Writer, PoolSettings::for_log(2)).await?),
            writer: connect(Side::Write, DatabaseRole::Writer, PoolSettings::default()).await?,
            reactor: connect(Side::Write, DatabaseRole::Reactor, PoolSettings::default()).await?,
            reader: connect(Side::Read, DatabaseRole::Reader, PoolSettings::default()).await?,
        })
    }
}

impl Report {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .checks
            .iter()
            .map(|check| {
                let verdict = if check.failed == 0 { "ok" } else { "FAILED" };
                vec![verdict.to_owned(), check.name.to_owned(), check.checked.to_string(), check.failed.to_string()]
            })
            .collect();
        let mut text = table(&["", "invariant", "checked", "failed"], &[2, 3], &rows);
        for check in self.checks.iter().filter(|check| check.failed > 0) {
            text.push_str(&format!("\n\n{}:\n  {}", check.name, check.examples.join("\n  ")));
        }
        let verdict = if self.ok { "everything holds" } else { "NOT everything holds" };
        format!("{text}\n\n{} tenants, {} events, {} ms: {verdict}", self.tenants, self.events, self.milliseconds)
    }
}
