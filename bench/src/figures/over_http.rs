//! P7, P8 and B1: commands over HTTP, to a process of its own that serves nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;

use super::transfers::{Batches, Transfers};
use super::{Bench, per_second, turned};
use crate::environment::{Service, Size, World};
use crate::http::{Connection, Load, Requests, Tally, post};
use crate::measure::{Series, number};
use crate::reference::endpoints;
use crate::report::{Goal, Row};

const CONNECTIONS: usize = 128;
/// Of a batch, as many as a request may have.
const BATCH: usize = 1_000;

#[derive(Debug, Clone, Copy)]
enum Side {
    Ours,
    Nothing,
    NothingUnchecked,
    Stock,
    Unchecked,
    Batches,
}

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let wallets_per_tenant = if bench.form.short { 128 } else { 512 };
    let size = Size { tenants: 8, wallets_per_tenant };
    let world = bench.world("http", size).await?;
    let api = world.serve("api").await?;
    let references = endpoints::start(&world).await?;
    let has_unchecked = bench.wants(&["P8"]) && bench.form.unchecked.is_file();
    let unchecked = if has_unchecked { Some(Unchecked::start(bench, size).await?) } else { None };
    let ours = Transfers::ours(&world)?;
    let (nothing, bare) = (Transfers::reference(&world, "/noop")?, Transfers::reference(&world, "/unchecked")?);
    let (stock, batches) = (Transfers::reference(&world, "/stock")?, Batches::of(&world, BATCH)?);
    let mut sides = Vec::new();
    let wanted = |figures: &[&str]| bench.wants(figures);
    let p8_by_nothing = wanted(&["P8"]) && !has_unchecked;
    let choice = [
        (true, Side::Ours),
        (wanted(&["P7"]) || p8_by_nothing, Side::Nothing),
        (p8_by_nothing, Side::NothingUnchecked),
        (wanted(&["P7"]), Side::Stock),
        (has_unchecked, Side::Unchecked),
        (wanted(&["B1"]), Side::Batches),
    ];
    sides.extend(choice.into_iter().filter(|(wanted, _)| *wanted).map(|(_, side)| side));
    let load = |service: &Service, connections| Load { address: service.address, connections, length: bench.form.length };
    let (to_api, to_references, few) = (load(&api, CONNECTIONS), load(&references, CONNECTIONS), load(&api, 4));
    let to_unchecked = unchecked.as_ref().map(|unchecked| load(&unchecked.service, CONNECTIONS));
    if let (Some(load), Some(unchecked)) = (&to_unchecked, &unchecked) {
        load.closed(&unchecked.requests).await?;
    }
    to_api.closed(&ours).await?; // caches, prepared statements
    let mut seen: [Series; 6] = Default::default();
    for round in 0..bench.form.rounds {
        for side in turned(sides.clone(), round) {
            let rate = match side {
                Side::Ours => rate(bench, "P7", &to_api, &ours).await?,
                Side::Nothing => rate(bench, "P7 no-op", &to_references, &nothing).await?,
                Side::NothingUnchecked => rate(bench, "P8 no-op", &to_references, &bare).await?,
                Side::Stock => {
                    reset(&references).await?;
                    rate(bench, "P7 stock", &to_references, &stock).await?
                }
                Side::Unchecked => match (&to_unchecked, &unchecked) {
                    (Some(load), Some(unchecked)) => rate(bench, "P8 unchecked", load, &unchecked.requests).await?,
                    _ => f64::NAN,
                },
                Side::Batches => {
                    batches.accepted.store(0, Ordering::Relaxed);
                    let (tally, _) = bench.measured("B1", few.closed(&batches)).await?;
                    bench.expect_no_errors("http", "batches", &tally.outcome);
                    number(batches.accepted.load(Ordering::Relaxed)) / tally.outcome.length.as_secs_f64()
                }
            };
            seen[side as usize].push(rate);
        }
    }
    let side = |side: Side| &seen[side as usize];
    let ours_rate = side(Side::Ours);
    if bench.wants(&["P7"]) {
        let goal = Goal::Above { at_least: 0.35, aim: 0.5 };
        bench.report.row(Row::ratio("P7", "HTTP commands, 128 connections / no-op endpoint", "/s", (ours_rate, side(Side::Nothing)), goal));
        let goal = Goal::Above { at_least: 10.0, aim: 15.0 };
        bench.report.row(Row::ratio("P7", "HTTP commands, 128 connections / stock over HTTP", "/s", (ours_rate, side(Side::Stock)), goal));
        let half = ours_rate.median() / 2.0;
        let (tally, _) = bench.measured("P7 latency", to_api.open(&ours, half)).await?;
        bench.expect_no_errors("http", "commands at half the maximum", &tally.outcome);
        bench.report.latency("P7", format!("transfer, open loop at {} (half the maximum)", per_second(half)), tally.outcome.latencies());
    }
    if bench.wants(&["P8"]) {
        let goal = Goal::Above { at_least: 0.8, aim: 0.95 };
        if has_unchecked {
            bench.report.row(Row::ratio(
                "P8",
                "HTTP commands, tokens checked / not checked",
                "/s",
                (ours_rate, side(Side::Unchecked)),
                goal,
            ));
        } else {
            let sides = (side(Side::Nothing), side(Side::NothingUnchecked));
            bench.report.row(Row::ratio("P8", "no-op endpoint, tokens checked / not checked", "/s", sides, goal));
            bench.report.note(
                "P8: there is no build with `unchecked-tokens` (make bench-unchecked), so the check was measured on the no-op endpoint: \
                 there it weighs more than on a command.",
            );
        }
    }
    if bench.wants(&["B1"]) {
        let what = "commands in batches of 1,000, 4 connections / one per request";
        bench.report.row(Row::ratio("B1", what, "/s", (side(Side::Batches), ours_rate), Goal::None));
    }
    if let Some(unchecked) = unchecked {
        unchecked.service.stop().await?;
        bench.close(unchecked.world).await?;
    }
    references.stop().await?;
    api.stop().await?;
    bench.close(world).await
}

/// The build that believes every token, on databases of its own.
struct Unchecked {
    world: World,
    service: Service,
    requests: Arc<Transfers>,
}

impl Unchecked {
    async fn start(bench: &Bench, size: Size) -> anyhow::Result<Self> {
        let world = bench.world("unchecked", size).await?;
        let service = world.serve_with(&bench.form.unchecked.canonicalize()?, "api").await?;
        let requests = Transfers::ours(&world)?;
        Ok(Self { world, service, requests })
    }
}

async fn rate<R: Requests>(bench: &mut Bench, figure: &'static str, load: &Load, requests: &Arc<R>) -> anyhow::Result<f64> {
    let (tally, _) = bench.measured(figure, load.closed(requests)).await?;
    Ok(checked(bench, figure, &tally))
}

/// Its rate; errors and refusals are a guard rail that does not hold.
fn checked(bench: &mut Bench, figure: &'static str, tally: &Tally) -> f64 {
    let mut outcome = tally.outcome.clone();
    if tally.shed > 0 {
        outcome.note(Duration::ZERO, Err(format!("{} refused for load", tally.shed)));
    }
    bench.expect_no_errors("http", figure, &outcome);
    tally.outcome.rate()
}

/// The stock library's streams back to their beginning.
async fn reset(references: &Service) -> anyhow::Result<()> {
    let answer = Connection::open(references.address).await?.send(&post("/reset", "", "reset", "")).await?;
    ensure!(answer.status == 200, "the stock library was not reset: {}", super::transfers::said(&answer));
    Ok(())
}
