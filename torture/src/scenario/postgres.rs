//! Postgres loses backends, its postmaster, or everything at once.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use nix::sys::signal::Signal;

use super::Scenario;
use crate::rng::Rng;
use crate::world::{World, signal};

/// How it ends.
pub(super) enum KillPostgres {
    /// One backend or helper process; the postmaster then ends all others and recovers.
    Backends,
    Postmaster,
    /// As `pg_ctl -m immediate`.
    Immediate,
}

impl Scenario for KillPostgres {
    fn name(&self) -> &'static str {
        match self {
            Self::Backends => "postgres_backends",
            Self::Postmaster => "postgres_postmaster",
            Self::Immediate => "postgres_immediate",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Backends => "SIGTERM and kill -9 of single Postgres processes: backends, WAL writer, checkpointer",
            Self::Postmaster => "kill -9 of the postmaster, then recovery",
            Self::Immediate => "immediate shutdown of Postgres, then recovery",
        }
    }

    fn in_short_form(&self) -> bool {
        matches!(self, Self::Postmaster)
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let until = Instant::now() + length;
            while Instant::now() < until {
                world.pass(rng.millis(500, 3_000)).await?;
                match self {
                    Self::Backends => {
                        let how = if rng.percent(60) { Signal::SIGTERM } else { Signal::SIGKILL };
                        let children = world.postgres.children();
                        if children.is_empty() {
                            continue;
                        }
                        signal(*rng.pick(&children), how);
                        world.fault(format!("{how} to a Postgres process"));
                    }
                    Self::Postmaster => {
                        world.postgres.kill()?;
                        world.fault("kill -9 of the postmaster");
                    }
                    Self::Immediate => {
                        world.postgres.stop_immediately()?;
                        world.fault("immediate shutdown");
                    }
                }
                world.pass(rng.millis(0, 2_000)).await?;
                world.postgres.start().await?;
            }
            Ok(())
        })
    }
}
