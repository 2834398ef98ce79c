//! P9, P10, P13 and P14: everything at work. One process with all roles, as `holdfast serve` starts by default, beside one that only
//! takes commands, on databases of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::transfers::{Read, Reads, Transfers, said};
use super::{Bench, per_second, turned};
use crate::environment::{Service, Size, World};
use crate::guard::projections;
use crate::http::{Connection, Load, get, post};
use crate::measure::{Outcome, Series, number};
use crate::reference::{cala, endpoints};
use crate::report::{Goal, Row};
use crate::workload::Cast;

const CONNECTIONS: usize = 128;
const READERS: usize = 64;
const PAYERS: usize = 64;
/// Callers that look whether what they did can be seen.
const PROBES: usize = 8;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let wallets_per_tenant = if bench.form.short { 128 } else { 512 };
    let size = Size { tenants: 8, wallets_per_tenant };
    let all = bench.world("all", size).await?;
    let everything = all.serve("api,relay,projector,reactor").await?;
    caught_up(&all).await?;
    if bench.wants(&["P9", "P10"]) {
        commands(bench, &all, &everything, size).await?;
    }
    if bench.wants(&["P13"]) {
        queries(bench, &all, &everything).await?;
    }
    if bench.wants(&["P14"]) {
        transfers(bench, &all, &everything).await?;
    }
    caught_up(&all).await?;
    everything.stop().await?;
    bench.close(all).await
}

async fn caught_up(world: &World) -> anyhow::Result<()> {
    world.drained(&["reactor", "deadlines", "effects", "relay"], &projections()).await
}

async fn commands(bench: &mut Bench, all: &World, everything: &Service, size: Size) -> anyhow::Result<()> {
    let alone = if bench.wants(&["P9"]) { Some(bench.world("alone", size).await?) } else { None };
    let only_api = match &alone {
        Some(world) => Some(world.serve("api").await?),
        None => None,
    };
    let length = bench.form.length;
    let load = |service: &Service| Load { address: service.address, connections: CONNECTIONS, length };
    let ours = Transfers::ours(all)?;
    let (mut with, mut without, mut sustained) = (Series::default(), Series::default(), Series::default());
    load(everything).closed(&ours).await?;
    caught_up(all).await?;
    for round in 0..bench.form.rounds {
        for is_alone in turned(vec![true, false], round) {
            if !is_alone {
                let (tally, _) = bench.measured("P9 with", load(everything).closed(&ours)).await?;
                bench.expect_no_errors("all", "commands", &tally.outcome);
                with.push(tally.outcome.rate());
                let begun = Instant::now();
                caught_up(all).await?; // every round begins with nothing left over
                sustained.push(number(tally.outcome.count) / (tally.outcome.length + begun.elapsed()).as_secs_f64());
            } else if let (Some(world), Some(service)) = (&alone, &only_api) {
                let requests = Transfers::ours(world)?;
                let (tally, _) = bench.measured("P9 without", load(service).closed(&requests)).await?;
                bench.expect_no_errors("alone", "commands", &tally.outcome);
                without.push(tally.outcome.rate());
            }
        }
    }
    if bench.wants(&["P9"]) {
        let goal = Goal::Above { at_least: 0.6, aim: 0.75 };
        bench.report.row(Row::ratio("P9", "HTTP commands with relay, projector, reactor / without", "/s", (&with, &without), goal));
        // In a rush consumers give way; what is done until everything has caught up is what can go on for ever.
        bench.report.row(Row::value("P9", "the same until all have caught up", "/s", &sustained, Goal::None));
    }
    if let (Some(world), Some(service)) = (alone, only_api) {
        service.stop().await?;
        bench.close(world).await?;
    }
    if bench.wants(&["P10"]) {
        visibility(bench, all, everything, sustained.median() / 2.0).await?;
    }
    Ok(())
}

/// P10: from the answer to a command until a query shows it, while transfers go on at half of what the process can sustain with
/// reactions and projections keeping up: beyond that the delay only tells how long the load has lasted.
async fn visibility(bench: &mut Bench, world: &World, service: &Service, per_second_of_load: f64) -> anyhow::Result<()> {
    let ours = Transfers::ours(world)?;
    let load = Load { address: service.address, connections: CONNECTIONS, length: bench.form.length };
    let (mut p50, mut p99) = (Series::default(), Series::default());
    let mut commands = Outcome::empty()?;
    for _ in 0..bench.form.rounds {
        let both = async { tokio::try_join!(load.open(&ours, per_second_of_load), probes(world, service, load.length)) };
        let ((tally, probes), _) = bench.measured("P10", both).await?;
        bench.expect_no_errors("all", "load", &tally.outcome);
        bench.expect_no_errors("all", "probes", &probes);
        p50.push(probes.quantile_ms(0.5));
        p99.push(probes.quantile_ms(0.99));
        commands.add(&tally.outcome);
        caught_up(world).await?;
    }
    let load = per_second(per_second_of_load);
    bench.report.row(Row::value(
        "P10",
        format!("accepted until visible, p50, under {load}"),
        "ms",
        &p50,
        Goal::Below { at_most: 25.0, aim: 8.0 },
    ));
    bench.report.row(Row::value(
        "P10",
        format!("accepted until visible, p99, under {load}"),
        "ms",
        &p99,
        Goal::Below { at_most: 100.0, aim: 40.0 },
    ));
    bench.report.latency("P10", format!("transfer, open loop at {load}, everything running"), commands.latencies());
    Ok(())
}

