//! `holdfast reactions`: what was put aside, and another try.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use holdfast_commands::reaction::{DeadLetter, DeadLetterFilter, dead_letters, find_dead_letter};
use holdfast_domain::kernel::TenantId;
use holdfast_domain::tenant::TenantCommand;
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

const NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Writer)] };
/// Whoever has more than this has one reason for them.
const SHOWN: i64 = 1_000;

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
    let pool = wiring::pool(settings, Side::Write, DatabaseRole::Writer, 1).await?;
    let letters = dead_letters(&pool, &DeadLetterFilter::default(), None, SHOWN).await.context("cannot read the dead letters")?;
    if json {
        return print::json(&serde_json::json!({ "deadLetters": letters }));
    }
    if letters.is_empty() {
        print::line("nothing was put aside")?;
        return Ok(());
    }
    let row = |letter: &DeadLetter| {
        vec![
            letter.id.to_string(),
            letter.tenant_id.to_string(),
            letter.reaction.clone(),
            letter.step.clone(),
            letter.attempt.to_string(),
            letter.created_at.to_rfc3339(),
            letter.reason.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = letters.iter().map(row).collect();
    print::line(print::table(&["id", "tenant", "reaction", "step", "attempt", "since", "reason"], &[4], &rows))?;
    Ok(())
}

/// The command is stored first: the reactor sees it in the log and makes the attempt.
async fn redrive(settings: &Settings, id: Uuid, reason: String) -> anyhow::Result<()> {
    let pool = wiring::pool(settings, Side::Write, DatabaseRole::Writer, 1).await?;
    let letter = find_dead_letter(&pool, id).await.context("cannot read the dead letters")?;
    let letter = letter.filter(|letter| letter.resolved_at.is_none()).with_context(|| format!("{id} does not wait for a decision"))?;
    let command = TenantCommand::RedriveReaction { dead_letter_id: id, reason };
    Desk::open(settings).await?.execute(TenantId(letter.tenant_id), command, None).await?;
    print::line("the next attempt follows as soon as the reactor has seen it")?;
    Ok(())
}
