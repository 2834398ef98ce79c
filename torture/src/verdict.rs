//! Everybody stops; then those who share no code with Holdfast look at what is left, and Holdfast's own verification too.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::world::World;

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    pub problems: Vec<String>,
    pub events: u64,
    /// How many checks were made.
    pub checks: usize,
}

/// The system must be quiet. All its processes are stopped, the servers stay.
///
/// # Errors
/// When something cannot be looked at.
pub async fn judge(world: &mut World, root: &Path) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let keys = public_keys(world).await?;
    for service in &mut world.services {
        service.stop().await?;
    }
    checkers(world, root, &mut verdict)?;
    for arguments in [["verify", "--json"], ["audit", "check"]] {
        verdict.checks += 1;
        let output = world.holdfast_output(&arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            verdict.problems.push(format!("holdfast {}: {}", arguments.join(" "), shortened(&said)));
        }
    }
    // Last: each export is put on record in the log that it is of.
    exports(world, root, &keys, &mut verdict)?;
    Ok(verdict)
}

/// `torture/checkers/check.py`.
fn checkers(world: &World, root: &Path, verdict: &mut Verdict) -> anyhow::Result<()> {
    let output = Command::new("python3")
        .arg("-B")
        .arg(root.join("torture/checkers/check.py"))
        .args(["--postgres", &world.postgres.port.to_string(), "--nats", &world.nats.port.to_string(), "--history"])
        .arg(&world.history.path)
        .output()
        .context("cannot run python3")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value =
        serde_json::from_str(&said).with_context(|| format!("the checkers failed: {}", String::from_utf8_lossy(&output.stderr)))?;
    std::fs::write(world.folder.join("checks.json"), &said)?;
    verdict.events = report["events"].as_u64().unwrap_or(0);
    let checks = report["checks"].as_array().context("no checks in the checkers' report")?;
    ensure!(!checks.is_empty(), "the checkers checked nothing");
    verdict.checks += checks.len();
    for check in checks.iter().filter(|check| check["problems"].as_u64() != Some(0)) {
        verdict.problems.push(format!("{}: {} problems, {}", check["name"], check["problems"], shortened(&check["first"].to_string())));
    }
    Ok(())
}

/// Each tenant's export, against the public key and the seals that were kept outside the database.
fn exports(world: &World, root: &Path, keys: &str, verdict: &mut Verdict) -> anyhow::Result<()> {
    for tenant in &world.tenants {
        verdict.checks += 1;
        let file = world.folder.join(format!("export-{tenant}.ndjson"));
        let file_name = file.to_string_lossy().into_owned();
        world.holdfast(&["audit", "export", "--tenant", &tenant.to_string(), "--out", &file_name])?;
        let output = Command::new("python3")
            .arg(root.join("docs/verify_export.py"))
            .arg(&file)
            .args(["--key", keys, "--earlier"])
            .arg(world.folder.join("seals.ndjson"))
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            verdict.problems.push(format!("the export of {tenant} does not verify: {}", shortened(&said)));
        }
    }
    Ok(())
}

async fn public_keys(world: &World) -> anyhow::Result<String> {
    let url = format!("{}/.well-known/holdfast-seal-keys.json", world.base_urls().first().context("no api process")?);
    let keys: Value = reqwest::get(url).await?.json().await?;
    let keys = keys["keys"].as_array().context("no public keys of seals")?;
    let keys: Vec<&str> = keys.iter().filter_map(|key| key["publicKey"].as_str()).collect();
    ensure!(!keys.is_empty(), "no public keys of seals");
    Ok(keys.join(","))
}

fn shortened(text: &str) -> String {
    text.chars().take(1_500).collect()
}
