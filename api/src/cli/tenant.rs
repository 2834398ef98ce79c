//! `holdfast tenant`: tenants are commands on their own streams, decided and stored like every other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use holdfast_commands::{Accepted, Clock, IdempotencyKey, KeyOwner, Request, WriterSettings, Writers};
use holdfast_domain::kernel::{Actor, ActorKind, CorrelationId, PartyId, RequestId, Role, Roles, TenantAggregate, TenantId};
use holdfast_domain::tenant::{Tenant, TenantCommand, TenantEvent, TenantSettings};
use holdfast_eventlog::{EventLog, StreamId};
use serde::Serialize;
use uuid::Uuid;

use super::context::Global;
use super::{print, wiring};
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Create, list, configure, suspend and activate tenants.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a tenant and print its id.
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// Short name for addresses: lower case letters, digits and hyphens.
        #[arg(long)]
        slug: String,
        /// TOML or JSON file with settings; what it leaves out has its default.
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
        /// The tenant's id; a new one by default.
        #[arg(long, value_name = "UUID")]
        id: Option<TenantId>,
    },
    /// List all tenants.
    List {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Print a tenant's settings, or change them from a file.
    Settings {
        /// The tenant's id.
        tenant: TenantId,
        /// TOML or JSON file: becomes the whole of the settings; what it leaves out has its default.
        #[arg(long, value_name = "FILE")]
        set: Option<PathBuf>,
    },
    /// Refuse a tenant's commands; what the system owes it (deadlines, credits) goes on.
    Suspend {
        /// The tenant's id.
        tenant: TenantId,
        #[arg(long)]
        reason: String,
    },
    /// Take a suspended tenant's commands again.
    Activate {
        /// The tenant's id.
        tenant: TenantId,
    },
}

const NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Writer)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let desk = Desk::open(&opened.settings).await?;
    let result = desk.carry_out(arguments.command).await;
    opened.close().await?;
    result.map(|()| ExitCode::SUCCESS)
}

/// Tenants as the platform's operator sees them.
pub(super) struct Desk {
    log: EventLog,
    writers: Writers,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Known {
    tenant_id: TenantId,
    name: String,
    slug: String,
    status: &'static str,
    position: i64,
    settings: TenantSettings,
}

impl Desk {
    pub(super) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let log = EventLog::new(wiring::pool(settings, Side::Write, DatabaseRole::Writer, 2).await?);
        let writers = Writers::start(&log, Clock::default(), &WriterSettings { writers: 1, ..WriterSettings::default() });
        Ok(Self { log, writers })
    }

