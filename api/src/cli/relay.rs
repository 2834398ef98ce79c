//! `holdfast relay`: publishing again what outside consumers have lost.

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::relay;
use indicatif::{ProgressBar, ProgressStyle};

use super::context::Global;
use super::{print, wiring};
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Publish events once more.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish a range of positions, or what was recorded since a time, once more.
    ///
    /// Consumers pass over what they have by its position. Only what the relay has published already is published again.
    Republish(Range),
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("whose").required(true).args(["tenant", "all_tenants"]))]
#[command(group = clap::ArgGroup::new("begin").required(true).args(["from", "since"]))]
struct Range {
    #[arg(long)]
    tenant: Option<TenantId>,
    #[arg(long, requires = "since")]
    all_tenants: bool,
    /// First position.
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(1..))]
    from: Option<i64>,
    /// Instead of a position: RFC 3339, e.g. 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Last position; without it, what the relay has published.
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,
    /// Number of an earlier run to go on with: what it has published in the last ten minutes is not published again.
    #[arg(long, value_name = "NUMBER")]
    run: Option<u32>,
}

const NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Relay)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let Command::Republish(range) = arguments.command;
    let result = republish(&opened.settings, &range).await;
    opened.close().await?;
    result.map(|()| ExitCode::SUCCESS)
}

async fn republish(settings: &Settings, range: &Range) -> anyhow::Result<()> {
    let log = wiring::log(settings, DatabaseRole::Relay, 2).await?;
    let nats = wiring::nats_now(settings, settings.nats.relay_nkey_seed.as_ref()).await?;
    // An empty stream is the relay's to fill, or it would take these messages for all there is.
    let filled = nats.stream_is_filled().await.context("the relay makes the stream when it runs")?;
    anyhow::ensure!(filled, "the relay has not filled the stream yet: let it run first");
    let parts = parts(&log, range).await?;
    let run = range.run.unwrap_or_else(|| u32::try_from(Utc::now().timestamp()).unwrap_or(u32::MAX));
    let total: i64 = parts.iter().map(|(_, after, through)| through - after).sum();
    print::line(format!("run {run}: {total} events of {} tenants", parts.len()))?;
    let bar = ProgressBar::new(total.unsigned_abs());
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} events  {per_sec}  {eta} left").context("progress")?);
    let mut published = 0;
    for (tenant_id, after, through) in parts {
        let before = bar.position();
        let progress = |position: i64| bar.set_position(before + (position - after).unsigned_abs());
        published += relay::republish(&log, &nats, tenant_id, after, through, run, progress)
            .await
            .with_context(|| format!("stopped in {tenant_id} after {published} events; go on with --run {run}"))?;
    }
    bar.finish_and_clear();
    print::line(format!("run {run}: {published} events were published again"))?;
    Ok(())
}

/// Tenant, the position before the first and the last, bounded by what the relay has published.
async fn parts(log: &EventLog, range: &Range) -> anyhow::Result<Vec<(TenantId, i64, i64)>> {
    let mut checkpoints: Vec<_> = log.checkpoints(relay::SUBSCRIPTION).await.context("cannot read the checkpoints")?.into_iter().collect();
    checkpoints.sort_unstable();
    let mut parts = Vec::new();
    for (tenant_id, checkpoint) in checkpoints.into_iter().filter(|(tenant_id, _)| range.tenant.is_none_or(|tenant| tenant == *tenant_id)) {
        let through = range.to.map_or(checkpoint, |to| to.min(checkpoint));
        let after = match (range.from, range.since) {
            (Some(from), _) => from - 1,
            (None, Some(since)) => log.position_before(tenant_id, since, 0, through).await.context("cannot read the log")?,
            (None, None) => 0,
        };
        if after < through {
            parts.push((tenant_id, after, through));
        }
    }
    Ok(parts)
}
