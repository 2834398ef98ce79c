//! `holdfast replay`: what auditors ask over HTTP, for whoever runs this program. Every look is written down first (ANA-38).

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use holdfast_commands::{Clock, WriterSettings, Writers};
use holdfast_domain::access::{AccessCommand, AccessFilter, AccessKind};
use holdfast_domain::kernel::{CorrelationId, PartyId, RequestId, TenantId};
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::Pool;
use holdfast_projections::audit::{self, AuditFilter, Explained};
use holdfast_projections::query::Page;
use serde_json::json;
use uuid::Uuid;

use super::context::Global;
use super::tenant::operator;
use super::{print, wiring};
use crate::audit::replay::{self, Until};
use crate::audit::{csv, write_down};
use crate::queries::replay::{ONE_SUBJECT, subject};
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Read a tenant's log as its auditors do: streams, states, explanations, the audit log.
///
/// Each look is written down in the tenant's log before anything is read.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the events of a stream in order, one JSON object per line.
    Stream {
        tenant: TenantId,
        stream: Uuid,
        /// Only where streams of several aggregates have this id.
        #[arg(long)]
        aggregate_type: Option<String>,
        #[arg(long, default_value_t = 1)]
        from_version: i64,
    },
    /// Print the state of a stream as JSON: now, after an event, at a position or at a time.
    State {
        tenant: TenantId,
        stream: Uuid,
        /// Only where streams of several aggregates have this id.
        #[arg(long)]
        aggregate_type: Option<String>,
        #[arg(long, conflicts_with_all = ["position", "at"])]
        sequence: Option<i64>,
        #[arg(long, conflicts_with = "at")]
        position: Option<i64>,
        /// For example 2026-03-01T12:00:00Z
        #[arg(long)]
        at: Option<DateTime<Utc>>,
    },
    /// Print what is behind a balance or a status as JSON: events, what led to them, journal lines.
    Explain {
        tenant: TenantId,
        #[arg(long)]
        wallet: Option<Uuid>,
        #[arg(long)]
        escrow: Option<Uuid>,
        #[arg(long)]
        stream: Option<Uuid>,
    },
    /// Print the audit log, newest first.
    Log {
        tenant: TenantId,
        #[arg(long)]
        actor: Option<PartyId>,
        /// For example escrow.released
        #[arg(long)]
        action: Option<String>,
        #[arg(long)]
        entity_type: Option<String>,
        #[arg(long)]
        entity_id: Option<Uuid>,
        /// Recorded at or after.
        #[arg(long)]
        from: Option<DateTime<Utc>>,
        /// Recorded before.
        #[arg(long)]
        to: Option<DateTime<Utc>>,
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One object per line.
    Json,
    Csv,
}

const NEEDS: Needs = Needs {
    tokens: false,
    secrets: false,
    database: &[(Side::Write, DatabaseRole::Writer), (Side::Write, DatabaseRole::Auditor), (Side::Read, DatabaseRole::Auditor)],
};

/// Events per question to the log.
const CHUNK: i64 = 500;

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let room = ReadingRoom::open(&opened.settings).await?;
    let result = room.answer(arguments.command).await;
    opened.close().await?;
    result.map(|()| ExitCode::SUCCESS)
}

/// For the one thing that looking at a log adds to it.
pub(super) async fn writers(settings: &Settings) -> anyhow::Result<Writers> {
    let log = EventLog::new(wiring::pool(settings, Side::Write, DatabaseRole::Writer, 2).await?);
    Ok(Writers::start(&log, Clock::default(), &WriterSettings { writers: 1, ..WriterSettings::default() }))
}

/// Writes down what the operator is about to look at.
pub(super) async fn record(writers: &Writers, tenant_id: TenantId, access: AccessCommand) -> anyhow::Result<()> {
    let request_id = Uuid::now_v7();
    let ids = (RequestId(request_id), CorrelationId(request_id));
    let written = write_down(writers, tenant_id, operator(), ids, access).await;
    written.map_err(|refusal| anyhow::anyhow!("the access cannot be written down, so nothing is shown: {refusal}"))?;
    Ok(())
}

/// Both databases as the auditor, and a writer for what is looked at.
struct ReadingRoom {
    writers: Writers,
    log: EventLog,
    read: Pool,
}

