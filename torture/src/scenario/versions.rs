//! Two versions of the program at the same time, on the same databases.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::Scenario;
use crate::rng::Rng;
use crate::world::World;

pub(super) struct Versions;

impl Scenario for Versions {
    fn name(&self) -> &'static str {
        "versions"
    }

    fn about(&self) -> &'static str {
        "roles change between --old-binary and the current one, in any order, both at work"
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let current = world.binaries.current.clone();
            // Without another version it is at least a rolling restart.
            let old = world.binaries.old.clone().unwrap_or_else(|| current.clone());
            let until = Instant::now() + length;
            while Instant::now() < until {
                world.pass(rng.millis(500, 2_500)).await?;
                let name = (*rng.pick(&["api-1", "api-2", "relay", "projector", "reactor"])).to_owned();
                let (binary, version) = if rng.percent(50) { (&old, "old") } else { (&current, "current") };
                let service = world.service(&name)?;
                if rng.percent(50) {
                    service.stop().await?;
                } else {
                    service.kill()?;
                }
                binary.clone_into(&mut service.binary);
                service.start()?;
                world.fault(format!("{name} in the {version} version"));
            }
            Ok(())
        })
    }
}
