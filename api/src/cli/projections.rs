//! `holdfast projections`: how the read models are, and making them anew (ADM-21).

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::PoolSettings;
use holdfast_projections::personal::{Keys, StoredKeys};
use holdfast_projections::rebuild::{self, Diff, Kind, Progress, Rebuilder, Status, Trial};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::context::Global;
use super::{print, wiring};
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Show the read models, make them anew from the log, and undo that.
///
/// A rebuild fills a second set of tables while the first is read, compares both, and lets them change places in one moment.
/// The system may be at work meanwhile.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the projections: version, position, how far behind, where they have stopped, the last run.
    List {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Make a projection anew from the log, show what would change, and swap.
    Rebuild {
        #[command(flatten)]
        what: What,
        /// Swap without asking.
        #[arg(long, conflicts_with = "no_swap")]
        yes: bool,
        /// Compare only; what is read stays.
        #[arg(long)]
        no_swap: bool,
    },
    /// Compare a projection with a fold of the log in memory; changes nothing.
    Verify(What),
    /// Put the rows before the last swap back, after taking them to where the present ones stand.
    SwapBack(What),
    /// Let the projector leave a projection alone; it stays readable.
    Pause(What),
    /// Let a projection go on: one that was paused, or that has stopped at an event.
    Resume(What),
    /// Show what the present code makes of the event at which a projection has stopped. Keeps nothing.
    Try {
        projection: String,
        #[arg(long)]
        tenant: TenantId,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct What {
    /// Its name (see `list`).
    projection: String,
    /// One tenant alone.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

const NEEDS: Needs =
    Needs { tokens: false, secrets: true, database: &[(Side::Write, DatabaseRole::Projector), (Side::Read, DatabaseRole::Projector)] };
/// On record as whoever asked.
const BY: &str = "command line";

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let result = execute(&opened.settings, arguments.command).await;
    opened.close().await?;
    result
}

async fn execute(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    let rebuilder = rebuilder(settings).await?;
    match command {
        Command::List { json } => list(&rebuilder, json).await?,
        Command::Rebuild { what, yes, no_swap } => rebuild(&rebuilder, &what, yes, no_swap).await?,
        Command::Verify(what) => return verify(&rebuilder, &what).await,
        Command::SwapBack(what) => {
            rebuilder.swap_back(&what.projection, what.tenant, BY).await?;
            said(&what, &json!({ "swapped": true }), "the former rows are back")?;
        }
        Command::Pause(what) => {
            let pool = wiring::pool(settings, Side::Read, DatabaseRole::Projector, 1).await?;
            let name = rebuild::projection(&what.projection)?.name();
            let paused = rebuild::pause(&pool, name, what.tenant, BY).await.context("cannot pause")?;
            said(&what, &json!({ "paused": true, "was": !paused }), if paused { "paused" } else { "it was paused already" })?;
        }
        Command::Resume(what) => {
            let pool = wiring::pool(settings, Side::Read, DatabaseRole::Projector, 1).await?;
            let name = rebuild::projection(&what.projection)?.name();
            let (pauses, stops) = rebuild::resume(&pool, name, what.tenant).await.context("cannot resume")?;
            let text = format!("goes on: {pauses} pauses and {stops} stops taken back; the projector notices within seconds");
            said(&what, &json!({ "pauses": pauses, "stops": stops }), &text)?;
        }
        Command::Try { projection, tenant, json } => {
            let trial = rebuilder.attempt(&projection, tenant).await?;
            if json {
                print::json(&trial)?
            } else {
                print::line(trial_text(&trial))?
            }
            return Ok(if trial.error.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// With sessions of its own; used by the projector's process as well.
pub(super) async fn rebuilder(settings: &Settings) -> anyhow::Result<Rebuilder> {
    let keys = wiring::pool(settings, Side::Write, DatabaseRole::Projector, 2).await?;
    let keys: Arc<dyn Keys> = Arc::new(StoredKeys::new(keys, settings.kms()?));
    let [live, shadow] = rebuild::pool_settings();
    let live = wiring::connect(settings, Side::Read, DatabaseRole::Projector, live).await?;
    let shadow = wiring::connect(settings, Side::Read, DatabaseRole::Projector, shadow).await?;
    let reading = PoolSettings::for_log(4);
    let log = EventLog::new(wiring::connect(settings, Side::Write, DatabaseRole::Projector, reading).await?);
    Ok(Rebuilder::new(live, shadow, log, keys))
}

fn said(what: &What, json: &serde_json::Value, text: &str) -> anyhow::Result<()> {
    if what.json {
        return print::json(json);
    }
    print::line(text)?;
    Ok(())
}

async fn list(rebuilder: &Rebuilder, json: bool) -> anyhow::Result<()> {
    let all = rebuild::status(rebuilder).await?;
    if json {
        return print::json(&json!({ "projections": all }));
    }
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    print::line(print::table(&["projection", "version", "tenants", "position", "behind", "state", "last run"], &[1, 2, 3, 4], &rows))?;
    for status in &all {
        for stop in &status.stopped {
            print::line(format!("{}: stopped for tenant {} at position {}: {}", status.name, stop.tenant_id, stop.position, stop.error))?;
        }
    }
    Ok(())
}

fn row(status: &Status) -> Vec<String> {
    let mut state = Vec::new();
    if status.paused {
        state.push("paused".to_owned());
    }
    for (count, what) in [
        (status.paused_tenants.len() as u64, "tenants paused"),
        (status.stopped.len() as u64, "tenants stopped"),
        (status.other_version, "tenants of another version"),
    ] {
        if count > 0 {
            state.push(format!("{count} {what}"));
        }
    }
    let state = if state.is_empty() { "at work".to_owned() } else { state.join(", ") };
    let run = status
        .last_run
        .as_ref()
        .map_or_else(|| "none".to_owned(), |run| format!("{} {} {}", run.kind, run.state, run.requested_at.format("%Y-%m-%d %H:%M")));
    vec![
        status.name.to_owned(),
        status.version.to_string(),
        status.tenants.to_string(),
        status.position.to_string(),
        status.behind.to_string(),
        state,
        run,
    ]
}

async fn rebuild(rebuilder: &Rebuilder, what: &What, yes: bool, no_swap: bool) -> anyhow::Result<()> {
    let mut run = rebuilder.begin(&what.projection, what.tenant, Kind::Rebuild, BY).await?;
    let progress = run.progress();
    let diff = watched(&progress, run.prepare()).await?;
    if !what.json {
        print::line(diff_text(&diff))?;
    }
    let swap = !no_swap && (yes || confirmed()?);
    if swap {
        run.swap().await?;
    } else {
        run.leave().await?;
    }
    let text = if swap { "swapped; `projections swap-back` takes it back" } else { "nothing was swapped" };
    said(what, &json!({ "swapped": swap, "diff": diff }), text)
}

/// Shows rate and time left while `work` goes on.
async fn watched<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    let style = ProgressStyle::with_template("folding [{bar:40}] {pos}/{len} events, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style.progress_chars("=> "));
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let (done, total) = progress.events();
                bar.set_length(u64::try_from(total.max(done)).unwrap_or_default());
                bar.set_position(u64::try_from(done).unwrap_or_default());
            }
        }
    };
    bar.finish_and_clear();
    result
}

/// Nobody there to ask means no.
fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        eprintln!("not a terminal: give --yes to swap");
        return Ok(false);
    }
    eprint!("swap now? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn diff_text(diff: &Diff) -> String {
    let rows: Vec<Vec<String>> = diff
        .tables
        .iter()
        .map(|table| {
            let counts = [table.rows_before, table.rows_after, table.added, table.gone, table.changed];
            std::iter::once(table.table.clone()).chain(counts.iter().map(ToString::to_string)).collect()
        })
        .collect();
    let mut text = format!("{} tenants compared\n", diff.tenants);
    text.push_str(&print::table(&["table", "rows now", "rebuilt", "added", "gone", "changed"], &[1, 2, 3, 4, 5], &rows));
    let totals: Vec<Vec<String>> = diff
        .tables
        .iter()
        .flat_map(|table| table.totals.iter().map(|total| (table.table.clone(), total)))
        .map(|(table, total)| {
            let same = if total.before == total.after { "" } else { "differs" };
            let currency = total.currency.clone().unwrap_or_default();
            vec![table, total.column.clone(), currency, total.before.to_string(), total.after.to_string(), same.to_owned()]
        })
        .collect();
    if !totals.is_empty() {
        text.push_str("\n\n");
        text.push_str(&print::table(&["table", "sum of", "currency", "now", "rebuilt", ""], &[3, 4], &totals));
    }
    for table in &diff.tables {
        for sample in &table.samples {
            text.push_str(&format!("\n{} {}: tenant {} key {}", table.table, sample.what, sample.tenant_id, sample.key));
        }
    }
    text
}

async fn verify(rebuilder: &Rebuilder, what: &What) -> anyhow::Result<ExitCode> {
    let checks = rebuilder.verify(&what.projection, what.tenant).await?;
    let different: i64 = checks.iter().flat_map(|(_, checks)| checks).map(|check| check.different).sum();
    if what.json {
        let tenants: Vec<_> = checks.iter().map(|(tenant, checks)| json!({ "tenantId": tenant, "tables": checks })).collect();
        print::json(&json!({ "ok": different == 0, "different": different, "tenants": tenants }))?;
    } else {
        for (tenant, check) in checks.iter().flat_map(|(tenant, checks)| checks.iter().map(move |check| (tenant, check))) {
            if check.different > 0 {
                print::line(format!("{tenant} {}: {} rows differ, such as {}", check.table, check.different, check.keys.join(" ")))?;
            }
        }
        let rows: i64 = checks.iter().flat_map(|(_, checks)| checks).map(|check| check.rows).sum();
        print::line(format!("{} tenants, {rows} rows, {different} differ", checks.len()))?;
    }
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn trial_text(trial: &Trial) -> String {
    let mut text = format!("{} at position {}: ", trial.event_type, trial.position);
    match &trial.error {
        Some(error) => text.push_str(&format!("does not fit: {error}")),
        None => text.push_str("fits now; `projections resume` lets it go on"),
    }
    for change in &trial.changes {
        text.push_str(&format!("\n{}{}", change.table, if change.before.is_none() { " (new row)" } else { "" }));
        for (column, after) in &change.after {
            let before = change.before.as_ref().and_then(|row| row.get(column));
            if before != Some(after) {
                let before = before.map_or_else(String::new, |before| format!("{before} -> "));
                text.push_str(&format!("\n  {column}: {before}{after}"));
            }
        }
    }
    text
}
