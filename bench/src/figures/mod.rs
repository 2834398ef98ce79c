//! The figures, in groups that share servers and a world.

mod commands; // P1 to P6, P15
mod following; // P9, P10, P13, P14: with relay, projector and reactor at work
mod over_http; // P7, P8, B1
mod overload;
mod rebuilding; // P12
mod relaying; // P11
mod size; // P16
mod soak;
mod tenants; // P17
mod transfers; // as HTTP requests

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::environment::{Servers, Size, World};
use crate::machine::{Watch, description};
use crate::measure::Outcome;
use crate::report::Report;
use crate::{guard, report};

pub(crate) const NAMES: [&str; 18] =
    ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14", "P15", "P16", "P17", "B1"];

/// How a run is made.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) short: bool,
    /// Empty: all of them.
    pub(crate) only: Vec<String>,
    pub(crate) rounds: usize,
    /// Of one side of a round.
    pub(crate) length: Duration,
    pub(crate) verify_within: Duration,
    pub(crate) events: u64,
    pub(crate) tenants: usize,
    pub(crate) holdfast: PathBuf,
    pub(crate) unchecked: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) keep: bool,
}

/// What is no figure, but needs the same.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extra {
    Soak { minutes: u64 },
    Overload,
}

/// A run at work.
pub(crate) struct Bench {
    pub(crate) form: Form,
    pub(crate) report: Report,
    servers: Option<Servers>,
}

impl Bench {
    pub(crate) fn new(form: Form) -> anyhow::Result<Self> {
        let build = if cfg!(debug_assertions) { "DEBUG (figures do not count)" } else { "release" };
        let kind = if form.short { "short" } else { "long" };
        let said = format!("{kind} form, {} rounds of {:.1} s per side", form.rounds, form.length.as_secs_f64());
        let report = Report { machine: description(), build, form: said, ..Report::default() };
        Ok(Self { form, report, servers: None })
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) fn wants(&self, figures: &[&str]) -> bool {
        self.form.only.is_empty() || figures.iter().any(|figure| self.form.only.iter().any(|wanted| wanted == figure))
    }

    async fn start_servers(&mut self) -> anyhow::Result<()> {
        self.stop_servers().await?;
        self.servers = Some(Servers::start(&self.form.folder).await?);
        Ok(())
    }

    pub(crate) async fn stop_servers(&mut self) -> anyhow::Result<()> {
        match self.servers.take() {
            Some(servers) => servers.stop(self.form.keep).await,
            None => Ok(()),
        }
    }

    pub(crate) fn servers(&self) -> anyhow::Result<&Servers> {
        self.servers.as_ref().context("no servers")
    }

    pub(crate) async fn world(&self, name: &str, size: Size) -> anyhow::Result<World> {
        World::create(self.servers()?, &self.form.holdfast, name, size).await.with_context(|| format!("the world {name}"))
    }

    /// Runs `work` and says how much CPU the machine spent meanwhile; notes who else was at work.
    pub(crate) async fn measured<T>(&mut self, figure: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, f64)> {
        let watch = Watch::start();
        let done = work.await?;
        let usage = watch.stop(&self.servers()?.pids());
        if !usage.disturbances.is_empty() {
            self.report.disturbances.push(format!("{figure}: {} of the CPU", usage.disturbances.join(", ")));
        }
        Ok((done, usage.cpu_seconds))
    }

    /// Errors of a load are a guard rail that does not hold.
    pub(crate) fn expect_no_errors(&mut self, world: &str, what: &'static str, outcome: &Outcome) {
        guard::no_errors(world, what, outcome, &mut self.report);
    }

    /// Guard rails of a world that only transfers were made in: the log by itself, then everything that follows from it.
    pub(crate) async fn close(&mut self, world: World) -> anyhow::Result<()> {
        guard::check_log(&world, &mut self.report).await?;
        guard::verify(&world, self.form.verify_within, &mut self.report).await?;
        world.close().await;
        Ok(())
    }

    /// Says on standard error what is going on.
    pub(crate) fn say(&self, what: &str) {
        eprintln!("bench: {what}");
    }
}

/// The order of a round's sides: every other one is turned round, so that no side always comes after the same one.
pub(crate) fn turned<T>(mut sides: Vec<T>, round: usize) -> Vec<T> {
    if round % 2 == 1 {
        sides.reverse();
    }
    sides
}

/// Runs what is wanted, each group on servers of its own. What goes wrong is in the report; the others go on.
pub(crate) async fn run(bench: &mut Bench, extra: Option<Extra>) {
    let groups: [(&[&str], &str); 7] = [
        (&["P1", "P2", "P3", "P4", "P5", "P6", "P15"], "commands in process"),
        (&["P7", "P8", "B1"], "commands over HTTP"),
        (&["P9", "P10", "P13", "P14"], "with relay, projector and reactor"),
        (&["P11"], "the relay"),
        (&["P12"], "the rebuild"),
        (&["P16"], "a large log"),
        (&["P17"], "many tenants"),
    ];
    if let Some(extra) = extra {
        let done = attempt_extra(bench, extra).await;
        note_failure(bench, "soak or overload", done);
        return;
    }
    for (figures, about) in groups {
        if bench.wants(figures) {
            bench.say(&format!("{} ({about})", figures.join(", ")));
            let done = attempt(bench, figures[0]).await;
            note_failure(bench, about, done);
        }
    }
}

fn note_failure(bench: &mut Bench, about: &str, done: anyhow::Result<()>) {
    if let Err(error) = done {
        bench.say(&format!("{about}: {error:#}"));
        bench.report.failures.push(format!("{about}: {error:#}"));
    }
}

async fn attempt(bench: &mut Bench, first: &str) -> anyhow::Result<()> {
    bench.start_servers().await?;
    let done = match first {
        "P1" => commands::run(bench).await,
        "P7" => over_http::run(bench).await,
        "P9" => following::run(bench).await,
        "P11" => relaying::run(bench).await,
        "P12" => rebuilding::run(bench).await,
        "P16" => size::run(bench).await,
        _ => tenants::run(bench).await,
    };
    bench.stop_servers().await?;
    done
}

async fn attempt_extra(bench: &mut Bench, extra: Extra) -> anyhow::Result<()> {
    bench.start_servers().await?;
    let done = match extra {
        Extra::Soak { minutes } => soak::run(bench, minutes).await,
        Extra::Overload => overload::run(bench).await,
    };
    bench.stop_servers().await?;
    done
}

/// `1,234/s`.
pub(crate) fn per_second(rate: f64) -> String {
    format!("{}/s", report::short(rate))
}
