//! P12: the ledger made anew from the log, by the code that does it in production.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_api::settings::{DatabaseRole, Side};
use holdfast_domain::kernel::TenantId;
use holdfast_domain::ledger::post;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::PoolSettings;
use holdfast_projections::ledger;
use holdfast_projections::personal::{Keys, StoredKeys};
use holdfast_projections::rebuild::{Kind, Rebuilder, pool_settings};
use tokio::task::JoinSet;

use super::{Bench, per_second, turned};
use crate::environment::{Size, World};
use crate::measure::{Series, closed, number};
use crate::reference::row_at_a_time;
use crate::report::{Goal, Row};

const TENANTS: usize = 4;
/// Events per read, as a rebuild reads them.
const PAGE: i64 = 500;

#[derive(Debug, Clone, Copy)]
enum Way {
    Rebuild,
    RowAtATime,
    ReadOnly,
}

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let events: i64 = if bench.form.short { 10_000 } else { 200_000 };
    let world = bench.world("rebuild", Size { tenants: TENANTS, wallets_per_tenant: 128 }).await?;
    fill(&world, events).await?;
    let events = world.events().await?;
    // A rebuild takes what has been read to where it stands: so it must stand somewhere.
    let projector = world.serve("projector").await?;
    let before = world.behind(&[], &[ledger::PROJECTION]).await?;
    let (caught_up_in, _) = bench
        .measured("P12 projector", async {
            let begun = Instant::now();
            world.drained(&[], &crate::guard::projections()).await?;
            Ok(begun.elapsed())
        })
        .await?;
    projector.stop().await?;
    let rate = number(u64::try_from(before)?) / caught_up_in.as_secs_f64();
    bench.report.note(format!("P12: the projector, started on {before} events, took all projections to the end at {}.", per_second(rate)));
    let rebuilder = rebuilder(&world).await?;
    let (mut rebuilt, mut rows, mut read) = (Series::default(), Series::default(), Series::default());
    for round in 0..bench.form.rounds {
        for way in turned(vec![Way::Rebuild, Way::RowAtATime, Way::ReadOnly], round) {
            match way {
                Way::Rebuild => rebuilt.push(bench.measured("P12 rebuild", rebuild(&rebuilder, events)).await?.0),
                Way::RowAtATime => {
                    let length = bench.form.length;
                    rows.push(bench.measured("P12 rows", row_at_a_time::measure(&world, usize::try_from(events)?, length)).await?.0);
                }
                Way::ReadOnly => read.push(bench.measured("P12 read", read_only(&world)).await?.0),
            }
        }
    }
    let goal = Goal::Above { at_least: 20.0, aim: 30.0 };
    bench.report.row(Row::ratio("P12", format!("rebuild of the ledger, {events} events / row at a time"), "/s", (&rebuilt, &rows), goal));
    let goal = Goal::Above { at_least: 0.15, aim: 0.25 };
    bench.report.row(Row::ratio("P12", "rebuild of the ledger / read and fold only", "/s", (&rebuilt, &read), goal));
    bench.close(world).await
}

async fn fill(world: &World, events: i64) -> anyhow::Result<()> {
    let writers = world.writers().await?;
    while world.events().await? < events {
        let (cast, writers) = (Arc::clone(&world.cast), writers.clone());
        let outcome = closed(128, Duration::from_millis(500), move |_| {
            let (cast, writers) = (Arc::clone(&cast), writers.clone());
            async move {
                let payment = cast.spread();
                cast.pay(&writers, payment).await
            }
        })
        .await?;
        anyhow::ensure!(outcome.errors == 0, "{}", outcome.first_error.unwrap_or_default());
    }
    Ok(())
}

/// As `holdfast projections` makes it.
async fn rebuilder(world: &World) -> anyhow::Result<Rebuilder> {
    let keys = world.pool(Side::Write, DatabaseRole::Projector, PoolSettings { max_connections: 2, ..PoolSettings::default() }).await?;
    let keys: Arc<dyn Keys> = Arc::new(StoredKeys::new(keys, world.settings.kms()?));
    let [live, shadow] = pool_settings();
    let live = world.pool(Side::Read, DatabaseRole::Projector, live).await?;
    let shadow = world.pool(Side::Read, DatabaseRole::Projector, shadow).await?;
    let log = EventLog::new(world.pool(Side::Write, DatabaseRole::Projector, PoolSettings::for_log(4)).await?);
    Ok(Rebuilder::new(live, shadow, log, keys))
}

/// Events per second until the last is folded; the comparison that follows is no part of it. Nothing is swapped.
async fn rebuild(rebuilder: &Rebuilder, events: i64) -> anyhow::Result<f64> {
    let mut run = rebuilder.begin(ledger::PROJECTION, None, Kind::Rebuild, "bench").await?;
    let progress = run.progress();
    let begun = Instant::now();
    let folded = async {
        while progress.events().0 < events {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        begun.elapsed()
    };
    let (took, diff) = tokio::join!(folded, run.prepare());
    anyhow::ensure!(diff?.is_empty(), "the rebuild differs from what is read");
    run.leave().await?;
    Ok(number(u64::try_from(events)?) / took.as_secs_f64())
}

/// Events per second when they are read, decoded and posted, and nothing is written. As many tenants at once as a rebuild takes.
async fn read_only(world: &World) -> anyhow::Result<f64> {
    let log = world.log().await?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for tenant in &world.cast.tenants {
        tasks.spawn(read_tenant(log.clone(), tenant.id));
    }
    let mut events = 0;
    while let Some(read) = tasks.join_next().await {
        events += read??;
    }
    Ok(number(events) / begun.elapsed().as_secs_f64())
}

async fn read_tenant(log: EventLog, tenant_id: TenantId) -> anyhow::Result<u64> {
    let (mut after, mut events, mut lines) = (0, 0, 0);
    loop {
        let page = log.read(tenant_id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for stored in &page {
            let event = stored.decode()?;
            lines += post(&event.origin, &event.event)?.map_or(0, |entry| entry.lines().len());
            events += 1;
        }
    }
    anyhow::ensure!(lines > 0, "nothing was posted");
    Ok(events)
}
