//! Messages are dropped, duplicated, delayed and reordered on their way to every subscriber.

use std::time::Duration;

use anyhow::ensure;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Scenario;
use crate::environment::nats_shim::{self, Chances};
use crate::environment::network::{Network, Server};
use crate::rng::Rng;
use crate::world::World;

#[derive(Debug)]
pub(super) struct Messages;

impl Scenario for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn about(&self) -> &'static str {
        "NATS messages to projector and reactor are dropped, duplicated, delayed and reordered"
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let seed = rng.below(u64::MAX);
            let chances =
                Chances { drop: rng.between(10, 40), duplicate: rng.between(10, 25), delay: rng.between(10, 30), delay_ms: 1_500 };
            let (make, done) = nats_shim::messages(seed, "subscribers", chances);
            let _network = Network::put_in(world, |_, server| (server == Server::Nats).then(|| make.clone())).await?;
            world.pass(length).await?;
            ensure!(done.faults() > 0, "no message was touched, of {:?}", done.seen);
            world.fault(format!("messages {chances:?}: {done:?}"));
            Ok(())
        }
        .boxed()
    }
}
