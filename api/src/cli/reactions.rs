//! `holdfast reactions`: what was put aside, and another try.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use holdfast_domain::kernel::TenantId;
use holdfast_domain::tenant::TenantCommand;
use sqlx::Row as _;
use uuid::Uuid;

use super::context::Global;
use super::tenant::Desk;
use super::{print, wiring};
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Show reactions that were put aside, and try them again.
///
/// A reaction whose command was refused is put aside with its reason; later events of the same correlation wait behind it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits for a decision.
    List {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Make the next attempt of one; who asked and why is logged in the tenant's log.
    Redrive {
        /// The dead letter's id (see `list`).
        id: Uuid,
        #[arg(long)]
        reason: String,
    },
}

const NEEDS: Needs =
    Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Writer), (Side::Write, DatabaseRole::Reactor)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let result = match arguments.command {
        Command::List { json } => list(&opened.settings, json).await,
        Command::Redrive { id, reason } => redrive(&opened.settings, id, reason).await,
    };
    opened.close().await?;
    result.map(|()| ExitCode::SUCCESS)
}

async fn list(settings: &Settings, json: bool) -> anyhow::Result<()> {
    let letters = open_letters(settings).await?;
    if json {
        return print::json(&serde_json::json!({ "deadLetters": letters }));
    }
    if letters.is_empty() {
        print::line("nothing was put aside")?;
        return Ok(());
    }
    let text = |letter: &serde_json::Value, key: &str| letter[key].as_str().map_or_else(|| letter[key].to_string(), str::to_owned);
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            ["id", "tenantId", "reaction", "step", "attempt", "createdAt", "reason"].iter().map(|key| text(letter, key)).collect()
        })
        .collect();
    print::line(print::table(&["id", "tenant", "reaction", "step", "attempt", "since", "reason"], &[4], &rows))?;
    Ok(())
}

async fn open_letters(settings: &Settings) -> anyhow::Result<Vec<serde_json::Value>> {
    let pool = wiring::pool(settings, Side::Write, DatabaseRole::Reactor, 1).await?;
    let mut connection = pool.acquire().await.context("cannot reach the write database")?;
    let rows = sqlx::query(
        "SELECT json_build_object('id', id, 'tenantId', tenant_id, 'reaction', reaction, 'step', step, 'attempt', attempt, 'eventId', event_id, \
         'eventPosition', event_position, 'createdAt', created_at, 'reason', reason) AS letter \
         FROM dead_letters WHERE resolved_at IS NULL ORDER BY created_at, id",
    )
    .fetch_all(&mut *connection)
    .await
    .context("cannot read the dead letters")?;
    rows.iter().map(|row| row.try_get("letter").context("cannot read a dead letter")).collect()
}

/// The command is stored first: the reactor sees it in the log and makes the attempt.
async fn redrive(settings: &Settings, id: Uuid, reason: String) -> anyhow::Result<()> {
    let letters = open_letters(settings).await?;
    let letter =
        letters.iter().find(|letter| letter["id"] == id.to_string()).with_context(|| format!("{id} does not wait for a decision"))?;
    let tenant_id: TenantId = letter["tenantId"].as_str().unwrap_or_default().parse().context("unreadable tenant id")?;
    let command = TenantCommand::RedriveReaction { dead_letter_id: id, reason };
    Desk::open(settings).await?.execute(tenant_id, command, None).await?;
    print::line("the next attempt follows as soon as the reactor has seen it")?;
    Ok(())
}
