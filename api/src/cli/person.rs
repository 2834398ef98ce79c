//! `holdfast person`: the erasure of a person, as the platform's operator, and its certificate (ADM-25, CNF-33).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use holdfast_commands::person::{Obstacle, obstacle};
use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_domain::person::{ErasureReason, Person, PersonCommand};
use holdfast_eventlog::EventLog;
use holdfast_eventlog::seal::{self, ErasureCertificate, SealKeys};
use uuid::Uuid;

use super::context::Global;
use super::tenant::Desk;
use super::{print, wiring};
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Erase persons, print and verify certificates of it.
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
    /// Print the signed certificate of an erasure, which a seal after it makes.
    Certificate {
        #[arg(long)]
        tenant: TenantId,
        #[arg(long)]
        subject: PartyId,
    },
    /// Verify such a certificate with a public key. Needs no settings.
    Verify {
        /// What `certificate` printed, or the API answered; `-` for standard input.
        certificate: PathBuf,
        /// 32 bytes in base64 or hexadecimal; several with commas. From /.well-known/holdfast-seal-keys.json, kept from before.
        #[arg(long, value_name = "PUBLIC_KEY")]
        key: String,
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

const AUDIT_NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Auditor)] };
const NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Writer)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Erase { tenant, subject, confirm, reason } => {
            anyhow::ensure!(confirm == subject, "--confirm must be the same id as --subject");
            let opened = global.open(NEEDS).await?;
            let result = erase(&opened.settings, tenant, subject, reason.into()).await;
            opened.close().await?;
            result.map(|()| ExitCode::SUCCESS)
        }
        Command::Certificate { tenant, subject } => {
            let opened = global.open(AUDIT_NEEDS).await?;
            let result = certificate(&opened.settings, tenant, subject).await;
            opened.close().await?;
            result.map(|()| ExitCode::SUCCESS)
        }
        Command::Verify { certificate, key } => verify(&certificate, &key),
    }
}

async fn certificate(settings: &Settings, tenant_id: TenantId, subject: PartyId) -> anyhow::Result<()> {
    let pool = wiring::pool(settings, Side::Write, DatabaseRole::Auditor, 1).await?;
    let mut tx = pool.begin_tenant_read(tenant_id).await?;
    let signed = seal::erasure_certificate(&mut tx, tenant_id, subject).await?;
    tx.rollback().await?;
    let signed = signed.with_context(|| format!("there is no certificate for {subject}: not erased, or not sealed yet"))?;
    print::json(&signed)
}

fn verify(path: &Path, key: &str) -> anyhow::Result<ExitCode> {
    let keys = SealKeys::parse(key).context("--key")?;
    let text = if path.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let mut given: serde_json::Value = serde_json::from_str(&text).context("this is no JSON")?;
    // The API shows it as a part of its answer.
    if let Some(signed) = given.get_mut("signed") {
        given = signed.take();
    }
    let certificate: ErasureCertificate = serde_json::from_value(given).context("this is no signed certificate of an erasure")?;
    if let Err(error) = certificate.verify(&keys) {
        eprintln!("NOT VERIFIED: {error}");
        return Ok(ExitCode::FAILURE);
    }
    print::line(format!(
        "verified: {} of tenant {} was erased at position {}; {} keys were destroyed at {} (position {}), under the seal of {} events from {}",
        certificate.subject,
        certificate.tenant_id,
        certificate.erased_position,
        certificate.keys,
        certificate.keys_destroyed_at.as_str(),
        certificate.keys_destroyed_position,
        certificate.seal.size,
        certificate.seal.sealed_at.as_str(),
    ))?;
    Ok(ExitCode::SUCCESS)
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
