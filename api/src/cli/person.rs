//! `holdfast person`: the erasure of a person, as the platform's operator (ADM-25, CNF-33).

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use holdfast_commands::person::{Obstacle, obstacle};
use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_domain::person::{ErasureReason, Person, PersonCommand};
use holdfast_eventlog::EventLog;
use uuid::Uuid;

use super::context::Global;
use super::tenant::Desk;
use super::{print, wiring};
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Erase persons: destroy the keys under which everything personal about them is sealed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Erase one person, for ever. The keys are destroyed by the next process that runs reactions.
    Erase {
        /// The tenant's id.
        #[arg(long)]
        tenant: TenantId,
        /// The person's id.
        #[arg(long)]
        subject: PartyId,
        /// The person's id again: this cannot be taken back.
        #[arg(long, value_name = "SUBJECT")]
        confirm: PartyId,
        #[arg(long, value_enum, default_value_t = Reason::PersonRequest)]
        reason: Reason,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Reason {
    PersonRequest,
    RetentionEnded,
    LegalOrder,
    NotAPerson,
}

impl From<Reason> for ErasureReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::PersonRequest => Self::PersonRequest,
            Reason::RetentionEnded => Self::RetentionEnded,
            Reason::LegalOrder => Self::LegalOrder,
            Reason::NotAPerson => Self::NotAPerson,
        }
    }
}

const NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Writer)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Command::Erase { tenant, subject, confirm, reason } = arguments.command;
    anyhow::ensure!(confirm == subject, "--confirm must be the same id as --subject");
    let opened = global.open(NEEDS).await?;
    let result = erase(&opened.settings, tenant, subject, reason.into()).await;
    opened.close().await?;
    result.map(|()| ExitCode::SUCCESS)
}

async fn erase(settings: &Settings, tenant_id: TenantId, subject: PartyId, reason: ErasureReason) -> anyhow::Result<()> {
    let pool = wiring::pool(settings, Side::Write, DatabaseRole::Writer, 2).await?;
    let log = EventLog::new(pool.clone());
    match obstacle(&pool, &log, tenant_id, subject).await? {
        None => {}
        Some(Obstacle::Unknown) => bail!("the tenant keeps nothing personal about {subject}"),
        Some(Obstacle::Contract) => bail!("{subject} is a contract: its text is evidence, sealed under a key of its own"),
        Some(Obstacle::OpenDisputes(disputes)) => {
            let disputes: Vec<String> = disputes.iter().map(Uuid::to_string).collect();
            bail!("{subject} is a party to disputes that are not closed: {}", disputes.join(", "))
        }
    }
    let command = PersonCommand::Erase { subject, reason };
    let accepted = Desk::open(settings).await?.send::<Person>(tenant_id, subject.uuid(), command, None).await?;
    print::line(format!("{} at position {}", accepted.status, accepted.position))?;
    Ok(())
}
