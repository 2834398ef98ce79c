//! `make torture`: see the library, and docs/reliability.md.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use holdfast_torture::run::{Outcome, Plan, Report, run};
use holdfast_torture::scenario::{Scenario, all};
use holdfast_torture::world::Binaries;
use tokio::signal::unix::{SignalKind, signal};

/// Breaks a running Holdfast in every way that is listed, and looks at what is left.
///
/// Everything drawn follows from the seed: the same seed makes the same faults at the same moments of the plan, on every machine. How
/// the operating system schedules the processes does not.
#[derive(Debug, Parser)]
#[command(name = "torture")]
struct Arguments {
    /// Draws faults, tenants, parties and requests; printed, so that a run can be repeated.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from that one on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Names, several with commas, or `all`.
    #[arg(long, value_delimiter = ',', default_value = "all")]
    scenario: Vec<String>,
    /// How long faults are made in each run.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// The few scenarios of the short form.
    #[arg(long)]
    short: bool,
    /// Print the scenarios and do nothing.
    #[arg(long)]
    list: bool,
    /// Keep the folders of runs that went well; those of failed runs are always kept.
    #[arg(long)]
    keep: bool,
    /// Where runs have their folders; by default in the system's folder for temporary files.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The program under test.
    #[arg(long, value_name = "FILE", default_value = "target/debug/holdfast")]
    binary: PathBuf,
    /// The program built with the feature `failpoints`.
    #[arg(long, value_name = "FILE", default_value = "target/failpoints/holdfast")]
    failpoint_binary: PathBuf,
    /// Another version of the program, for the scenario `versions`; without it that is a rolling restart.
    #[arg(long, value_name = "FILE")]
    old_binary: Option<PathBuf>,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::new).and_then(|runtime| runtime.block_on(until_told_to_stop(&arguments))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever was started is killed when this ends.
async fn until_told_to_stop(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = torture(arguments) => ended,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("told to stop"),
    }
}

async fn torture(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    if arguments.list {
        for scenario in all() {
            writeln!(out, "{:<22}{}{}", scenario.name(), if scenario.in_short_form() { "(short) " } else { "" }, scenario.about())?;
        }
        return Ok(true);
    }
    let scenarios = chosen(arguments)?;
    let root = std::env::current_dir().context("no current folder")?;
    ensure!(root.join("torture/checkers").is_dir(), "run this in the project's root");
    let folder = arguments.folder.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("holdfast-torture-{}", std::process::id())));
    let existing = |path: &PathBuf| path.is_file().then(|| root.join(path));
    let binaries = Binaries {
        current: existing(&arguments.binary).with_context(|| format!("there is no {}: make build", arguments.binary.display()))?,
        old: match &arguments.old_binary {
            Some(path) => Some(existing(path).with_context(|| format!("there is no {}", path.display()))?),
            None => None,
        },
        failpoints: existing(&arguments.failpoint_binary),
    };
    let length = Duration::from_secs(arguments.seconds);
    let mut reports = Vec::new();
    writeln!(out, "{HEADER}")?;
    for seed in arguments.seed..arguments.seed + arguments.seeds {
        let plan = Plan { seed, length, folder: folder.clone(), binaries: binaries.clone(), root: root.clone(), keep: arguments.keep };
        for scenario in &scenarios {
            let report = run(*scenario, &plan).await;
            writeln!(out, "{}", row(&report))?;
            for why in &report.why {
                writeln!(out, "    {why}")?;
            }
            if let Some(folder) = &report.folder {
                writeln!(out, "    kept: {}", folder.display())?;
            }
            reports.push(report);
        }
    }
    let _ = std::fs::remove_dir(&folder); // stays when a run's folder was kept
    if let Some(file) = &arguments.report {
        std::fs::write(file, serde_json::to_vec_pretty(&reports)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let failed = reports.iter().filter(|report| report.result == Outcome::Failed).count();
    let skipped = reports.iter().filter(|report| report.result == Outcome::Skipped).count();
    writeln!(out, "\n{} runs, {failed} failed, {skipped} skipped", reports.len())?;
    Ok(failed == 0)
}

fn chosen(arguments: &Arguments) -> anyhow::Result<Vec<&'static dyn Scenario>> {
    let everything = arguments.scenario == ["all"];
    let unknown = arguments.scenario.iter().find(|name| !everything && all().iter().all(|scenario| scenario.name() != name.as_str()));
    ensure!(unknown.is_none(), "there is no scenario {:?}: see --list", unknown.map_or("", String::as_str));
    let named = |scenario: &&dyn Scenario| everything || arguments.scenario.iter().any(|name| name == scenario.name());
    Ok(all().into_iter().filter(|scenario| named(scenario) && (!arguments.short || scenario.in_short_form())).collect())
}

const HEADER: &str = "scenario              | seed | faults | commands ok / refused / unknown | events | checks | seconds | result\n\
     ----------------------|------|--------|---------------------------------|--------|--------|---------|-------";

fn row(report: &Report) -> String {
    let Report { scenario, seed, faults, commands, events, checks, seconds, .. } = report;
    let result = match report.result {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "skipped",
    };
    let counts = format!("{} / {} / {}", commands.ok, commands.refused, commands.unknown);
    format!("{scenario:<21} | {seed:>4} | {faults:>6} | {counts:<31} | {events:>6} | {checks:>6} | {seconds:>7} | {result}")
}
