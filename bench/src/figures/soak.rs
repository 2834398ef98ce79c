//! `bench soak`: 70 % of the maximum for a long time, with everything at work.

use std::time::{Duration, Instant};

use super::transfers::Transfers;
use super::{Bench, per_second};
use crate::environment::Size;
use crate::guard::projections;
use crate::http::Load;
use crate::machine::resident_mib;
use crate::measure::{Outcome, Series};
use crate::report::{Goal, Row};

const CONNECTIONS: usize = 128;
const SHARE: f64 = 0.7;
/// How much of the beginning and of the end is compared.
const ENDS: Duration = Duration::from_secs(300);
const SUBSCRIPTIONS: [&str; 4] = ["reactor", "deadlines", "effects", "relay"];

pub(crate) async fn run(bench: &mut Bench, minutes: u64) -> anyhow::Result<()> {
    let world = bench.world("soak", Size { tenants: 8, wallets_per_tenant: 512 }).await?;
    let service = world.serve("api,relay,projector,reactor").await?;
    let ours = Transfers::ours(&world)?;
    let load = |length| Load { address: service.address, connections: CONNECTIONS, length };
    load(bench.form.length).closed(&ours).await?;
    let maximum = sustained(bench, &world, &load(bench.form.length.max(Duration::from_secs(2))), &ours).await?;
    let rate = maximum * SHARE;
    let whole = Duration::from_secs(minutes * 60);
    let part = Duration::from_secs(60).min(whole / 2).max(Duration::from_secs(1));
    let ends = ENDS.min(whole / 2);
    let (mut first, mut last) = (Outcome::empty()?, Outcome::empty()?);
    let (mut memory, mut behind) = (Series::default(), Series::default());
    let begun = Instant::now();
    while begun.elapsed() + part / 2 < whole {
        let from = begun.elapsed();
        let (tally, _) = bench.measured("soak", load(part).open(&ours, rate)).await?;
        bench.expect_no_errors("soak", "commands", &tally.outcome);
        if from < ends {
            first.add(&tally.outcome);
        }
        if from + part / 2 >= whole.saturating_sub(ends) {
            last.add(&tally.outcome);
        }
        memory.push(resident_mib(service.pid()));
        let left = world.behind(&SUBSCRIPTIONS, &projections()).await?;
        behind.push(f64::from(i32::try_from(left).unwrap_or(i32::MAX)));
        bench.say(&format!(
            "soak: {} s, {}, {:.0} MiB, {left} events behind",
            from.as_secs(),
            tally.outcome.latencies(),
            resident_mib(service.pid())
        ));
    }
    let (p99_first, p99_last): (Series, Series) =
        ([first.quantile_ms(0.99)].into_iter().collect(), [last.quantile_ms(0.99)].into_iter().collect());
    let what = format!("p99 of the last {} s / of the first, at {} for {minutes} min", ends.as_secs(), per_second(rate));
    bench.report.row(Row::ratio("soak", what, "ms", (&p99_last, &p99_first), Goal::None));
    bench.report.row(Row::value("soak", "memory of the process, per part", "MiB", &memory, Goal::None));
    bench.report.row(Row::value("soak", "events that the slowest consumer is behind, per part", "", &behind, Goal::None));
    bench.report.latency("soak", "first part", first.latencies());
    bench.report.latency("soak", "last part", last.latencies());
    world.drained(&SUBSCRIPTIONS, &projections()).await?;
    service.stop().await?;
    bench.close(world).await
}

/// What the whole can take for good: transfers per second with the time that everybody needs to catch up.
async fn sustained(
    bench: &mut Bench,
    world: &crate::environment::World,
    load: &Load,
    ours: &std::sync::Arc<Transfers>,
) -> anyhow::Result<f64> {
    world.drained(&SUBSCRIPTIONS, &projections()).await?;
    let begun = Instant::now();
    let tally = load.closed(ours).await?;
    bench.expect_no_errors("soak", "commands", &tally.outcome);
    world.drained(&SUBSCRIPTIONS, &projections()).await?;
    let sustained = crate::measure::number(tally.outcome.count) / begun.elapsed().as_secs_f64();
    let taken = tally.outcome.rate();
    bench.report.note(format!(
        "soak: the process takes {} at most; with all consumers caught up it is {}. The load is 70 % of the latter.",
        per_second(taken),
        per_second(sustained)
    ));
    Ok(sustained)
}