impl ReadingRoom {
    async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let writers = writers(settings).await?;
        let log = EventLog::new(wiring::pool(settings, Side::Write, DatabaseRole::Auditor, 1).await?);
        Ok(Self { writers, log, read: wiring::pool(settings, Side::Read, DatabaseRole::Auditor, 1).await? })
    }

    async fn record(&self, tenant_id: TenantId, what: AccessKind, target: Option<Uuid>, filter: AccessFilter) -> anyhow::Result<()> {
        record(&self.writers, tenant_id, AccessCommand::Record { what, target, filter }).await
    }

    async fn answer(&self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Stream { tenant, stream, aggregate_type, from_version } => {
                let from_version = from_version.max(1);
                let filter =
                    AccessFilter { from_version: Some(from_version), entity_type: aggregate_type.clone(), ..AccessFilter::default() };
                self.record(tenant, AccessKind::StreamEvents, Some(stream), filter).await?;
                self.stream(tenant, stream, aggregate_type.as_deref(), from_version - 1).await
            }
            Command::State { tenant, stream, aggregate_type, sequence, position, at } => {
                let until = sequence.map(Until::Sequence).or(position.map(Until::Position)).or(at.map(Until::At));
                let filter = AccessFilter { sequence, position, at, entity_type: aggregate_type.clone(), ..AccessFilter::default() };
                self.record(tenant, AccessKind::StreamState, Some(stream), filter).await?;
                let stream = replay::find(&self.log, tenant, stream, aggregate_type.as_deref()).await?;
                print::json(&replay::state(&self.log, stream, until.unwrap_or(Until::Now)).await?)
            }
            Command::Explain { tenant, wallet, escrow, stream } => {
                let (id, aggregate_type) = subject(wallet, escrow, stream).context(ONE_SUBJECT)?;
                let filter = AccessFilter { entity_type: aggregate_type.map(str::to_owned), ..AccessFilter::default() };
                self.record(tenant, AccessKind::Explanation, Some(id), filter).await?;
                self.explain(tenant, id, aggregate_type).await
            }
            Command::Log { tenant, actor, action, entity_type, entity_id, from, to, format } => {
                let filter = AuditFilter { actor_id: actor, action, entity_type, entity_id, from, to };
                let written = crate::audit::recorded(&filter).map_err(|error| anyhow::anyhow!("{error}"))?;
                let what = if format == Format::Csv { AccessKind::AuditExport } else { AccessKind::AuditLog };
                self.record(tenant, what, entity_id, written).await?;
                self.audit_log(tenant, &filter, format).await
            }
        }
    }

    async fn stream(&self, tenant_id: TenantId, id: Uuid, aggregate_type: Option<&str>, mut after: i64) -> anyhow::Result<()> {
        let stream = replay::find(&self.log, tenant_id, id, aggregate_type).await?;
        loop {
            let events = replay::events(&self.log, stream, after, CHUNK).await?;
            let Some(last) = events.last() else { return Ok(()) };
            after = last.sequence;
            for event in &events {
                print::line(serde_json::to_string(event)?)?;
            }
        }
    }

    async fn explain(&self, tenant_id: TenantId, id: Uuid, aggregate_type: Option<&str>) -> anyhow::Result<()> {
        let stream = replay::find(&self.log, tenant_id, id, aggregate_type).await?;
        let now = replay::state(&self.log, stream, Until::Now).await?;
        let subject = Explained { entity_type: stream.aggregate_type, entity_id: id };
        let (mut events, mut cursor) = (Vec::new(), None);
        loop {
            let page = Page::try_new(Some(Page::MAX), cursor)?;
            let read = audit::explain(&self.read, tenant_id, subject, &page).await?;
            events.extend(read.value.events.items);
            cursor = read.value.events.next_cursor;
            if cursor.is_none() {
                return print::json(&json!({
                    "subject": { "streamId": id, "aggregateType": now.aggregate_type, "version": now.version, "status": now.status },
                    "position": read.position, "balances": read.value.balances, "items": events,
                }));
            }
        }
    }

    async fn audit_log(&self, tenant_id: TenantId, filter: &AuditFilter, format: Format) -> anyhow::Result<()> {
        let text = |bytes: Vec<u8>| anyhow::Ok(String::from_utf8(bytes)?.trim_end().to_owned());
        if format == Format::Csv {
            print::line(text(csv::header()?)?)?;
        }
        let mut cursor = None;
        loop {
            let read = audit::list(&self.read, tenant_id, filter, &Page::try_new(Some(Page::MAX), cursor)?).await?;
            match format {
                Format::Csv if read.value.items.is_empty() => {}
                Format::Csv => print::line(text(csv::entries(&read.value.items)?)?)?,
                Format::Json => {
                    for entry in &read.value.items {
                        print::line(serde_json::to_string(entry)?)?;
                    }
                }
            }
            cursor = read.value.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}
