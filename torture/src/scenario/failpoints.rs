//! `kill -9` at named points in the code, just before and just after what must not be torn apart.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::BoxFuture;

use super::{Scenario, Skip};
use crate::rng::Rng;
use crate::world::World;

pub(super) struct Failpoints;

/// The process that passes the point, and the point (`failpoint::reached` in the code).
const POINTS: [(&str, &str); 16] = [
    ("api-1", "writer.before_append"),
    ("api-1", "writer.after_append"),
    ("api-2", "writer.after_answer"),
    ("reactor", "writer.before_append"),
    ("reactor", "writer.after_append"),
    ("reactor", "reactor.after_step"),
    ("reactor", "reactor.before_commit"),
    ("reactor", "deadlines.after_fire"),
    ("reactor", "effect.after_call"),
    ("relay", "relay.between_publishes"),
    ("relay", "relay.after_publish"),
    ("relay", "relay.after_checkpoint"),
    ("relay", "seal.before_commit"),
    ("relay", "seal.after_commit"),
    ("projector", "projector.before_commit"),
    ("projector", "projector.after_commit"),
];

impl Scenario for Failpoints {
    fn name(&self) -> &'static str {
        "failpoints"
    }

    fn about(&self) -> &'static str {
        "kill -9 at named points of writer, relay, projector, reactor, deadline, seal and swap"
    }

    fn in_short_form(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let until = Instant::now() + length;
            let mut left: Vec<(&str, &str)> = Vec::new();
            while Instant::now() < until {
                if rng.percent(10) {
                    killed_swap(world, rng).await?;
                    continue;
                }
                if left.is_empty() {
                    left = POINTS.to_vec();
                }
                let index = usize::try_from(rng.below(left.len() as u64))?;
                let (name, point) = left.swap_remove(index);
                let is_rare = point.starts_with("deadlines") || point.starts_with("effect");
                let nth = if is_rare { 1 } else { rng.between(1, 20) };
                ready_for(world, name, &format!("{point}:kill:{nth}"))?;
                ensure!(killed(world, name).await?, "{name} never came to {point} ({nth} times)");
                world.fault(format!("kill {name} at {point}"));
                world.pass(rng.millis(0, 500)).await?;
                world.service(name)?.start()?;
            }
            Ok(())
        })
    }
}

/// Starts the service again, built with failpoints, `plan` armed.
pub(super) fn ready_for(world: &mut World, name: &str, plan: &str) -> anyhow::Result<()> {
    let missing = || Skip("no binary with failpoints (make build-failpoints)".to_owned());
    let binary = world.binaries.failpoints.clone().with_context(missing)?;
    let service = world.service(name)?;
    service.kill()?;
    service.binary = binary;
    service.env = vec![("HOLDFAST_FAILPOINT".to_owned(), plan.to_owned())];
    service.start()
}

/// Waits for it to die at its point; it is then as usual again, and down.
async fn killed(world: &mut World, name: &str) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let mut died = false;
    while !died && begun.elapsed() < Duration::from_secs(40) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        died = !world.service(name)?.is_running();
    }
    let current = world.binaries.current.clone();
    let service = world.service(name)?;
    service.kill()?;
    service.env.clear();
    service.binary = current;
    Ok(died)
}

/// A rebuild whose process dies around the swap: the side that is read must be one or the other.
async fn killed_swap(world: &mut World, rng: &mut Rng) -> anyhow::Result<()> {
    let missing = || Skip("no binary with failpoints (make build-failpoints)".to_owned());
    let binary = world.binaries.failpoints.clone().with_context(missing)?;
    let point = *rng.pick(&["swap.before_commit", "swap.after_commit"]);
    let projection = *rng.pick(&["wallet", "escrow", "ledger"]);
    let mut command = tokio::process::Command::new(binary);
    command.arg("--config").arg(world.folder.join("holdfast.toml")).args(["projections", "rebuild", projection, "--yes"]);
    command.env("HOLDFAST_FAILPOINT", format!("{point}:kill:1")).current_dir(&world.folder).stdin(std::process::Stdio::null());
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code().is_none(), "the rebuild of {projection} was not killed at {point}: {} {said}", output.status);
    world.fault(format!("kill of a rebuild at {point}"));
    Ok(())
}
