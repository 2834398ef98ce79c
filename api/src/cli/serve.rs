//! `holdfast serve`: chosen roles, against databases and NATS that somebody else runs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;

use super::context::Global;
use super::{doctor, wiring};
use crate::settings::{DatabaseRole, Needs, Profile, Side};

/// Serve chosen roles against the databases and the NATS that the settings name.
///
/// Run `holdfast migrate` first. Any number of processes may serve the same roles; api processes answer commands and queries,
/// one relay publishes while others stand by, projectors and reactors share the tenants between them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What this process does.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Role::Api, Role::Relay, Role::Projector, Role::Reactor])]
    roles: Vec<Role>,
    /// Where the API listens; overrides `http.listen`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Role {
    /// Takes commands and answers queries over HTTP.
    Api,
    /// Publishes the log to NATS.
    Relay,
    /// Keeps the read models.
    Projector,
    /// Runs reactions and deadlines.
    Reactor,
}

impl Role {
    pub(super) const ALL: &'static [Self] = &[Self::Api, Self::Relay, Self::Projector, Self::Reactor];
}

impl Role {
    /// What a process that plays this role must be given, and nothing else: least privilege.
    const fn needs(self) -> Needs {
        match self {
            Self::Api => {
                let database =
                    &[(Side::Write, DatabaseRole::Writer), (Side::Write, DatabaseRole::Auditor), (Side::Read, DatabaseRole::Reader)];
                Needs { tokens: true, secrets: true, database }
            }
            Self::Relay => Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Relay)] },
            Self::Projector => {
                let database = &[(Side::Write, DatabaseRole::Projector), (Side::Read, DatabaseRole::Projector)];
                Needs { tokens: false, secrets: true, database }
            }
            Self::Reactor => {
                let database = &[(Side::Write, DatabaseRole::Reactor), (Side::Write, DatabaseRole::Writer)];
                Needs { tokens: false, secrets: false, database }
            }
        }
    }
}

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let flags = arguments.listen.iter().map(|address| ("http.listen", address.to_string())).collect();
    let settings = global.settings(Needs::default(), flags)?;
    let roles: BTreeSet<Role> = arguments.roles.into_iter().collect();
    roles.iter().try_for_each(|role| settings.check(role.needs()))?;
    let _telemetry = wiring::start_logging(&settings)?;
    if cfg!(feature = "unchecked-tokens") {
        anyhow::ensure!(settings.profile != Profile::Production, "this is a build for the benchmark: it checks no tokens");
        tracing::error!("this is a build for the benchmark: it checks no tokens");
    }
    // Whoever takes money commands makes sure of the servers first.
    if settings.profile == Profile::Production && roles.contains(&Role::Api) {
        doctor::refuse_if_unsafe(&settings).await?;
    }
    let mut running = wiring::start(&settings, &roles).await?;
    let ended = running.until_told_to_stop().await;
    running.stop().await;
    ended.map(|()| ExitCode::SUCCESS)
}
