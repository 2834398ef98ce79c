//! `holdfast demo`: the system under test, the run, its account, and `verify` in the end.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use uuid::Uuid;

use super::context::Global;
use super::{print, token};
use crate::demo::scenario::Scenario;
use crate::demo::{self, Options, Report, System};
use crate::embedded;
use crate::settings::{Needs, Profile, Settings};
use crate::verify;

/// Drive the running system over HTTP like real clients, account for every unit of money, and verify.
///
/// Starts a system of its own in the folder (--folder), or uses the one that `holdfast dev` runs there, or the one at --url.
/// Every request carries a key and is repeated with it until it is answered, so the server may be killed at any time
/// (--crashes does that). Fails when anything is not as the scenario says, or when `verify` finds something.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A system that runs already; its settings (--config) must name its databases and its signing key.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How many escrows, in percent of the scenario's number; each story is told at least once everywhere.
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    scale: u32,
    /// How often the server is killed with `kill -9` while it works, and started again.
    #[arg(long, value_name = "TIMES", default_value_t = 0, conflicts_with = "url")]
    crashes: u32,
    /// The same run again: the same requests with the same keys, as after a crash of this program.
    #[arg(long, value_name = "UUID")]
    run: Option<Uuid>,
    /// Another scenario file.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How safe the embedded Postgres is: dev survives crashes, test is faster.
    #[arg(long, value_enum, default_value = "dev")]
    profile: Profile,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Result<'a> {
    ok: bool,
    demo: &'a Report,
    verify: &'a verify::Report,
}

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let scenario = Scenario::load(arguments.scenario.as_deref())?;
    let mut system = system(global, &arguments).await?;
    let result = drive(global, &arguments, scenario, &mut system).await;
    let stopped = system.stop().await;
    let ok = result?;
    stopped?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn system(global: &Global, arguments: &Arguments) -> anyhow::Result<System> {
    if let Some(url) = &arguments.url {
        return Ok(System::running(url.clone()));
    }
    if let Some(url) = embedded::url_of_running(&global.folder)? {
        anyhow::ensure!(
            arguments.crashes == 0,
            "--crashes needs a server of its own: stop the one that runs on {}",
            global.folder.display()
        );
        eprintln!("using the system that runs at {url}");
        return Ok(System::running(url));
    }
    eprintln!("starting Holdfast with its own Postgres and NATS in {}", global.folder.display());
    let profile = super::context::embedded_profile(arguments.profile)?;
    System::start(global.folder.clone(), profile.as_str(), arguments.scenario.clone()).await
}

async fn drive(global: &Global, arguments: &Arguments, scenario: Scenario, system: &mut System) -> anyhow::Result<bool> {
    let settings = settings(global)?;
    let run = arguments.run.unwrap_or_else(Uuid::now_v7);
    let options = Options { scenario, scale_percent: arguments.scale, run, crashes: arguments.crashes };
    eprintln!("run {run} (repeat it with --run)");
    let report = demo::run(&options, system, token::issuer(&settings)?).await?;
    eprintln!("verifying");
    let verified = verify::run(&settings).await.context("cannot verify")?;
    let ok = report.ok && verified.ok;
    if arguments.json {
        print::json(&Result { ok, demo: &report, verify: &verified })?;
    } else {
        print::line(report.text())?;
        print::line(format!("\n{}", verified.text()))?;
        print::line(if ok { "\nEverything is as it should be." } else { "\nSomething is off." })?;
    }
    Ok(ok)
}

fn settings(global: &Global) -> anyhow::Result<Settings> {
    let needs = Needs { tokens: true, database: verify::NEEDS.database, ..Needs::default() };
    global.settings(needs, Vec::new())
}
