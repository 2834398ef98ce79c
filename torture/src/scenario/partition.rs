//! Any role and any server are parted: wholly, one way, by delays, by resets, in the middle of a message.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Scenario;
use crate::environment::network::{BREAKS, Network, Server, how_long};
use crate::rng::Rng;
use crate::world::World;

#[derive(Debug)]
pub(super) struct Partition;

impl Scenario for Partition {
    fn name(&self) -> &'static str {
        "partition"
    }

    fn about(&self) -> &'static str {
        "links between roles, Postgres and NATS are parted, one-way, slow, reset or cut in the middle of a message"
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let network = Network::put_in(world, |_, _| None).await?;
            let until = Instant::now() + length;
            while Instant::now() < until {
                world.pass(rng.millis(100, 800)).await?;
                if rng.percent(15) {
                    server_is_cut_off(world, &network, rng);
                } else {
                    let (between, how) = (rng.pick(&network.links), *rng.pick(&BREAKS));
                    between.break_it(how, rng);
                    world.fault(format!("{how:?} {}", between.name()));
                }
                world.pass(how_long(rng)).await?;
                network.heal();
            }
            Ok(())
        }
        .boxed()
    }
}

/// Nobody reaches it.
fn server_is_cut_off(world: &mut World, network: &Network, rng: &mut Rng) {
    let server = *rng.pick(&[Server::Postgres, Server::Nats]);
    network.to(server).for_each(crate::environment::proxy::Link::partition);
    world.fault(format!("Partition everybody – {server:?}"));
}
