//! The guard rails: what must hold in a world after it was measured, or its figures do not count.

use std::time::Duration;

use holdfast_api::settings::{DatabaseRole, Side};
use holdfast_eventlog::db::PoolSettings;
use holdfast_eventlog::statements::{APPEND, APPEND_WITHOUT_CLAIMS, LOAD, TAKEN};
use sqlx::{Executor as _, Row as _};

use crate::environment::World;
use crate::report::{Guard, Report};

/// Projections and subscriptions that `verify` waits for.
const SUBSCRIPTIONS: [&str; 3] = ["reactor", "deadlines", "effects"];

/// Everything that can be asked of a log by itself. Nothing else may be at work on it.
///
/// # Errors
/// When it cannot be asked; what does not hold is in the report.
pub(crate) async fn check_log(world: &World, report: &mut Report) -> anyhow::Result<()> {
    let name = &world.name;
    let (safe, said) = durable(world).await?;
    report.guards.push(Guard::new(name, "durable settings", Some(safe), said));
    let acknowledged = world.cast.acknowledged();
    let owner = world.cast.actor.id.to_string();
    let stored = count(world, "SELECT count(*) FROM receipts WHERE key_owner = $1", Some(&owner)).await?;
    let equal = u64::try_from(stored).is_ok_and(|stored| stored == acknowledged);
    report.guards.push(Guard::new(name, "acknowledged = stored", Some(equal), format!("{acknowledged} = {stored}")));
    let events = count(world, "SELECT count(*) FROM events", None).await?;
    let gaps = count(world, GAPS, None).await?;
    report.guards.push(Guard::new(name, "positions gapless", Some(gaps == 0), format!("{events} events, {gaps} tenants with gaps")));
    let disordered = count(world, DISORDERED, None).await?;
    report.guards.push(Guard::new(name, "order in streams", Some(disordered == 0), format!("{disordered} events out of order")));
    duplicates(world, report).await?;
    let problems = plans(world).await?;
    let said = if problems.is_empty() { "append, dedupe, load: indexes only".to_owned() } else { problems.join("; ") };
    report.guards.push(Guard::new(name, "no sequential scan", Some(problems.is_empty()), said));
    Ok(())
}

/// Tenants whose positions are not 1, 2, 3 … up to their head.
const GAPS: &str = "SELECT count(*) FROM (SELECT tenant_id, count(*) AS events, max(position) AS last FROM events GROUP BY tenant_id) e
    FULL JOIN tenant_heads h USING (tenant_id) WHERE e.events IS DISTINCT FROM e.last OR coalesce(e.last, 0) <> h.position";

/// Events whose sequence or position does not follow the one before in their stream.
const DISORDERED: &str = "SELECT count(*) FROM (
        SELECT sequence, position, lag(sequence, 1, 0::bigint) OVER w AS before, lag(position, 1, 0::bigint) OVER w AS position_before FROM events
        WINDOW w AS (PARTITION BY tenant_id, aggregate_type, aggregate_id ORDER BY sequence)
    ) e WHERE sequence <> before + 1 OR position <= position_before";

async fn count(world: &World, sql: &str, owner: Option<&str>) -> anyhow::Result<i64> {
    let query = sqlx::query_scalar(sql);
    let query = match owner {
        Some(owner) => query.bind(owner.to_owned()),
        None => query,
    };
    Ok(query.fetch_one(&world.write).await?)
}

/// As the writers' own sessions are set.
async fn durable(world: &World) -> anyhow::Result<(bool, String)> {
    let pool = world.pool(Side::Write, DatabaseRole::Writer, PoolSettings::for_log(1)).await?;
    let mut connection = pool.acquire().await?;
    let mut said = Vec::new();
    let mut safe = true;
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value: String = sqlx::query_scalar(&format!("SHOW {name}")).persistent(false).fetch_one(&mut *connection).await?;
        safe &= value == "on";
        said.push(format!("{name} {value}"));
    }
    Ok((safe, said.join(", ")))
}

/// Requests that were acknowledged are sent again: the first answer comes back, and nothing is stored.
async fn duplicates(world: &World, report: &mut Report) -> anyhow::Result<()> {
    let before = world.events().await?;
    let (writers, samples) = (world.writers().await?, world.cast.samples());
    let mut twice = 0;
    for payment in &samples {
        if !world.cast.is_answered_once(&writers, payment).await {
            twice += 1;
        }
    }
    let added = world.events().await? - before;
    let said = format!("{} sent again, {twice} answered anew, {added} events added", samples.len());
    report.guards.push(Guard::new(&world.name, "duplicates answered once", Some(twice == 0 && added == 0 && !samples.is_empty()), said));
    Ok(())
}

/// Statements of the hot path whose generic plan reads a whole table.
async fn plans(world: &World) -> anyhow::Result<Vec<String>> {
    let pool = world.pool(Side::Write, DatabaseRole::Writer, PoolSettings::for_log(1)).await?;
    let mut connection = pool.acquire().await?;
    let mut problems = Vec::new();
    let statements = [("append", APPEND), ("append without claims", APPEND_WITHOUT_CLAIMS), ("dedupe", TAKEN), ("load", LOAD)];
    for (name, statement) in statements {
        let parameters = (1..).take_while(|n| statement.contains(&format!("${n}::"))).count();
        connection.execute(sqlx::raw_sql(&format!("DEALLOCATE ALL; PREPARE looked_at AS {statement}"))).await?;
        let nulls = vec!["NULL"; parameters].join(", ");
        let rows = connection.fetch_all(sqlx::raw_sql(&format!("EXPLAIN EXECUTE looked_at ({nulls})"))).await?;
        let plan: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        if let Some(line) = plan.iter().find(|line| line.contains("Seq Scan")) {
            problems.push(format!("{name}: {}", line.trim()));
        }
    }
    Ok(problems)
}

/// Lets reactions and projections of the world catch up, then runs `holdfast verify`. `within`: how long that may take.
///
/// # Errors
/// When a process does not start or stop; what does not hold is in the report.
pub(crate) async fn verify(world: &World, within: Duration, report: &mut Report) -> anyhow::Result<()> {
    let behind = world.serve("projector,reactor").await?;
    let projections = projections();
    let reached = world.drained_within(within, &SUBSCRIPTIONS, &projections).await;
    let guard = match reached {
        Ok(()) => {
            let said = world.holdfast(&["verify"], false)?;
            let last = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
            let holds = last.ends_with(": everything holds");
            let said = if holds { last } else { said };
            Guard::new(&world.name, "verify", Some(holds), said)
        }
        Err(_) => {
            let left = world.behind(&SUBSCRIPTIONS, &projections).await?;
            let said = format!("{left} events not folded within {} s", within.as_secs());
            Guard::new(&world.name, "verify", None, said)
        }
    };
    behind.stop().await?;
    report.guards.push(guard);
    Ok(())
}

/// Names of all projections of this program.
pub(crate) fn projections() -> Vec<&'static str> {
    holdfast_projections::all_projections().iter().map(holdfast_projections::runtime::Projection::name).collect()
}

/// # Errors
/// Never: that there were errors is in the report.
pub(crate) fn no_errors(world: &str, what: &'static str, outcome: &crate::measure::Outcome, report: &mut Report) {
    if outcome.errors > 0 {
        let said = format!(
            "{what}: {} of {}, first: {}",
            outcome.errors,
            outcome.errors + outcome.count,
            outcome.first_error.as_deref().unwrap_or("?")
        );
        report.guards.push(Guard::new(world, "no errors", Some(false), said));
    }
}
