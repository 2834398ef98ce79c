//! Processes that are frozen, taken for dead, replaced, and then wake up: they must not write what is no longer theirs.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::BoxFuture;

use super::Scenario;
use super::failpoints::ready_for;
use crate::rng::Rng;
use crate::world::World;

/// At any moment, and just before they would write.
pub(super) struct Zombies;

/// Where a frozen process holds something that somebody else takes over meanwhile.
const BEFORE_WRITING: [(&str, &str); 7] = [
    ("relay", "relay.after_publish"),
    ("relay", "relay.between_publishes"),
    ("relay", "seal.before_commit"),
    ("projector", "projector.before_commit"),
    ("reactor", "reactor.after_step"),
    ("reactor", "reactor.before_commit"),
    ("api-1", "writer.before_append"),
];

impl Scenario for Zombies {
    fn name(&self) -> &'static str {
        "zombies"
    }

    fn about(&self) -> &'static str {
        "SIGSTOP of relay, projector, reactor or api; a second one takes over; SIGCONT"
    }

    fn in_short_form(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let until = Instant::now() + length;
            let mut first = true;
            while first || Instant::now() < until {
                first = false;
                let (name, point) = *rng.pick(&BEFORE_WRITING);
                if world.binaries.failpoints.is_some() && rng.percent(60) {
                    let reached = frozen_at(world, rng, name, point).await?;
                    ensure!(reached, "{name} never reached {point}");
                } else {
                    world.pass(rng.millis(500, 2_000)).await?;
                    world.service(name)?.pause();
                    world.fault(format!("SIGSTOP {name}"));
                }
                let role = world.service(name)?.role.clone();
                world.add_service(&format!("{name}-second"), &role)?.start()?;
                let before = published(world).await;
                world.pass(rng.millis(7_000, 12_000)).await?;
                if name == "relay" {
                    // Issue: a frozen leader must not keep the standby out.
                    ensure!(
                        published(world).await? > before?,
                        "nothing was published while the relay was frozen: its standby did not take over"
                    );
                }
                world.service(name)?.resume();
                world.fault(format!("SIGCONT {name}"));
                world.pass(rng.millis(1_000, 3_000)).await?;
                // Sometimes the one who woke goes on alone, sometimes the other.
                if rng.percent(50) {
                    world.service(name)?.kill()?;
                    world.pass(rng.millis(500, 2_000)).await?;
                }
                world.remove_service(&format!("{name}-second"))?;
                let service = world.service(name)?;
                service.env.clear();
                service.start()?;
            }
            Ok(())
        })
    }
}

/// Started with a point at which it freezes itself; true when it has.
async fn frozen_at(world: &mut World, rng: &mut Rng, name: &str, point: &str) -> anyhow::Result<bool> {
    let nth = rng.between(1, 5);
    ready_for(world, name, &format!("{point}:stop:{nth}"))?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        world.pass(Duration::from_millis(50)).await?;
        if world.service(name)?.is_paused() {
            world.fault(format!("SIGSTOP {name} at {point}"));
            return Ok(true);
        }
    }
    Ok(false)
}

/// The sum of the relay's checkpoints.
async fn published(world: &World) -> anyhow::Result<i64> {
    let pool = world.postgres.pool("holdfast_write").await?;
    let sql = "SELECT coalesce(sum(position), 0)::bigint FROM subscription_checkpoints WHERE subscription = 'relay'";
    Ok(sqlx::query_scalar(sql).fetch_one(&pool).await?)
}
