//! `simulation --seed 7 --trace`, `simulation --seeds 0..20000`.

#![allow(clippy::print_stdout, reason = "a program that reports")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Parser;
use holdfast_simulation::{Options, Outcome, run};

#[derive(Debug, Parser)]
#[command(about = "Deterministic simulation of writers, relay, subscriptions, reactions and deadlines")]
struct Arguments {
    /// One seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// `FROM..TO`, or how many from 0 on.
    #[arg(long, default_value = "500")]
    seeds: String,
    /// What each client does.
    #[arg(long, default_value_t = Options::default().steps)]
    steps: u64,
    /// Print all that happens; for one seed.
    #[arg(long)]
    trace: bool,
    /// Seeds at a time; all cores when it is not said.
    #[arg(long)]
    threads: Option<usize>,
    /// Go on after a failure, and say how many there were.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let (from, to) = match arguments.seed {
        Some(seed) => (seed, seed + 1),
        None => range(&arguments.seeds)?,
    };
    let options = Options { steps: arguments.steps, trace: arguments.trace && to - from == 1 };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let threads = arguments.threads.unwrap_or(cores).max(1);
    let (next, stop, begun) = (AtomicU64::new(from), AtomicBool::new(false), Instant::now());
    let totals = Mutex::new(Totals::default());
    let work = || -> anyhow::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= to || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let outcome = run(seed, options)?;
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.add(&outcome, options.steps);
            if !outcome.wrong.is_empty() && !arguments.keep_going {
                stop.store(true, Ordering::Relaxed);
            }
            if totals.seeds.is_multiple_of(500) {
                println!("{} of {} seeds, {} failed, {:.0?}", totals.seeds, to - from, totals.failed, begun.elapsed());
            }
        }
    };
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        working.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a seed ended in a panic")))
    })?;
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{} seeds, {} commands, {} events, {} failed, {:.1?}",
        totals.seeds,
        totals.commands,
        totals.events,
        totals.failed,
        begun.elapsed()
    );
    if let (Some(hash), 1) = (totals.hash, to - from) {
        println!("trace {hash:016x}");
    }
    Ok(if totals.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[derive(Default)]
struct Totals {
    seeds: u64,
    failed: u64,
    commands: usize,
    events: usize,
    hash: Option<u64>,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome, steps: u64) {
        self.seeds += 1;
        self.commands += outcome.commands;
        self.events += outcome.events;
        self.hash = Some(outcome.hash);
        if outcome.wrong.is_empty() {
            return;
        }
        self.failed += 1;
        println!("seed {} failed:", outcome.seed);
        outcome.wrong.iter().take(12).for_each(|what| println!("  {what}"));
        println!("  again: target/debug/simulation --seed {} --steps {steps} --trace", outcome.seed);
    }
}

fn range(text: &str) -> anyhow::Result<(u64, u64)> {
    let number = |text: &str| text.parse::<u64>().with_context(|| format!("{text} is not a number of seeds"));
    match text.split_once("..") {
        Some((from, to)) => Ok((number(from)?, number(to)?)),
        None => Ok((0, number(text)?)),
    }
}
