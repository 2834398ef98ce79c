//! `make bench`: see docs/performance.md.

#![allow(clippy::float_arithmetic, reason = "rates and ratios, not money")]

mod environment;
mod figures;
mod guard;
mod http;
mod machine;
mod measure;
mod reference;
mod report;
mod rng;
mod workload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use figures::{Bench, Form};

/// As in `holdfast`, for what is measured in this process; the references have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Holdfast beside its references, in one interleaved run: figures P1 to P17 of docs/performance.md, B1 for batches.
///
/// Starts its own Postgres and NATS with the settings of production, checks the guard rails, prints a table and writes JSON. Fails when
/// a guard rail does not hold or a figure does not come to its end; a goal that is missed is told, no failure. Run it on a release build
/// and an idle machine: it says when somebody else was at work.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Options {
    /// These figures only: P1 to P17, B1; several with commas.
    #[arg(long, value_delimiter = ',', global = true)]
    only: Vec<String>,
    /// A quick look: short rounds, small logs. What was made smaller is said.
    #[arg(long, global = true)]
    short: bool,
    /// Rounds per figure.
    #[arg(long, default_value_t = 5, global = true)]
    rounds: usize,
    /// Length of one side of a round in seconds; by default 5, in the short form 0.4.
    #[arg(long, global = true)]
    seconds: Option<f64>,
    /// How long reactions and projections may take to catch up before `verify`, in seconds; by default 1,200, in the short form 20.
    #[arg(long, global = true)]
    verify_within: Option<u64>,
    /// The size of the large log of P16 in events; by default 10,000,000, in the short form 100,000.
    #[arg(long, global = true)]
    events: Option<u64>,
    /// Tenants of P17; by default 10,000, in the short form 500.
    #[arg(long, global = true)]
    tenants: Option<usize>,
    /// The program under test; by default the one beside this.
    #[arg(long, value_name = "FILE", global = true)]
    holdfast: Option<PathBuf>,
    /// The program built with the feature `unchecked-tokens`, for P8.
    #[arg(long, value_name = "FILE", default_value = "target/unchecked/holdfast", global = true)]
    unchecked: PathBuf,
    /// Where servers keep everything meanwhile; it is deleted.
    #[arg(long, value_name = "FOLDER", default_value = "target/bench-servers", global = true)]
    folder: PathBuf,
    /// Leave that folder and its logs there.
    #[arg(long, global = true)]
    keep: bool,
    /// Where the results go, as JSON.
    #[arg(long, value_name = "FILE", default_value = "target/bench.json", global = true)]
    json: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 70 % of the maximum for a long time: how latency and memory change.
    Soak {
        #[arg(long, default_value_t = 30)]
        minutes: u64,
    },
    /// More than the maximum: what is refused, and what becomes of the rest.
    Overload,
    /// The references that answer over HTTP; started by the figures.
    #[command(hide = true)]
    Endpoints { settings: PathBuf, listen: SocketAddr, actor: String },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::new).and_then(|runtime| runtime.block_on(run(arguments))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    if let Some(Command::Endpoints { settings, listen, actor }) = &arguments.command {
        reference::endpoints::serve(settings, *listen, actor).await?;
        return Ok(true);
    }
    let json = arguments.options.json.clone();
    let mut bench = Bench::new(form(arguments.options)?)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let interrupted = tokio::select! {
        () = figures::run(&mut bench, arguments.command.as_ref().map(kind)) => false,
        _ = tokio::signal::ctrl_c() => true,
        _ = terminate.recv() => true,
    };
    bench.stop_servers().await?;
    let report = bench.report();
    report.print()?;
    report.write(&json)?;
    ensure!(!interrupted, "interrupted: what is there was written");
    Ok(report.holds())
}

fn kind(command: &Command) -> figures::Extra {
    match command {
        Command::Soak { minutes } => figures::Extra::Soak { minutes: *minutes },
        Command::Overload | Command::Endpoints { .. } => figures::Extra::Overload,
    }
}

fn form(options: Options) -> anyhow::Result<Form> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let holdfast = options.holdfast.unwrap_or_else(|| own.with_file_name("holdfast"));
    ensure!(holdfast.is_file(), "there is no {}: build it, or name another with --holdfast", holdfast.display());
    ensure!(options.rounds > 0, "--rounds is at least 1");
    let only: Vec<String> = options.only.iter().map(|name| name.to_uppercase()).collect();
    if let Some(unknown) = only.iter().find(|name| !figures::NAMES.contains(&name.as_str())) {
        anyhow::bail!("there is no figure {unknown}: {}", figures::NAMES.join(", "));
    }
    let short = options.short;
    Ok(Form {
        short,
        only,
        rounds: options.rounds,
        length: Duration::from_secs_f64(options.seconds.unwrap_or(if short { 0.4 } else { 5.0 })),
        verify_within: Duration::from_secs(options.verify_within.unwrap_or(if short { 20 } else { 1_200 })),
        events: options.events.unwrap_or(if short { 100_000 } else { 10_000_000 }),
        tenants: options.tenants.unwrap_or(if short { 500 } else { 10_000 }),
        holdfast: holdfast.canonicalize()?,
        unchecked: options.unchecked,
        folder: options.folder,
        keep: options.keep,
    })
}
