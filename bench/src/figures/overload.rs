//! `bench overload`: more than the process can take, in two ways.

use std::sync::atomic::Ordering;

use super::transfers::{Batches, Transfers};
use super::{Bench, per_second};
use crate::environment::Size;
use crate::http::Load;
use crate::measure::{Series, number};
use crate::report::{Goal, Row};

const CONNECTIONS: usize = 128;
/// Requests in flight are as many as connections: so many are needed to have twice the maximum wait.
const MANY_CONNECTIONS: usize = 1_500;
/// Batches of 1,000: twice as many as the server has places for.
const BATCHES: usize = 64;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    // One tenant: all of it meets one writer.
    let world = bench.world("overload", Size { tenants: 1, wallets_per_tenant: 1_000 }).await?;
    let api = world.serve("api").await?;
    let (ours, length) = (Transfers::ours(&world)?, bench.form.length);
    let load = |connections| Load { address: api.address, connections, length };
    load(CONNECTIONS).closed(&ours).await?;
    let (mut maximum, mut beyond, mut batched) = (Series::default(), Series::default(), Series::default());
    let (mut refused, mut refused_in_batches) = (0, 0);
    for _ in 0..bench.form.rounds {
        let (tally, _) = bench.measured("maximum", load(CONNECTIONS).closed(&ours)).await?;
        bench.expect_no_errors("overload", "commands", &tally.outcome);
        let rate = tally.outcome.rate();
        maximum.push(rate);
        let (tally, _) = bench.measured("overload", load(MANY_CONNECTIONS).open(&ours, rate * 2.0)).await?;
        bench.expect_no_errors("overload", "twice the maximum", &tally.outcome);
        beyond.push(tally.outcome.rate());
        refused += tally.shed;
        bench.report.latency("overload", "twice the maximum, from the intended time", tally.outcome.latencies());
        let batches = Batches::of(&world, 1_000)?;
        let (tally, _) = bench.measured("batches", load(BATCHES).closed(&batches)).await?;
        bench.expect_no_errors("overload", "batches", &tally.outcome);
        batched.push(number(batches.accepted.load(Ordering::Relaxed)) / tally.outcome.length.as_secs_f64());
        refused_in_batches += batches.shed.load(Ordering::Relaxed) + tally.shed;
    }
    let what = format!("accepted at twice the maximum, {MANY_CONNECTIONS} connections / the maximum");
    bench.report.row(Row::ratio("overload", what, "/s", (&beyond, &maximum), Goal::None));
    let what = format!("accepted of {BATCHES} batches of 1,000 at once / the maximum");
    bench.report.row(Row::ratio("overload", what, "/s", (&batched, &maximum), Goal::None));
    bench.report.note(format!(
        "overload: {refused} single requests and {refused_in_batches} commands of batches were refused for load, all with Retry-After; maximum {}.",
        per_second(maximum.median())
    ));
    // One that a refusal met may have left nothing: the process must still be there and take commands.
    let (tally, _) = bench.measured("after", load(CONNECTIONS).closed(&ours)).await?;
    bench.expect_no_errors("overload", "after the overload", &tally.outcome);
    api.stop().await?;
    bench.close(world).await
}