async fn probes(world: &World, service: &Service, length: Duration) -> anyhow::Result<Outcome> {
    let tokens = Arc::new(world.cast.tokens(&world.issuer()?)?);
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..PROBES {
        let (cast, tokens) = (Arc::clone(&world.cast), Arc::clone(&tokens));
        let mut connection = Connection::open(service.address).await?;
        let mut seen = Outcome::empty()?;
        tasks.spawn(async move {
            while begun.elapsed() < length {
                match probe(&cast, &tokens, &mut connection).await {
                    Ok(took) => seen.note(took, Ok(())),
                    Err(error) => seen.note(Duration::ZERO, Err(format!("{error:#}"))),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            seen
        });
    }
    let mut all = Outcome::empty()?;
    while let Some(seen) = tasks.join_next().await {
        all.add(&seen?);
    }
    Ok(all)
}

/// The query waits on the server until its position is there; what is measured is what a client would see.
async fn probe(cast: &Cast, tokens: &[String], connection: &mut Connection) -> anyhow::Result<Duration> {
    let payment = cast.spread();
    let (token, wallet) = (&tokens[payment.tenant], cast.payer(&payment));
    let accepted = connection.send(&post("/v1/ledger/transfer", token, &payment.key, &cast.body(&payment))).await?;
    anyhow::ensure!(accepted.status == 200, "{}", said(&accepted));
    let position = accepted.position.context("no X-Position")?;
    cast.acknowledge(payment);
    let begun = Instant::now();
    let shown = connection.send(&get(&format!("/v1/wallets/{wallet}/balance"), Some((token, Some(position))))).await?;
    anyhow::ensure!(shown.status == 200, "{}", said(&shown));
    anyhow::ensure!(shown.position.is_some_and(|shown| shown >= position), "an older state was shown");
    Ok(begun.elapsed())
}

/// P13.
async fn queries(bench: &mut Bench, world: &World, service: &Service) -> anyhow::Result<()> {
    let references = endpoints::start(world).await?;
    let (mut one, mut page, mut nothing) = (Series::default(), Series::default(), Series::default());
    for round in 0..bench.form.rounds {
        for what in turned(vec![Read::One, Read::Page, Read::Nothing], round) {
            let address = if what == Read::Nothing { references.address } else { service.address };
            let load = Load { address, connections: READERS, length: bench.form.length };
            let reads = Reads::of(world, what)?;
            let (tally, _) = bench.measured("P13", load.closed(&reads)).await?;
            bench.expect_no_errors("all", "queries", &tally.outcome);
            let series = match what {
                Read::One => &mut one,
                Read::Page => &mut page,
                Read::Nothing => &mut nothing,
            };
            series.push(tally.outcome.rate());
        }
    }
    let goal = Goal::Above { at_least: 0.25, aim: 0.5 };
    bench.report.row(Row::ratio("P13", "GET a wallet by id / no-op endpoint", "/s", (&one, &nothing), goal));
    let goal = Goal::Above { at_least: 0.1, aim: 0.2 };
    bench.report.row(Row::ratio("P13", "GET a filtered page of 50 / no-op endpoint", "/s", (&page, &nothing), goal));
    for (what, rate) in [(Read::One, one.median()), (Read::Page, page.median())] {
        let load = Load { address: service.address, connections: READERS, length: bench.form.length };
        let reads = Reads::of(world, what)?;
        let (tally, _) = bench.measured("P13 latency", load.open(&reads, rate / 2.0)).await?;
        bench.report.latency(
            "P13",
            format!("{what:?}, open loop at {} (half the maximum)", per_second(rate / 2.0)),
            tally.outcome.latencies(),
        );
    }
    references.stop().await
}

/// P14: paid over HTTP, credited by the reactor, booked by the projector: counted when the last line can be seen.
async fn transfers(bench: &mut Bench, world: &World, service: &Service) -> anyhow::Result<()> {
    let ours = Transfers::ours(world)?;
    let has_cala = cala::program().is_file();
    let cala_url = if has_cala { Some(cala::prepare(world).await?) } else { None };
    let (mut rates, mut theirs) = (Series::default(), Series::default());
    for round in 0..bench.form.rounds {
        for is_ours in turned(vec![true, false], round) {
            if is_ours {
                let load = Load { address: service.address, connections: PAYERS, length: bench.form.length };
                let whole = async {
                    let begun = Instant::now();
                    let tally = load.closed(&ours).await?;
                    world.drained(&["reactor"], &["ledger", "wallet"]).await?;
                    Ok((tally, begun.elapsed()))
                };
                let ((tally, took), _) = bench.measured("P14", whole).await?;
                bench.expect_no_errors("all", "transfers", &tally.outcome);
                rates.push(number(tally.outcome.count) / took.as_secs_f64());
                caught_up(world).await?;
            } else if let Some(url) = &cala_url {
                theirs.push(bench.measured("P14 cala", cala::measure(url, PAYERS, bench.form.length)).await?.0);
            }
        }
    }
    let what = "full transfers, lines visible";
    if has_cala {
        let goal = Goal::Above { at_least: 5.0, aim: 15.0 };
        bench.report.row(Row::ratio("P14", format!("{what} / cala-ledger"), "/s", (&rates, &theirs), goal));
    } else {
        bench.report.row(Row::value("P14", what, "/s", &rates, Goal::None));
        bench.report.note("P14: cala-ledger was not measured: there is no bench-cala (make bench-cala).");
    }
    Ok(())
}
