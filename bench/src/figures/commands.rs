//! P1 to P6 and P15: durable commands in this process, through the writers that serve in production.

use std::sync::Arc;

use holdfast_commands::Writers;
use holdfast_domain::kernel::TenantId;

use super::{Bench, turned};
use crate::environment::{Size, World};
use crate::measure::{Outcome, Series, closed, number};
use crate::reference::stock::Stock;
use crate::reference::{multi_row, single_row};
use crate::report::{Goal, Row};
use crate::workload::{Cast, Payment};

const CALLERS: usize = 128;
const HOT_CALLERS: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Many,
    One,
    Hot,
}

impl Load {
    fn callers(self) -> usize {
        match self {
            Self::Many => CALLERS,
            Self::One => 1,
            Self::Hot => HOT_CALLERS,
        }
    }

    fn next(self, cast: &Cast) -> Payment {
        if self == Self::Hot { cast.hot() } else { cast.spread() }
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Ours(Load),
    Stock(Load),
    SingleRow,
    MultiRow,
}

/// Rates, p50, p99 in milliseconds, and CPU per command in microseconds.
#[derive(Debug, Default)]
struct Seen {
    rate: Series,
    p50: Series,
    p99: Series,
    cpu_us: Series,
}

impl Seen {
    fn push(&mut self, outcome: &Outcome, cpu_seconds: f64) {
        self.rate.push(outcome.rate());
        self.p50.push(outcome.quantile_ms(0.5));
        self.p99.push(outcome.quantile_ms(0.99));
        self.cpu_us.push(cpu_seconds * 1e6 / number(outcome.count.max(1)));
    }
}

/// Both sides of one load.
#[derive(Debug, Default)]
struct Pair {
    ours: Seen,
    stock: Seen,
}

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let wallets_per_tenant = if bench.form.short { 128 } else { 512 };
    let world = bench.world("commands", Size { tenants: 8, wallets_per_tenant }).await?;
    let tenants: Vec<TenantId> = world.cast.tenants.iter().map(|tenant| tenant.id).collect();
    let stock = Arc::new(Stock::open(&world.settings, &tenants, &world.cast.actor).await?);
    let writers = world.writers().await?;
    let length = bench.form.length;
    // Caches and prepared statements of both sides; and an event for the references to copy.
    ours(&world, &writers, Load::Many, length).await?;
    stock.reset().await?;
    theirs(&world, &stock, Load::Many, length).await?;
    single_row::prepare(&world).await?;
    multi_row::prepare(&world).await?;
    let (mut many, mut one, mut hot) = (Pair::default(), Pair::default(), Pair::default());
    let (mut single_row, mut multi_row) = (Series::default(), Series::default());
    let mut hot_conflicts = Series::default();
    for round in 0..bench.form.rounds {
        for side in turned(sides(bench), round) {
            match side {
                Side::Ours(load) => {
                    let (outcome, cpu) = bench.measured(&format!("{load:?}"), ours(&world, &writers, load, length)).await?;
                    bench.expect_no_errors("commands", "our commands", &outcome);
                    pair(load, &mut many, &mut one, &mut hot).ours.push(&outcome, cpu);
                }
                Side::Stock(load) => {
                    stock.reset().await?;
                    stock.conflicts();
                    let (outcome, cpu) = bench.measured(&format!("{load:?} stock"), theirs(&world, &stock, load, length)).await?;
                    bench.expect_no_errors("commands", "stock commands", &outcome);
                    if load == Load::Hot {
                        hot_conflicts.push(number(stock.conflicts()) / number(outcome.count.max(1)));
                    }
                    pair(load, &mut many, &mut one, &mut hot).stock.push(&outcome, cpu);
                }
                Side::SingleRow => single_row.push(bench.measured("P4", single_row::measure(&world, length)).await?.0),
                Side::MultiRow => multi_row.push(bench.measured("P5", multi_row::measure(&world, length)).await?.0),
            }
        }
    }
    rows(bench, &many, &one, &hot);
    if bench.wants(&["P4"]) {
        let goal = Goal::Above { at_least: 2.5, aim: 4.0 };
        bench.report.row(Row::ratio(
            "P4",
            "commands, 128 callers / pgbench, one row each, 32 clients",
            "/s",
            (&many.ours.rate, &single_row),
            goal,
        ));
    }
    if bench.wants(&["P5"]) {
        let goal = Goal::Above { at_least: 0.5, aim: 0.75 };
        bench.report.row(Row::ratio("P5", "commands, 128 callers / rows, 64 per statement", "/s", (&many.ours.rate, &multi_row), goal));
    }
    if !hot_conflicts.rounds.is_empty() {
        bench.report.note(format!("P6: the stock library met {:.1} conflicts per command on the hot wallet.", hot_conflicts.median()));
    }
    bench
        .report
        .note("P1-P6: 8 tenants; the stock library's streams are taken back to two events before each of its rounds, ours go on growing.");
    stock.close().await;
    drop(writers);
    bench.close(world).await
}

