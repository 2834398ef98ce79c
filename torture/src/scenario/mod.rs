//! What is broken, and how often: one file per kind of fault, one list of all.

mod clocks;
mod disk;
mod failpoints;
mod messages;
mod nats;
mod partition;
mod postgres;
mod restore;
mod roles;
mod standby;
mod syscalls;
mod versions;
mod zombies;

use std::time::Duration;

use futures::future::BoxFuture;

use crate::rng::Rng;
use crate::world::{Options, World};

/// One way to break things, while a load runs.
pub trait Scenario: Sync {
    /// As on the command line: `kill_relay`.
    fn name(&self) -> &'static str;

    /// One sentence for `--list`.
    fn about(&self) -> &'static str;

    /// Whether it belongs to the short form, which CI runs.
    fn in_short_form(&self) -> bool {
        false
    }

    /// What the world needs beyond the usual, e.g. an archive of WAL.
    fn options(&self) -> Options {
        Options::default()
    }

    /// Breaks things for about `length`, noting each fault with [`World::fault`]; everything drawn comes from `rng`.
    ///
    /// It returns with whatever is down still down if it likes: the runner calls [`World::heal`] next. An error is a failure
    /// of the scenario; [`Skip`] as its cause says that this machine cannot do it.
    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// Why a scenario cannot run here.
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skip {}

/// All of them, in the order in which they run.
#[must_use]
pub fn all() -> Vec<&'static dyn Scenario> {
    vec![
        &roles::KillRoles,
        &failpoints::Failpoints,
        &syscalls::Syscalls,
        &postgres::KillPostgres::Backends,
        &postgres::KillPostgres::Postmaster,
        &postgres::KillPostgres::Immediate,
        &nats::KillNats::Killed,
        &nats::KillNats::Wiped,
        &nats::KillNats::Absent,
        &zombies::Zombies,
        &versions::Versions,
        &partition::Partition,
        &messages::Messages,
        &disk::FullDisk,
        &disk::SlowFsync,
        &disk::FailingFsync,
        &disk::FullJetStream,
        &clocks::Clocks,
        &standby::SynchronousStandby,
        &restore::Restore,
    ]
}
