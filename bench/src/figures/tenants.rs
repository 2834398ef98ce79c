//! P17: many tenants, of which few do most.

use std::sync::Arc;
use std::time::Duration;

use holdfast_commands::Writers;

use super::{Bench, turned};
use crate::environment::{Size, World};
use crate::measure::{Outcome, Series, closed};
use crate::report::{Goal, Row};
use crate::rng::Zipf;

const CALLERS: usize = 128;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let tenants = bench.form.tenants;
    let many = bench.world("many", Size { tenants, wallets_per_tenant: 2 }).await?;
    let one = bench.world("one", Size { tenants: 1, wallets_per_tenant: 1_000 }).await?;
    let (in_many, in_one) = (many.writers().await?, one.writers().await?);
    let (zipf, only) = (Arc::new(Zipf::of(tenants)), Arc::new(Zipf::of(1)));
    let length = bench.form.length;
    pay(&many, &in_many, &zipf, length).await?;
    pay(&one, &in_one, &only, length).await?;
    let (mut ours, mut reference) = (Series::default(), Series::default());
    for round in 0..bench.form.rounds {
        for is_many in turned(vec![true, false], round) {
            let (world, writers, zipf, series) =
                if is_many { (&many, &in_many, &zipf, &mut ours) } else { (&one, &in_one, &only, &mut reference) };
            let (outcome, _) = bench.measured("P17", pay(world, writers, zipf, length)).await?;
            bench.expect_no_errors("many", "commands", &outcome);
            series.push(outcome.rate());
        }
    }
    let goal = Goal::Above { at_least: 0.7, aim: 0.9 };
    bench.report.row(Row::ratio("P17", format!("commands, {tenants} tenants, Zipf / one tenant"), "/s", (&ours, &reference), goal));
    drop((in_many, in_one));
    bench.close(many).await?;
    bench.close(one).await
}

async fn pay(world: &World, writers: &Writers, zipf: &Arc<Zipf>, length: Duration) -> anyhow::Result<Outcome> {
    let (cast, writers, zipf) = (Arc::clone(&world.cast), writers.clone(), Arc::clone(zipf));
    closed(CALLERS, length, move |_| {
        let (cast, writers, zipf) = (Arc::clone(&cast), writers.clone(), Arc::clone(&zipf));
        async move {
            let payment = cast.skewed(&zipf);
            cast.pay(&writers, payment).await
        }
    })
    .await
}
