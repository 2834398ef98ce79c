//! Wall clocks that jump by minutes, of one process or of Postgres.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Scenario;
use crate::environment::shim::{Library, Shim};
use crate::rng::Rng;
use crate::world::World;

#[derive(Debug)]
pub(super) struct Clocks;

impl Scenario for Clocks {
    fn name(&self) -> &'static str {
        "clocks"
    }

    fn about(&self) -> &'static str {
        "the wall clock of a role or of Postgres jumps by minutes and back"
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let shims = shimmed(world).await?;
            let until = Instant::now() + length;
            while Instant::now() < until {
                world.pass(rng.millis(500, 2_000)).await?;
                let (who, shim) = rng.pick(&shims);
                let offset = jump(rng);
                shim.clock_offset(offset)?;
                world.fault(format!("the clock of {who} jumps by {offset} ms"));
                world.pass(rng.millis(1_000, 13_000)).await?;
                shim.heal()?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// From a second to ten minutes, there or back.
fn jump(rng: &mut Rng) -> i64 {
    let size = if rng.percent(30) { rng.between(1_000, 5_000) } else { rng.between(60_000, 600_000) };
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if rng.percent(50) { size } else { -size }
}

/// Everybody is started again with a clock that can be set.
async fn shimmed(world: &mut World) -> anyhow::Result<Vec<(String, Shim)>> {
    let library = Library::compile(&world.folder)?;
    let mut shims = Vec::new();
    for service in &mut world.services {
        let shim = Shim::new(&library, &world.folder, &service.name)?;
        service.env.extend(shim.environment(None));
        service.stop().await?;
        shims.push((service.name.clone(), shim));
    }
    let shim = Shim::new(&library, &world.folder, "postgres")?;
    world.postgres.stop()?;
    world.postgres.env = shim.environment(Some(&world.postgres.data));
    world.postgres.start().await?;
    shims.push(("Postgres".to_owned(), shim));
    world.start_all().await?;
    Ok(shims)
}
