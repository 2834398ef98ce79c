//! `kill -9` of Holdfast's own processes at any moment.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::Scenario;
use crate::rng::Rng;
use crate::world::World;

/// Any role, again and again.
pub(super) struct KillRoles;

impl Scenario for KillRoles {
    fn name(&self) -> &'static str {
        "kill_roles"
    }

    fn about(&self) -> &'static str {
        "kill -9 of api, relay, projector and reactor at random moments"
    }

    fn in_short_form(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let until = Instant::now() + length;
            while Instant::now() < until {
                world.pass(rng.millis(100, 1_500)).await?;
                let index = usize::try_from(rng.below(world.services.len() as u64))?;
                let service = &mut world.services[index];
                let name = service.name.clone();
                service.kill()?;
                world.fault(format!("kill {name}"));
                world.pass(rng.millis(0, 600)).await?;
                world.service(&name)?.start()?;
            }
            Ok(())
        })
    }
}
