//! The primary dies and its synchronous standby takes over: nothing that was acknowledged may be gone.
//!
//! Fencing is the network's: once the links point to the new primary, nobody can write to the old one, and it is not started again.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Scenario;
use crate::environment::network::Network;
use crate::environment::standby;
use crate::rng::Rng;
use crate::world::{Options, World};

#[derive(Debug)]
pub(super) struct SynchronousStandby;

impl Scenario for SynchronousStandby {
    fn name(&self) -> &'static str {
        "standby"
    }

    fn about(&self) -> &'static str {
        "the primary is killed and its synchronous standby promoted, again and again"
    }

    fn options(&self) -> Options {
        Options { postgres_conf: "max_wal_senders = 5\nwal_keep_size = 256MB\n".into(), ..Options::default() }
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let usual_port = world.postgres.port;
            let network = Network::put_in(world, |_, _| None).await?;
            let rounds = (length.as_secs() / 15).clamp(1, 4);
            for round in 1..=rounds {
                let mut standby = standby::follow(&world.postgres, &format!("standby-{round}"), world.postgres.port).await?;
                standby::make_synchronous(&mut world.postgres).await?;
                world.pass(rng.millis(2_000, 6_000)).await?;
                // The old primary is dead before the new one takes a write, and it stays dead.
                world.postgres.kill()?;
                world.fault("kill the primary");
                world.pass(rng.millis(0, 1_500)).await?;
                standby::promote(&mut standby).await?;
                standby.set_conf(&self.options().postgres_conf);
                network.redirect_postgres(standby.port);
                world.fault("promote the standby");
                world.postgres = standby;
                until_noticed(world).await?;
                world.pass(rng.millis(2_000, 4_000)).await?;
            }
            // Where the settings expect it.
            world.postgres.stop()?;
            world.postgres.port = usual_port;
            world.postgres.start().await
        }
        .boxed()
    }
}

/// Every process that lived through the promotion says so and ends; it is enough to hear it from one.
async fn until_noticed(world: &mut World) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !world.services.iter().any(|service| service.has_logged("has taken the place of the one")) {
        ensure!(begun.elapsed() < Duration::from_secs(60), "nobody has noticed that the database was replaced");
        world.pass(Duration::from_millis(250)).await?;
    }
    Ok(())
}
