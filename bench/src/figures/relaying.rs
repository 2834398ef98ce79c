//! P11: can the relay keep up with the writers?

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_commands::Writers;

use super::Bench;
use crate::environment::{Size, World, sync_always};
use crate::measure::{Series, closed, number};
use crate::report::{Goal, Row};

const CALLERS: usize = 128;
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let world = bench.world("relay", Size { tenants: 8, wallets_per_tenant: 64 }).await?;
    let writers = world.writers().await?;
    append(&world, &writers, bench.form.length).await?;
    for always in [false, true] {
        if always {
            sync_always(bench.servers()?).await?;
        }
        rounds(bench, &world, &writers, always).await?;
    }
    drop(writers);
    bench.close(world).await
}

async fn rounds(bench: &mut Bench, world: &World, writers: &Writers, always: bool) -> anyhow::Result<()> {
    let (mut appended, mut relayed) = (Series::default(), Series::default());
    for _ in 0..bench.form.rounds {
        appended.push(bench.measured("P11 append", append(world, writers, bench.form.length)).await?.0);
        relayed.push(bench.measured("P11 relay", relay(world)).await?.0);
    }
    let (nats, goal) = if always {
        ("NATS sync_interval: always", Goal::Above { at_least: 1.0, aim: 1.0 })
    } else {
        ("NATS as it comes", Goal::Above { at_least: 1.0, aim: 2.0 })
    };
    bench.report.row(Row::ratio("P11", format!("events relayed / appended, {nats}"), "/s", (&relayed, &appended), goal));
    Ok(())
}

/// Events per second while nobody relays.
async fn append(world: &World, writers: &Writers, length: Duration) -> anyhow::Result<f64> {
    let (cast, writers) = (Arc::clone(&world.cast), writers.clone());
    let before = world.events().await?;
    let outcome = closed(CALLERS, length, move |_| {
        let (cast, writers) = (Arc::clone(&cast), writers.clone());
        async move {
            let payment = cast.spread();
            cast.pay(&writers, payment).await
        }
    })
    .await?;
    anyhow::ensure!(outcome.errors == 0, "{}", outcome.first_error.unwrap_or_default());
    let added = u64::try_from(world.events().await? - before)?;
    Ok(number(added) / outcome.length.as_secs_f64())
}

/// Events per second from the first checkpoint that moves to the last: the start of the process and its look at the stream do not count.
async fn relay(world: &World) -> anyhow::Result<f64> {
    let waiting = world.behind(&["relay"], &[]).await?;
    let relay = world.serve("relay").await?;
    let begun = Instant::now();
    let mut first = None;
    loop {
        let behind = world.behind(&["relay"], &[]).await?;
        if behind < waiting && first.is_none() {
            first = Some((behind, Instant::now()));
        }
        if behind == 0 {
            break;
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the relay did not come to the end: {behind} events left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ended = Instant::now();
    relay.stop().await?;
    let (left, since) = first.unwrap_or((waiting, begun));
    let (left, since) = if left == 0 { (waiting, begun) } else { (left, since) };
    Ok(number(u64::try_from(left)?) / ended.duration_since(since).as_secs_f64().max(1e-3))
}
