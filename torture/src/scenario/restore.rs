//! The databases are put back to three points in time from a base backup and the archived WAL, and Holdfast starts on them.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::PgPool;
use uuid::Uuid;

use super::Scenario;
use crate::environment::restore::{ARCHIVING, Backup, swap_read_models};
use crate::load::Load;
use crate::rng::Rng;
use crate::verdict::judge;
use crate::world::files::WRITE;
use crate::world::{Nats, Options, Postgres, World};

const POINTS: [&str; 3] = ["early", "middle", "last"];
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(super) struct Restore;

/// A moment, and what is known about it from outside.
#[derive(Debug)]
struct Point {
    name: &'static str,
    /// Lines of the history that were written before it.
    lines: usize,
    /// Heads a moment before and a moment after.
    least: Vec<(Uuid, i64)>,
    most: Vec<(Uuid, i64)>,
}

impl Scenario for Restore {
    fn name(&self) -> &'static str {
        "restore"
    }

    fn about(&self) -> &'static str {
        "base backup and WAL are restored to three points; read models and stream of other times are noticed"
    }

    fn options(&self) -> Options {
        Options { postgres_conf: ARCHIVING.into(), ..Options::default() }
    }

    fn run<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng, length: Duration) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let backup = Backup::take(&world.postgres)?;
            let mut points = Vec::new();
            for name in POINTS {
                world.pass(length / 4 + rng.millis(0, 1_000)).await?;
                points.push(Point::now(world, name).await?);
                world.fault(format!("point {name}"));
            }
            world.pass(Duration::from_secs(1)).await?;
            backup.catch_up(&world.postgres).await?;
            let [early, middle, last] = &points[..] else { anyhow::bail!("three points") };

            let (folder, postgres) = place(world, &backup, early).await?;
            let mut restored = begin(world, folder, postgres, early).await?;
            check_old_answers(&mut restored, world, early).await?;
            stream_of_another_time(&mut restored, world).await?;
            go_on(&mut restored, rng).await?;
            drop(restored);

            // The read models are of a later time than the log, then of an earlier one.
            let (folder, middle_log) = place(world, &backup, middle).await?;
            let (_, mut last_log) = place(world, &backup, last).await?;
            swap_read_models(&last_log, &middle_log)?;
            last_log.stop()?;
            let mut restored = begin(world, folder, middle_log, middle).await?;
            check_old_answers(&mut restored, world, middle).await?;
            ensure!(
                restored.service("projector")?.has_logged("a read model knows events that the log does not have"),
                "nobody noticed that read models were ahead of the log"
            );
            go_on(&mut restored, rng).await?;
            drop(restored);

            let (_, mut early_log) = place(world, &backup, early).await?;
            last_log.start().await?;
            swap_read_models(&early_log, &last_log)?;
            early_log.stop()?;
            let folder = last_log.folder.clone();
            let mut restored = begin(world, folder, last_log, last).await?;
            check_old_answers(&mut restored, world, last).await?;
            go_on(&mut restored, rng).await
        }
        .boxed()
    }
}

impl Point {
    async fn now(world: &World, name: &'static str) -> anyhow::Result<Self> {
        let pool = world.postgres.pool(WRITE).await?;
        // What was answered before this line is before the point.
        let lines = std::fs::read_to_string(&world.history.path)?.lines().count();
        let least = heads(&pool).await?;
        sqlx::query("SELECT pg_create_restore_point($1)").bind(name).execute(&pool).await?;
        Ok(Self { name, lines, least, most: heads(&pool).await? })
    }
}

async fn heads(pool: &PgPool) -> anyhow::Result<Vec<(Uuid, i64)>> {
    Ok(sqlx::query_as("SELECT tenant_id, position FROM tenant_heads ORDER BY 1").fetch_all(pool).await?)
}

/// The cluster of that point, in a folder of its own.
async fn place(world: &World, backup: &Backup, point: &Point) -> anyhow::Result<(PathBuf, Postgres)> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = world.folder.join(format!("restored-{}-{number}", point.name));
    std::fs::create_dir_all(&folder)?;
    let postgres = backup.restore(&folder, point.name).await?;
    Ok((folder, postgres))
}

/// Holdfast on the restored databases, with a NATS that is empty; the log must be what it was at the point.
async fn begin(world: &World, folder: PathBuf, postgres: Postgres, point: &Point) -> anyhow::Result<World> {
    let now = heads(&postgres.pool(WRITE).await?).await?;
    for (bound, heads) in [("before", &point.least), ("after", &point.most)] {
        for (tenant, head) in heads {
            let restored = now.iter().find(|(other, _)| other == tenant).map_or(0, |(_, at)| *at);
            let fits = if bound == "before" { restored >= *head } else { restored <= *head };
            ensure!(fits, "{}: {tenant} was restored to {restored}; {bound} the point it stood at {head}", point.name);
        }
    }
    let mut nats = Nats::new(&folder, &[])?;
    nats.start().await?;
    let mut restored = World::on(folder, world.binaries.clone(), (postgres, nats), &world.tenants, "")?;
    restored.start_all().await?;
    restored.quiesce(PATIENCE).await.context(point.name)?;
    Ok(restored)
}

/// Everything that was acknowledged before the point is there, and all other invariants hold.
async fn check_old_answers(restored: &mut World, world: &World, point: &Point) -> anyhow::Result<()> {
    let history = restored.folder.join("before.ndjson");
    let text = std::fs::read_to_string(&world.history.path)?;
    let kept = text.lines().enumerate().filter(|(number, line)| *number < point.lines || line.contains(r#""phase":"invoke""#));
    std::fs::write(&history, kept.map(|(_, line)| format!("{line}\n")).collect::<String>())?;
    let output = Command::new("python3")
        .args(["-B", "torture/checkers/check.py", "--open", "--postgres", &restored.postgres.port.to_string()])
        .args(["--nats", &restored.nats.port.to_string(), "--history"])
        .arg(&history)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "restored to {}: {said} {}", point.name, String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// New commands are taken, and everything holds after them too.
async fn go_on(restored: &mut World, rng: &mut Rng) -> anyhow::Result<()> {
    let seed = rng.below(u64::MAX);
    let load = Load::start(restored, seed)?;
    restored.pass(Duration::from_secs(3)).await?;
    let counts = load.settle(seed).await?;
    ensure!(counts.ok > 0, "no command was taken on restored databases");
    restored.quiesce(PATIENCE).await?;
    let verdict = judge(restored, &std::env::current_dir()?).await?;
    ensure!(verdict.problems.is_empty(), "after new commands on restored databases: {:#?}", verdict.problems);
    Ok(())
}

/// With a stream that has events which the restored log lacks: the relay says so.
async fn stream_of_another_time(restored: &mut World, world: &mut World) -> anyhow::Result<()> {
    let folder = restored.folder.join("of-another-time");
    std::fs::create_dir_all(&folder)?;
    let mut nats = Nats::new(&folder, &[])?;
    world.nats.kill()?;
    let copied = Command::new("cp").arg("-a").args([&world.nats.store, &nats.store]).status()?;
    ensure!(copied.success(), "cannot copy the stream's store");
    world.nats.start().await?;
    nats.start().await?;
    let relay = restored.service("relay")?;
    relay.stop().await?;
    relay.routes.nats = Some(nats.port);
    relay.start()?;
    let begun = Instant::now();
    while !relay.has_logged("the stream is ahead of the log") {
        ensure!(begun.elapsed() < PATIENCE, "nobody noticed that the stream is ahead of the log");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    relay.stop().await?;
    relay.routes.nats = None;
    relay.start()
}
