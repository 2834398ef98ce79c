//! NATS dies, forgets everything, or is not there.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::Scenario;
use crate::rng::Rng;
use crate::world::World;

pub(super) enum KillNats {
    Killed,
    /// Killed, its store deleted.
    Wiped,
    /// For most of the run.
    Absent,
}

impl Scenario for KillNats {
    fn name(&self) -> &'static str {
        match self {
            Self::Killed => "nats_killed",
            Self::Wiped => "nats_wiped",
            Self::Absent => "nats_absent",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Killed => "kill -9 of nats-server, again and again",
            Self::Wiped => "nats-server killed and its JetStream store deleted",
            Self::Absent => "no nats-server for nine tenths of the run",
        }
    }

    fn in_short_form(&self) -> bool {
        matches!(self, Self::Wiped)
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let until = Instant::now() + length;
            while Instant::now() < until {
                world.pass(rng.millis(500, 3_000)).await?;
                world.nats.kill()?;
                match self {
                    Self::Killed => world.fault("kill -9 of nats-server"),
                    Self::Wiped => {
                        world.nats.wipe()?;
                        world.fault("nats-server wiped");
                    }
                    Self::Absent => {
                        world.fault("nats-server absent");
                        world.pass(length * 9 / 10).await?;
                    }
                }
                world.pass(rng.millis(0, 3_000)).await?;
                world.nats.start().await?;
            }
            Ok(())
        })
    }
}
