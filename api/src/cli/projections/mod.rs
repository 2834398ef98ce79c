//! `holdfast projections`: how the read models are, and making them anew (ADM-21).

mod text;

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
use holdfast_projections::rebuild::{self, Kind, Order, Progress, Rebuilder};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use uuid::Uuid;

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
    /// Swap what `rebuild --no-swap` has left beside the rows that are read.
    Swap {
        /// The id that `rebuild` printed (see `runs`).
        run: Uuid,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// List the last runs of a projection: who ordered what, and what became of it.
    Runs {
        projection: String,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
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
const SWAPPED: &str = "swapped; `projections swap-back` takes it back";
const RUNS_SHOWN: i64 = 20;

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
            said(what.json, &json!({ "swapped": true }), "the former rows are back")?;
        }
        Command::Swap { run, json } => {
            rebuilder.swap_prepared(run, BY).await?;
            said(json, &json!({ "swapped": true }), SWAPPED)?;
        }
        Command::Runs { projection, json } => runs(&rebuilder, &projection, json).await?,
        Command::Pause(what) => {
            let report = ordered(&rebuilder, &what, Kind::Pause).await?;
            let text = if report["wasPaused"] == true { "it was paused already" } else { "paused" };
            said(what.json, &report, text)?;
        }
        Command::Resume(what) => {
            let report = ordered(&rebuilder, &what, Kind::Resume).await?;
            let (pauses, stops) = (&report["pauses"], &report["stops"]);
            let text = format!("goes on: {pauses} pauses and {stops} stops taken back; the projector notices within seconds");
            said(what.json, &report, &text)?;
        }
        Command::Try { projection, tenant, json } => {
            let trial = rebuilder.attempt(&projection, tenant).await?;
            if json {
                print::json(&trial)?
            } else {
                print::line(text::trial(&trial))?
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

fn said(as_json: bool, json: &Value, text: &str) -> anyhow::Result<()> {
    if as_json {
        return print::json(json);
    }
    print::line(text)?;
    Ok(())
}

/// What is done as soon as it is ordered; gives its report.
async fn ordered(rebuilder: &Rebuilder, what: &What, kind: Kind) -> anyhow::Result<Value> {
    let order = Order::new(rebuild::projection(&what.projection)?.name(), what.tenant, kind, BY);
    let ordered = rebuild::order(rebuilder.pool(), &order).await.with_context(|| format!("cannot {kind}"))?;
    Ok(ordered.run.report.unwrap_or_default())
}

async fn runs(rebuilder: &Rebuilder, projection: &str, json: bool) -> anyhow::Result<()> {
    let runs = rebuild::list_runs(rebuilder.pool(), rebuild::projection(projection)?.name(), None, RUNS_SHOWN).await?;
    if json {
        return print::json(&json!({ "runs": runs }));
    }
    let rows: Vec<Vec<String>> = runs.iter().map(text::run).collect();
    print::line(print::table(&["run", "kind", "state", "tenant", "by", "at", "error"], &[], &rows))?;
    Ok(())
}

async fn list(rebuilder: &Rebuilder, json: bool) -> anyhow::Result<()> {
    let all = rebuild::status(rebuilder.pool(), rebuilder.log()).await?;
    if json {
        return print::json(&json!({ "projections": all }));
    }
    let rows: Vec<Vec<String>> = all.iter().map(text::status).collect();
    print::line(print::table(&["projection", "version", "tenants", "position", "behind", "state", "last run"], &[1, 2, 3, 4], &rows))?;
    for status in &all {
        for stop in &status.stopped {
            print::line(format!("{}: stopped for tenant {} at position {}: {}", status.name, stop.tenant_id, stop.position, stop.error))?;
        }
    }
    Ok(())
}

async fn rebuild(rebuilder: &Rebuilder, what: &What, yes: bool, no_swap: bool) -> anyhow::Result<()> {
    let mut run = rebuilder.begin(&what.projection, what.tenant, Kind::Rebuild, BY).await?;
    let (id, progress) = (run.id(), run.progress());
    let diff = watched(&progress, run.prepare()).await?;
    if !what.json {
        print::line(text::diff(&diff))?;
    }
    let swap = !no_swap && (yes || confirmed()?);
    if swap {
        run.swap().await?;
    } else {
        run.leave().await?;
    }
    let text = if swap { SWAPPED.to_owned() } else { format!("nothing was swapped; `projections swap {id}` does it") };
    said(what.json, &json!({ "run": id, "swapped": swap, "diff": diff }), &text)
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

async fn verify(rebuilder: &Rebuilder, what: &What) -> anyhow::Result<ExitCode> {
    let verified = rebuilder.verify(&what.projection, what.tenant).await?;
    let checks = || verified.tenants.iter().flat_map(|tenant| tenant.tables.iter().map(move |check| (tenant.tenant_id, check)));
    if what.json {
        print::json(&verified)?;
    } else {
        for (tenant, check) in checks().filter(|(_, check)| check.different > 0) {
            print::line(format!("{tenant} {}: {} rows differ, such as {}", check.table, check.different, check.keys.join(" ")))?;
        }
        let rows: i64 = checks().map(|(_, check)| check.rows).sum();
        print::line(format!("{} tenants, {rows} rows, {} differ", verified.tenants.len(), verified.different))?;
    }
    Ok(if verified.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
