//! Disks that are full, slow or broken, under Postgres and under JetStream.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Scenario;
use crate::environment::shim::{DATA, Library, Shim, WAL};
use crate::environment::small_disk;
use crate::rng::Rng;
use crate::world::{Options, World};

/// Postgres with the shim in front of it. Small segments of WAL, none of them used again, so that it needs room all the time.
async fn shimmed(world: &mut World) -> anyhow::Result<Shim> {
    let shim = Shim::new(&Library::compile(&world.folder)?, &world.folder, "postgres")?;
    world.postgres.stop()?;
    world.postgres.env = shim.environment(Some(&world.postgres.data));
    world.postgres.start().await?;
    Ok(shim)
}

fn options() -> Options {
    Options { postgres_conf: "min_wal_size = 32MB\nmax_wal_size = 48MB\nwal_recycle = off\n".into(), ..Options::default() }
}

/// Takes the fault back and waits until Postgres answers; starts it where it has given up for good.
async fn recover(world: &mut World, shim: &Shim) -> anyhow::Result<()> {
    shim.heal()?;
    world.postgres.start().await.context("postgres did not come back from a healed disk")
}

/// Waits until a fault was dealt out; `nudge` is run on Postgres meanwhile, whatever becomes of it.
async fn until_hit(world: &mut World, shim: &Shim, nudge: &str) -> anyhow::Result<()> {
    let (before, begun) = (shim.hits()?, Instant::now());
    while shim.hits()? == before {
        ensure!(begun.elapsed() < Duration::from_secs(30), "no write has met the fault");
        if let Ok(pool) = world.postgres.pool("postgres").await {
            let _ = sqlx::query(nudge).execute(&pool).await;
        }
        world.pass(Duration::from_millis(200)).await?;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct FullDisk;

impl Scenario for FullDisk {
    fn name(&self) -> &'static str {
        "full_disk"
    }

    fn about(&self) -> &'static str {
        "no room for WAL, for tables, or for both, until there is again"
    }

    fn options(&self) -> Options {
        options()
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let shim = shimmed(world).await?;
            let until = Instant::now() + length;
            while Instant::now() < until {
                world.pass(rng.millis(500, 2_000)).await?;
                let (places, name) = *rng.pick(&[(WAL, "WAL"), (DATA, "data"), (WAL | DATA, "WAL and data")]);
                shim.full(places)?;
                world.fault(format!("disk full for {name}"));
                until_hit(world, &shim, "SELECT pg_switch_wal()").await?;
                world.pass(rng.millis(500, 4_000)).await?;
                recover(world, &shim).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

#[derive(Debug)]
pub(super) struct SlowFsync;

impl Scenario for SlowFsync {
    fn name(&self) -> &'static str {
        "slow_fsync"
    }

    fn about(&self) -> &'static str {
        "every fsync takes up to seconds longer"
    }

    fn options(&self) -> Options {
        options()
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let shim = shimmed(world).await?;
            let until = Instant::now() + length;
            while Instant::now() < until {
                // Within and beyond the five seconds that a statement may take.
                let delay = if rng.percent(20) { rng.millis(5_500, 7_000) } else { rng.millis(50, 1_500) };
                shim.slow_fsync(i64::try_from(delay.as_millis())?)?;
                world.fault(format!("fsync takes {} ms longer", delay.as_millis()));
                world.pass(delay + rng.millis(1_000, 4_000)).await?;
                shim.heal()?;
                world.pass(rng.millis(200, 1_500)).await?;
            }
            ensure!(shim.hits()? > 0, "nothing was synced");
            Ok(())
        }
        .boxed()
    }
}

#[derive(Debug)]
pub(super) struct FailingFsync;

impl Scenario for FailingFsync {
    fn name(&self) -> &'static str {
        "failing_fsync"
    }

    fn about(&self) -> &'static str {
        "fsync answers EIO for WAL or tables: Postgres panics and recovers from what is certainly on disk"
    }

    fn options(&self) -> Options {
        options()
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let shim = shimmed(world).await?;
            let until = Instant::now() + length;
            let mut faults = 0;
            while Instant::now() < until {
                world.pass(rng.millis(500, 3_000)).await?;
                let (place, name) = *rng.pick(&[(WAL, "WAL"), (DATA, "data")]);
                shim.failing_fsync(place)?;
                world.fault(format!("fsync fails for {name}"));
                faults += 1;
                until_hit(world, &shim, "CHECKPOINT").await?;
                world.pass(rng.millis(100, 2_000)).await?;
                recover(world, &shim).await?;
            }
            let panics = world.postgres.log()?.matches("PANIC:").count();
            ensure!(panics >= faults, "{faults} failed fsyncs, but only {panics} panics: data may be believed that is not on disk");
            Ok(())
        }
        .boxed()
    }
}

#[derive(Debug)]
pub(super) struct FullJetStream;

impl Scenario for FullJetStream {
    fn name(&self) -> &'static str {
        "full_jetstream"
    }

    fn about(&self) -> &'static str {
        "the disk under JetStream has no room, until it has again"
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let disk = small_disk::put_under(&mut world.nats).await?;
            let until = Instant::now() + length;
            let mut refused = 0;
            while Instant::now() < until {
                world.pass(rng.millis(500, 2_000)).await?;
                disk.fill()?;
                world.fault("disk full for JetStream");
                world.pass(rng.millis(2_000, 6_000)).await?;
                refused += usize::from(disk.is_full()?);
                disk.empty()?;
            }
            ensure!(refused > 0, "the disk was never full");
            Ok(())
        }
        .boxed()
    }
}
