//! `holdfast demo`: drives a running system over HTTP like its clients would, and accounts for every unit of money.
//!
//! Nothing here knows the rules: what is sent and what must come back stands in `api/scenarios/demo.toml`.

mod cast; // who plays
mod client; // requests that are repeated with their keys until they are answered
mod money; // wallets filled, contests for one wallet
mod plan; // which stories are told
mod report; // what came of it
pub mod scenario; // the file
mod server; // the system under test, and its crashes
mod story; // one story told
mod words; // the `{…}` of the file

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use holdfast_domain::kernel::Money;
use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use crate::auth::Issuer;
use crate::embedded::free_port;
use cast::Cast;
use client::Http;
use money::{Bank, Contested};
use plan::Part;
pub use report::Report;
use report::{Told, trial_balances};
use scenario::Scenario;
use server::{Recipe, Server};
use story::Telling;

/// Messages that are kept of what went wrong; the rest is counted.
const KEPT_FAILURES: usize = 20;

/// How the demo is run.
#[derive(Debug, Clone)]
pub struct Options {
    pub scenario: Scenario,
    /// Percent of the scenario's number of escrows.
    pub scale_percent: u32,
    /// Everything follows from it: the same run again repeats the same requests with the same keys.
    pub run: Uuid,
    /// How often the server is killed while stories are told; only with a server of its own.
    pub crashes: u32,
}

/// The system under test.
#[derive(Debug)]
pub struct System {
    pub url: String,
    server: Option<Server>,
}

impl System {
    /// One that somebody else runs.
    #[must_use]
    pub fn running(url: String) -> Self {
        Self { url, server: None }
    }

    /// A child process with embedded Postgres and NATS in `folder`.
    ///
    /// # Errors
    /// When it does not get ready; says where its log is.
    pub async fn start(folder: PathBuf, profile: &'static str, scenario: Option<PathBuf>) -> anyhow::Result<Self> {
        let listen = format!("127.0.0.1:{}", free_port(None)?);
        let url = format!("http://{listen}");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let log_file = folder.join("demo-server.log");
        let server = Server::start(Recipe { folder, listen, profile, scenario, log_file }).await?;
        Ok(Self { url, server: Some(server) })
    }

    /// Stops what [`System::start`] started.
    ///
    /// # Errors
    /// When the server does not end cleanly.
    pub async fn stop(self) -> anyhow::Result<()> {
        match self.server {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }
}

/// Fills wallets, holds the contests, tells the stories, waits until all money has landed, reads the trial balances.
///
/// # Errors
/// When the system cannot be talked to at all; what merely went wrong is in the report.
pub async fn run(options: &Options, system: &mut System, issuer: Issuer) -> anyhow::Result<Report> {
    let Options { scenario, scale_percent, run, crashes } = options;
    let started = Instant::now();
    let http = Http::new(&system.url)?;
    let cast = Cast::new(issuer, *run);
    let bank = Bank { http: &http, cast: &cast, run: *run };
    let mut failures = Failures::default();

    let parts = plan::parts(scenario, &cast, *run, *scale_percent)?;
    fill_wallets(scenario, &bank, &parts).await?;
    let contests = hold_contests(scenario, &bank, &failures).await;
    let told = tell_all(scenario, &http, &cast, parts, &failures, system.server.as_mut(), *crashes).await;
    let balances = trial_balances(scenario, &http, &cast, &failures).await;

    Ok(Report::new(*run, system.url.clone(), started.elapsed(), told, contests, balances, &http, *crashes, failures.take()))
}

async fn fill_wallets(scenario: &Scenario, bank: &Bank<'_>, parts: &[Part<'_>]) -> anyhow::Result<()> {
    let wallets = plan::wallets(parts);
    let bar = progress(u64::try_from(wallets.len())?, "filling wallets by bank receipts");
    stream::iter(wallets)
        .map(|((tenant, payer, currency), minor)| async move {
            bank.fill(tenant, payer, Money::try_from_minor(minor, currency)?, scenario.run.receipts_per_wallet).await
        })
        .buffer_unordered(scenario.run.at_once)
        .inspect(|_| bar.inc(1))
        .try_for_each(|()| async { Ok(()) })
        .await
        .context("the wallets could not be filled")?;
    bar.finish();
    Ok(())
}

async fn hold_contests(scenario: &Scenario, bank: &Bank<'_>, failures: &Failures) -> Vec<Contested> {
    let bar = progress(scenario.contests.len().try_into().unwrap_or(0), "many clients spend from one wallet");
    let mut results = Vec::new();
    for (number, contest) in scenario.contests.iter().enumerate() {
        match bank.contest(scenario, contest, number).await {
            Ok(result) => results.push(result),
            Err(error) => failures.add(format!("contest {} of {}: {error:#}", number + 1, contest.tenant)),
        }
        bar.inc(1);
    }
    bar.finish();
    results
}

async fn tell_all(
    scenario: &Scenario,
    http: &Http,
    cast: &Cast,
    parts: Vec<Part<'_>>,
    failures: &Failures,
    server: Option<&mut Server>,
    crashes: u32,
) -> Vec<Told> {
    let total = u64::try_from(parts.len()).unwrap_or(u64::MAX);
    let bar = progress(total, "telling stories");
    let (done, finished) = (AtomicU64::new(0), AtomicBool::new(false));
    let (counter, seen) = (&done, &bar);
    let tellings = async {
        let told: Vec<Told> = stream::iter(parts)
            .map(|part| async move {
                let name = part.story.name.clone();
                let mut telling = Telling::new(part.story, part.number, part.words, http, cast);
                let ending = telling.tell().await;
                if let Err(error) = &ending {
                    failures.add(format!("{error:#}"));
                }
                counter.fetch_add(1, Ordering::Relaxed);
                seen.inc(1);
                Told { name, ending: ending.ok() }
            })
            .buffer_unordered(scenario.run.at_once)
            .collect()
            .await;
        finished.store(true, Ordering::Relaxed);
        told
    };
    let crashing = async {
        let Some(server) = server else { return };
        for crash in 1..=crashes {
            let due = total * u64::from(crash) / (u64::from(crashes) + 1);
            while done.load(Ordering::Relaxed) < due && !finished.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            bar.suspend(|| eprintln!("kill -9 of the server, {crash} of {crashes}"));
            if let Err(error) = server.crash_and_restart().await {
                failures.add(format!("after a crash: {error:#}"));
                return;
            }
        }
    };
    let (told, ()) = tokio::join!(tellings, crashing);
    bar.finish();
    told
}

/// On standard error; without a terminal one line at the beginning.
fn progress(length: u64, what: &'static str) -> ProgressBar {
    use std::io::IsTerminal as _;
    if !std::io::stderr().is_terminal() {
        eprintln!("{what} ({length})");
    }
    let style = ProgressStyle::with_template("{msg:36} [{bar:40}] {pos}/{len} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style.progress_chars("=> ")).with_message(what)
}

/// What went wrong; the first ones in words.
#[derive(Debug, Default)]
struct Failures {
    kept: Mutex<(Vec<String>, u64)>,
}

impl Failures {
    fn add(&self, text: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1 += 1;
        if kept.0.len() < KEPT_FAILURES {
            kept.0.push(text);
        }
    }

    fn take(&mut self) -> (Vec<String>, u64) {
        std::mem::take(self.kept.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}
