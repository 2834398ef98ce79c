//! `holdfast session`: the end of somebody's session, as the platform's operator (IDN-11).

use std::process::ExitCode;

use clap::Subcommand;
use holdfast_domain::kernel::TenantId;
use holdfast_domain::session::{RevocationReason, Session, SessionCommand};
use uuid::Uuid;

use super::context::Global;
use super::print;
use super::tenant::Desk;
use crate::settings::{DatabaseRole, Needs, Side};

/// End sessions before their tokens expire.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// End one session, for ever: within seconds its tokens are refused and its streams are closed.
    Revoke {
        /// The tenant's id.
        #[arg(long, value_name = "UUID")]
        tenant: TenantId,
        /// The session's id: `sid` in its tokens.
        #[arg(long, value_name = "UUID")]
        session: Uuid,
        #[arg(long, value_enum, default_value_t = Reason::SuspectedMisuse)]
        reason: Reason,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Reason {
    SignedOut,
    DeviceLost,
    SuspectedMisuse,
    AccessEnded,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::SignedOut => Self::SignedOut,
            Reason::DeviceLost => Self::DeviceLost,
            Reason::SuspectedMisuse => Self::SuspectedMisuse,
            Reason::AccessEnded => Self::AccessEnded,
        }
    }
}

const NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Writer)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Command::Revoke { tenant, session, reason } = arguments.command;
    let opened = global.open(NEEDS).await?;
    let command = SessionCommand::Revoke { reason: reason.into() };
    let revoked = match Desk::open(&opened.settings).await {
        Ok(desk) => desk.send::<Session>(tenant, session, command, None).await,
        Err(error) => Err(error),
    };
    opened.close().await?;
    let accepted = revoked?;
    print::line(format!("{} at position {}", accepted.status, accepted.position))?;
    Ok(ExitCode::SUCCESS)
}