/// What the wanted figures need.
fn sides(bench: &Bench) -> Vec<Side> {
    let mut sides = Vec::new();
    let mut add = |figures: &[&str], side: Side| {
        if bench.wants(figures) {
            sides.push(side);
        }
    };
    add(&["P1", "P3", "P4", "P5", "P6", "P15"], Side::Ours(Load::Many));
    add(&["P1", "P3", "P15"], Side::Stock(Load::Many));
    add(&["P2"], Side::Ours(Load::One));
    add(&["P2"], Side::Stock(Load::One));
    add(&["P6"], Side::Ours(Load::Hot));
    add(&["P6"], Side::Stock(Load::Hot));
    add(&["P4"], Side::SingleRow);
    add(&["P5"], Side::MultiRow);
    sides
}

fn pair<'a>(load: Load, many: &'a mut Pair, one: &'a mut Pair, hot: &'a mut Pair) -> &'a mut Pair {
    match load {
        Load::Many => many,
        Load::One => one,
        Load::Hot => hot,
    }
}

async fn ours(world: &World, writers: &Writers, load: Load, length: std::time::Duration) -> anyhow::Result<Outcome> {
    let (cast, writers) = (Arc::clone(&world.cast), writers.clone());
    closed(load.callers(), length, move |_| {
        let (cast, writers) = (Arc::clone(&cast), writers.clone());
        async move {
            let payment = load.next(&cast);
            cast.pay(&writers, payment).await
        }
    })
    .await
}

async fn theirs(world: &World, stock: &Arc<Stock>, load: Load, length: std::time::Duration) -> anyhow::Result<Outcome> {
    let (cast, stock) = (Arc::clone(&world.cast), Arc::clone(stock));
    closed(load.callers(), length, move |_| {
        let (cast, stock) = (Arc::clone(&cast), Arc::clone(&stock));
        async move {
            let payment = load.next(&cast);
            stock.pay(&cast, payment).await
        }
    })
    .await
}

fn rows(bench: &mut Bench, many: &Pair, one: &Pair, hot: &Pair) {
    let above = |at_least, aim| Goal::Above { at_least, aim };
    let below = |at_most, aim| Goal::Below { at_most, aim };
    if bench.wants(&["P1"]) {
        bench.report.row(Row::ratio(
            "P1",
            "durable commands, 128 callers / stock",
            "/s",
            (&many.ours.rate, &many.stock.rate),
            above(12.0, 20.0),
        ));
    }
    if bench.wants(&["P2"]) {
        bench.report.row(Row::ratio("P2", "durable commands, 1 caller / stock", "/s", (&one.ours.rate, &one.stock.rate), above(2.0, 2.5)));
        bench.report.row(Row::ratio("P2", "p50, 1 caller / stock", "ms", (&one.ours.p50, &one.stock.p50), below(0.5, 0.35)));
    }
    if bench.wants(&["P3"]) {
        bench.report.row(Row::ratio("P3", "p99, 128 callers / stock", "ms", (&many.ours.p99, &many.stock.p99), below(0.15, 0.07)));
    }
    if bench.wants(&["P6"]) {
        bench.report.row(Row::ratio(
            "P6",
            "one hot wallet, 32 callers / stock",
            "/s",
            (&hot.ours.rate, &hot.stock.rate),
            above(100.0, 300.0),
        ));
        bench.report.row(Row::ratio("P6", "one hot wallet / our spread load", "/s", (&hot.ours.rate, &many.ours.rate), above(0.5, 0.9)));
    }
    if bench.wants(&["P15"]) {
        let sides = (&many.stock.cpu_us, &many.ours.cpu_us);
        bench.report.row(Row::ratio("P15", "CPU per command, whole machine: stock / ours", "us", sides, above(12.0, 25.0)));
    }
}
