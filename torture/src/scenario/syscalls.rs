//! `kill -9` at the n-th system call of one kind, by strace.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::future::BoxFuture;

use super::{Scenario, Skip};
use crate::rng::Rng;
use crate::world::World;

pub(super) struct Syscalls;

const CALLS: [&str; 6] = ["sendto", "recvfrom", "writev", "write", "connect", "epoll_wait"];

impl Scenario for Syscalls {
    fn name(&self) -> &'static str {
        "syscalls"
    }

    fn about(&self) -> &'static str {
        "kill -9 of each role at a random system call (needs strace and the right to trace)"
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let probe = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
            if !probe.is_ok_and(|status| status.success()) {
                bail!(Skip("strace is missing or may not trace here".to_owned()));
            }
            let until = Instant::now() + length;
            while Instant::now() < until {
                let name = (*rng.pick(&["api-1", "api-2", "relay", "projector", "reactor"])).to_owned();
                let call = *rng.pick(&CALLS);
                let nth = rng.between(50, 2_000);
                let service = world.service(&name)?;
                service.kill()?;
                let inject = format!("inject={call}:signal=KILL:when={nth}");
                service.wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e"].map(str::to_owned).to_vec();
                service.wrapper.extend([format!("trace={call}"), "-e".to_owned(), inject]);
                service.start()?;
                let patience = Instant::now() + Duration::from_secs(12);
                let mut killed = false;
                while !killed && Instant::now() < patience.min(until) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    killed = !world.service(&name)?.is_running();
                }
                let service = world.service(&name)?;
                service.kill()?;
                service.wrapper.clear();
                world.fault(if killed { format!("kill {name} at {call}") } else { format!("kill {name}") });
                world.pass(rng.millis(0, 300)).await?;
                world.service(&name)?.start()?;
            }
            Ok(())
        })
    }
}
