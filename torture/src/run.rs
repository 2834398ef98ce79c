//! One run: a scenario with a seed, from an empty folder to a verdict.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use uuid::Uuid;

use crate::load::{Counts, Load};
use crate::rng::Rng;
use crate::scenario::{Scenario, Skip};
use crate::verdict::{Verdict, judge};
use crate::world::{Binaries, World};

const TENANTS: usize = 3;
/// Load before the first fault and after the last one.
const UNDISTURBED: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(300);

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// How long faults are made.
    pub length: Duration,
    /// Gets a folder for every run.
    pub folder: PathBuf,
    pub binaries: Binaries,
    /// The project's root: checkers and the verifier of exports are there.
    pub root: PathBuf,
    /// Keep the folders of runs that went well.
    pub keep: bool,
}

/// What is said about one run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub scenario: String,
    pub seed: u64,
    pub result: Outcome,
    /// Why it failed or was skipped.
    pub why: Vec<String>,
    pub faults: usize,
    pub fault_list: Vec<String>,
    /// Services that ended by themselves and were started again.
    pub restarts: u64,
    pub commands: Counts,
    pub events: u64,
    pub checks: usize,
    pub seconds: u64,
    /// Logs, history and databases, where they were kept.
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// Runs it; whatever goes wrong is in the report.
pub async fn run(scenario: &dyn Scenario, plan: &Plan) -> Report {
    let begun = Instant::now();
    let folder = plan.folder.join(format!("{}-{}", scenario.name(), plan.seed));
    let mut report = Report {
        scenario: scenario.name().to_owned(),
        seed: plan.seed,
        result: Outcome::Passed,
        why: Vec::new(),
        faults: 0,
        fault_list: Vec::new(),
        restarts: 0,
        commands: Counts::default(),
        events: 0,
        checks: 0,
        seconds: 0,
        folder: None,
    };
    if let Err(error) = attempt(scenario, plan, &folder, &mut report).await {
        let skipped = error.downcast_ref::<Skip>().is_some();
        report.result = if skipped { Outcome::Skipped } else { Outcome::Failed };
        report.why.push(format!("{error:#}"));
    }
    report.seconds = begun.elapsed().as_secs();
    if report.result == Outcome::Failed || plan.keep {
        report.folder = Some(folder);
    } else if let Err(error) = std::fs::remove_dir_all(&folder) {
        report.why.push(format!("the folder was not deleted: {error}"));
    }
    report
}

async fn attempt(scenario: &dyn Scenario, plan: &Plan, folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("cannot delete the folder of an earlier run")?;
    }
    let mut rng = Rng::new(plan.seed, "tenants");
    let tenants: Vec<Uuid> = (0..TENANTS).map(|_| rng.uuid()).collect();
    let mut world = World::start(folder.to_owned(), plan.binaries.clone(), &scenario.options(), &tenants).await?;
    let load = Load::start(&world, plan.seed)?;
    world.pass(UNDISTURBED).await?;
    let mut rng = Rng::new(plan.seed, scenario.name());
    let disturbed = scenario.run(&mut world, &mut rng, plan.length).await;
    report.faults = world.faults.len();
    report.fault_list = world.faults.iter().map(|fault| format!("{:>6} ms  {}", fault.at_ms, fault.kind)).collect();
    disturbed.with_context(|| format!("in {}", folder.display()))?;
    world.heal().await.context("after the faults")?;
    world.pass(UNDISTURBED).await?;
    report.commands = load.settle(plan.seed).await?;
    world.quiesce(PATIENCE).await?;
    report.restarts = world.restarts;
    let Verdict { problems, events, checks } = judge(&mut world, &plan.root).await?;
    (report.events, report.checks) = (events, checks);
    ensure!(report.commands.ok > 0, "the load did nothing");
    if !problems.is_empty() {
        report.result = Outcome::Failed;
        report.why = problems;
    }
    Ok(())
}