    async fn carry_out(&self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Create { name, slug, settings, id } => {
                let settings = settings.as_deref().map_or_else(|| Ok(TenantSettings::default()), read_settings)?;
                let tenant_id = id.unwrap_or_else(|| TenantId(Uuid::now_v7()));
                self.create(tenant_id, name, slug, settings).await?;
                print::line(tenant_id)?;
            }
            Command::List { json } => self.list(json).await?,
            Command::Settings { tenant, set: None } => print::json(&self.known(tenant).await?.settings)?,
            Command::Settings { tenant, set: Some(file) } => {
                let settings = read_settings(&file)?;
                self.execute(tenant, TenantCommand::ChangeSettings { settings }, None).await?;
                print::line("the settings hold for escrows that are created from now on")?;
            }
            Command::Suspend { tenant, reason } => {
                self.execute(tenant, TenantCommand::Suspend { reason }, None).await?;
                print::line("suspended")?;
            }
            Command::Activate { tenant } => {
                self.execute(tenant, TenantCommand::Activate, None).await?;
                print::line("active")?;
            }
        }
        Ok(())
    }

    /// The same tenant again is no error: its key makes it the same request.
    pub(super) async fn create(
        &self,
        tenant_id: TenantId,
        name: String,
        slug: String,
        settings: TenantSettings,
    ) -> anyhow::Result<Accepted> {
        let well_formed = !slug.is_empty() && slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        anyhow::ensure!(well_formed, "a slug has lower case letters, digits and hyphens only");
        self.execute(tenant_id, TenantCommand::Create { name, slug, settings }, Some("create".to_owned())).await
    }

    pub(super) async fn execute(&self, tenant_id: TenantId, command: TenantCommand, key: Option<String>) -> anyhow::Result<Accepted> {
        self.send::<Tenant>(tenant_id, tenant_id.uuid(), command, key).await
    }

    /// A command of the operator to any stream.
    pub(super) async fn send<A: TenantAggregate>(
        &self,
        tenant_id: TenantId,
        aggregate_id: Uuid,
        command: A::Command,
        key: Option<String>,
    ) -> anyhow::Result<Accepted> {
        let request_id = Uuid::now_v7();
        let request = Request::<A> {
            tenant_id,
            aggregate_id,
            command,
            actor: operator(),
            request_id: RequestId(request_id),
            correlation_id: CorrelationId(request_id),
            causation_id: None,
            hops: 0,
            key: key.map(|key| IdempotencyKey { owner: KeyOwner::System("operator"), key, request_hash: Vec::new() }),
            if_match: None,
            not_before: None,
        };
        self.writers.execute(request).await.map_err(|refusal| anyhow::anyhow!("{refusal}"))
    }

    async fn list(&self, json: bool) -> anyhow::Result<()> {
        let tenants = self.all().await?;
        if json {
            return print::json(&serde_json::json!({ "tenants": tenants }));
        }
        let rows: Vec<Vec<String>> = tenants
            .into_iter()
            .map(|known| vec![known.tenant_id.to_string(), known.slug, known.status.to_owned(), known.position.to_string(), known.name])
            .collect();
        print::line(print::table(&["tenant", "slug", "status", "events", "name"], &[3], &rows))?;
        Ok(())
    }

    pub(super) async fn all(&self) -> anyhow::Result<Vec<Known>> {
        let heads = self.log.heads().await.context("cannot read the write database")?;
        let mut tenants = Vec::with_capacity(heads.len());
        for tenant_id in heads.into_keys() {
            tenants.push(self.known(tenant_id).await?);
        }
        tenants.sort_by(|a, b| a.slug.cmp(&b.slug));
        Ok(tenants)
    }

    async fn known(&self, tenant_id: TenantId) -> anyhow::Result<Known> {
        let stream = StreamId { tenant_id, aggregate_type: <Tenant as cqrs_es::Aggregate>::TYPE, aggregate_id: tenant_id.uuid() };
        let mut tenant = Tenant::default();
        let (mut name, mut slug) = (String::new(), String::new());
        for stored in self.log.read_stream(stream, 0, i64::from(i32::MAX)).await.context("cannot read the write database")? {
            if let Some(event) = stored.decode().context("a tenant's event is unreadable")?.event.of::<Tenant>() {
                if let TenantEvent::Created { name: of, slug: short, .. } = event {
                    (name, slug) = (of.clone(), short.clone());
                }
                cqrs_es::Aggregate::apply(&mut tenant, event.clone());
            }
        }
        if !tenant.exists() {
            bail!("there is no tenant {tenant_id}");
        }
        let position =
            self.log.heads().await.context("cannot read the write database")?.get(&tenant_id).map_or(0, |(position, _)| *position);
        let settings = tenant.settings().as_ref().clone();
        Ok(Known { tenant_id, name, slug, status: tenant.status(), position, settings })
    }
}

/// Whoever may run this program with the writer's password is the platform's operator; the log says so.
pub(super) fn operator() -> Actor {
    Actor { id: PartyId(Uuid::nil()), kind: ActorKind::User, roles: Roles::from([Role::Superadmin]), amount_limits: Vec::new() }
}

fn read_settings(path: &Path) -> anyhow::Result<TenantSettings> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    if is_json {
        return serde_json::from_str(&text).with_context(|| format!("{} is not a tenant's settings", path.display()));
    }
    toml::from_str(&text).with_context(|| format!("{} is not a tenant's settings", path.display()))
}
