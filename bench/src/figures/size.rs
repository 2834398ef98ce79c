//! P16: does a large log make commands slower or the process larger?

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_commands::Writers;

use super::{Bench, turned};
use crate::environment::{Size, World};
use crate::machine::resident_mib;
use crate::measure::{Outcome, Series, closed};
use crate::reference::single_row::example;
use crate::report::{Goal, Row, short};
use crate::{guard, rng};

const CALLERS: usize = 128;
/// Tenants that only have a past.
const PAST_TENANTS: u64 = 8;
/// Events per stream of the past.
const STREAM: u64 = 100;
/// Events per statement.
const PAGE: u64 = 50_000;

/// Events of tenants that nobody works for any more, as our own statements would have left them, each with its receipt.
const PAST: &str = "
WITH e AS (
    INSERT INTO events (tenant_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, recorded_at)
    SELECT $1, 'wallet', (lpad(to_hex((p - 1) / $4), 8, '0') || '-0000-4000-8000-' || left(md5($1::text), 12))::uuid, (p - 1) % $4 + 1,
           'wallet.debited', '1', $5::json, $6::json, p, clock_timestamp()
    FROM generate_series($2::bigint, $3::bigint) AS p
), r AS (
    INSERT INTO receipts (tenant_id, key_owner, idempotency_key, request_hash, answer, position, recorded_at)
    SELECT $1, 'past', md5(p::text)::uuid::text, decode(md5(p::text) || md5((-p)::text), 'hex'), '{\"accepted\":{}}', p, clock_timestamp()
    FROM generate_series($2::bigint, $3::bigint) AS p
)
INSERT INTO tenant_heads AS h (tenant_id, position, previous, recorded_at) VALUES ($1, $3, 0, clock_timestamp())
ON CONFLICT (tenant_id) DO UPDATE SET previous = h.position, position = excluded.position, recorded_at = excluded.recorded_at";

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let wallets_per_tenant = if bench.form.short { 128 } else { 512 };
    let size = Size { tenants: 8, wallets_per_tenant };
    let (large, empty) = (bench.world("large", size).await?, bench.world("empty", size).await?);
    let (in_large, in_empty) = (large.writers().await?, empty.writers().await?);
    let length = bench.form.length;
    pay(&large, &in_large, length).await?;
    pay(&empty, &in_empty, length).await?;
    bench.say(&format!("P16: {} events of the past", bench.form.events));
    past(&large, bench.form.events).await?;
    let before = resident_mib(std::process::id());
    let (mut ours, mut reference) = (Series::default(), Series::default());
    for round in 0..bench.form.rounds {
        for is_large in turned(vec![true, false], round) {
            let (world, writers, series) = if is_large { (&large, &in_large, &mut ours) } else { (&empty, &in_empty, &mut reference) };
            let (outcome, _) = bench.measured("P16", pay(world, writers, length)).await?;
            bench.expect_no_errors("large", "commands", &outcome);
            series.push(outcome.rate());
        }
    }
    let events = large.events().await?;
    let goal = Goal::Above { at_least: 0.8, aim: 0.95 };
    bench.report.row(Row::ratio("P16", format!("commands with {events} events in the log / with few"), "/s", (&ours, &reference), goal));
    let memory = resident_mib(std::process::id());
    bench.report.note(format!(
        "P16: memory of the process with both sets of writers {} MiB before the rounds, {} MiB after.",
        short(before),
        short(memory)
    ));
    bench.report.note("P16: the past was inserted by SQL, in streams of 100 events of other tenants; it is not verified by a fold.");
    drop((in_large, in_empty));
    guard::check_log(&large, &mut bench.report).await?;
    guard::check_log(&empty, &mut bench.report).await?;
    large.close().await;
    empty.close().await;
    Ok(())
}

async fn past(world: &World, events: u64) -> anyhow::Result<()> {
    let (payload, metadata) = example(world).await?;
    let each = (events / PAST_TENANTS).max(1);
    for tenant in 0..PAST_TENANTS {
        let tenant_id = uuid::Uuid::from_u64_pair(rng::mix(tenant), rng::mix(tenant + PAST_TENANTS));
        for first in (1..=each).step_by(usize::try_from(PAGE)?) {
            let last = (first + PAGE - 1).min(each);
            sqlx::query(PAST)
                .bind(tenant_id)
                .bind(i64::try_from(first)?)
                .bind(i64::try_from(last)?)
                .bind(i64::try_from(STREAM)?)
                .bind(&payload)
                .bind(&metadata)
                .execute(&world.write)
                .await
                .context("the past cannot be inserted")?;
        }
    }
    // As autovacuum would have left it, and with nothing of it still to be written out.
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(&world.write).await?;
    sqlx::raw_sql("CHECKPOINT").execute(&world.write).await?;
    Ok(())
}

async fn pay(world: &World, writers: &Writers, length: Duration) -> anyhow::Result<Outcome> {
    let (cast, writers) = (Arc::clone(&world.cast), writers.clone());
    closed(CALLERS, length, move |_| {
        let (cast, writers) = (Arc::clone(&cast), writers.clone());
        async move {
            let payment = cast.spread();
            cast.pay(&writers, payment).await
        }
    })
    .await
}
