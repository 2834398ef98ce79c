//! The NATS of a run, made to survive the loss of power as well.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Servers, wait_for};

/// Starts the NATS of these servers again with `sync_interval: always`.
///
/// # Errors
/// When it does not stop or does not start.
pub(crate) async fn sync_always(servers: &Servers) -> anyhow::Result<()> {
    let file = servers.folder.join("nats.conf");
    let configuration = std::fs::read_to_string(&file).context("there is no nats.conf")?;
    let changed = configuration.replacen("jetstream {", "jetstream {\n  sync_interval: always", 1);
    ensure!(changed != configuration, "nats.conf has no jetstream block");
    let pid_file = servers.folder.join("nats.pid");
    let pid: i32 = std::fs::read_to_string(&pid_file)?.trim().parse().context("nats.pid")?;
    // The program that runs now, wherever it was found.
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).context("the program of NATS is not known")?;
    kill(Pid::from_raw(pid), Signal::SIGTERM).context("NATS cannot be stopped")?;
    wait_for(Duration::from_secs(20), "NATS stops", async || Ok(!std::path::Path::new(&format!("/proc/{pid}/exe")).exists())).await?;
    std::fs::write(&file, changed)?;
    let mut command = std::process::Command::new(program);
    command.arg("-c").arg(&file).arg("-l").arg(servers.folder.join("nats.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("NATS cannot be started")?;
    let started = child.id().to_string();
    wait_for(
        Duration::from_secs(20),
        "NATS starts",
        async || Ok(std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.trim() == started)),
    )
    .await?;
    std::thread::spawn(move || child.wait()); // or it would stay a zombie when the servers are stopped by pid
    Ok(())
}
