//! `holdfast consumers` beside the embedded NATS, from another folder and another environment than `holdfast dev`'s.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use holdfast_tests::{binary, nats_binary};

/// A `holdfast dev`; told to stop when dropped, with its servers.
struct Dev(Child);

impl Dev {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(binary());
        command.args(["dev", "--no-tenants", "--quiet", "--profile", "test", "--listen", "127.0.0.1:0", "--folder"]).arg(folder);
        Ok(Self(command.env("HOLDFAST_NATS_SERVER", nats_binary()?).stdout(Stdio::null()).spawn()?))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// As somebody who has only the program: nothing says where nats-server is.
fn run(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--folder").arg(folder).current_dir("/").env_remove("HOLDFAST_NATS_SERVER").env("PATH", "/bin:/usr/bin");
    let output = command.output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Tried again while `holdfast dev` is not ready for it.
async fn until_done(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let begun = Instant::now();
    loop {
        let done = if folder.join("url").is_file() { run(folder, arguments) } else { Err(anyhow!("holdfast dev does not serve yet")) };
        if done.is_ok() || begun.elapsed() > Duration::from_secs(90) {
            return done;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn lets_in(url: &str, seed: &str) -> bool {
    async_nats::ConnectOptions::with_nkey(seed.to_owned()).connect(url).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_comes_in_and_is_shut_out_at_once_from_wherever_the_command_is_given() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("holdfast-consumers-{}", std::process::id()));
    let dev = Dev::start(&folder)?;
    let tenant = until_done(&folder, &["tenant", "create", "--name", "Aurora", "--slug", "aurora"]).await?;
    // The relay makes the stream when it has begun.
    let added = until_done(&folder, &["consumers", "add", "--tenant", tenant.trim(), "--name", "warehouse", "--json"]).await?;
    let added: serde_json::Value = serde_json::from_str(&added)?;
    let (url, seed) = (added["url"].as_str().unwrap(), added["seed"].as_str().unwrap());
    assert!(lets_in(url, seed).await);
    run(&folder, &["consumers", "remove", "--tenant", tenant.trim(), "--name", "warehouse"])?;
    assert!(!lets_in(url, seed).await, "said to be shut out, and still let in");
    drop(dev);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
