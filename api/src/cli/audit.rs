//! `holdfast audit`: export a log, verify an export offline, check the logs against their seals.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use holdfast_domain::access::{AccessCommand, AccessFilter, AccessKind};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::{Pool, PoolSettings};
use holdfast_eventlog::export::{self, Export, ExportFilter};
use holdfast_eventlog::seal::{self, SealKeys, read_seals};
use secrecy::ExposeSecret as _;

use super::context::Global;
use super::{print, replay, wiring};
use crate::queries::proof;
use crate::settings::{DatabaseRole, Needs, Settings, Side};

/// Export a log, verify an export offline, check the logs against their seals.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a tenant's log, up to its newest seal, as lines of JSON.
    Export {
        #[arg(long)]
        tenant: TenantId,
        /// The last position that is there already.
        #[arg(long, default_value_t = 0, value_name = "POSITION")]
        after: i64,
        /// Events of these types in full, of others only the hash: `escrow.released,wallet.credited`.
        #[arg(long = "type", value_name = "TYPES")]
        types: Option<String>,
        /// Recorded at or after, RFC 3339.
        #[arg(long)]
        from: Option<DateTime<Utc>>,
        /// Recorded before, RFC 3339.
        #[arg(long)]
        to: Option<DateTime<Utc>>,
        /// Instead of standard output; appears when it is complete.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[arg(long, conflicts_with = "zstd")]
        gzip: bool,
        #[arg(long)]
        zstd: bool,
    },
    /// Verify an export with a public key: complete, unchanged, and continuing an earlier head. Needs no settings.
    Verify {
        /// NDJSON, plain or compressed with gzip or zstd; `-` for standard input.
        export: PathBuf,
        /// 32 bytes in base64 or hexadecimal; several with commas. From /.well-known/holdfast-seal-keys.json, kept from before.
        #[arg(long, value_name = "PUBLIC_KEY")]
        key: String,
        /// Seals that were kept from before, one a line; or the file of seals.
        #[arg(long, value_name = "SEAL_FILE")]
        earlier: Option<PathBuf>,
    },
    /// Check logs, trees, seals and the file of seals against each other.
    Check {
        /// One tenant; all when none is given.
        #[arg(long)]
        tenant: Option<TenantId>,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

const NEEDS: Needs =
    Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Auditor), (Side::Write, DatabaseRole::Writer)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Verify { export, key, earlier } => verify(&export, &key, earlier.as_deref()),
        Command::Export { tenant, after, types, from, to, out, gzip, zstd } => {
            let types = proof::types(types.as_deref()).map_err(|problem| anyhow::anyhow!("--type: {problem}"))?;
            let packing = if gzip {
                Packing::Gzip
            } else if zstd {
                Packing::Zstd
            } else {
                Packing::Plain
            };
            let opened = global.open(NEEDS).await?;
            let result = write_export(&opened.settings, tenant, after, ExportFilter { types, from, to }, out.as_deref(), packing).await;
            opened.close().await?;
            result.map(|()| ExitCode::SUCCESS)
        }
        Command::Check { tenant, json } => {
            let opened = global.open(NEEDS).await?;
            let result = check(&opened.settings, tenant, json).await;
            opened.close().await?;
            result
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// What an export is written through.
enum Output<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Output<W> {
    fn new(packing: Packing, inner: W) -> io::Result<Self> {
        Ok(match packing {
            Packing::Plain => Self::Plain(inner),
            Packing::Gzip => Self::Gzip(GzEncoder::new(inner, Compression::default())),
            Packing::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(inner, 0)?),
        })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(text.as_bytes()),
            Self::Gzip(out) => out.write_all(text.as_bytes()),
            Self::Zstd(out) => out.write_all(text.as_bytes()),
        }
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Gzip(out) => out.finish(),
            Self::Zstd(out) => out.finish(),
        }
    }
}

async fn write_export(
    settings: &Settings,
    tenant_id: TenantId,
    after: i64,
    filter: ExportFilter,
    out: Option<&Path>,
    packing: Packing,
) -> anyhow::Result<()> {
    let pool = wiring::pool(settings, Side::Write, DatabaseRole::Auditor, 1).await?;
    let event_types = (!filter.types.is_empty()).then(|| filter.types.iter().cloned().collect());
    let looked_for = AccessFilter { event_types, position: Some(after), from: filter.from, to: filter.to, ..AccessFilter::default() };
    let access = AccessCommand::Record { what: AccessKind::LogExport, target: None, filter: looked_for };
    replay::record(&replay::writers(settings).await?, tenant_id, access).await?;
    let export = Export::begin(&pool, tenant_id, after, filter).await.context("--after")?;
    let Some(out) = out else {
        let mut stdout = copy(export, Output::new(packing, io::stdout())?).await?;
        return Ok(stdout.flush()?);
    };
    // Half an export never has the name of a whole one.
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let file = File::create(&partial).with_context(|| format!("cannot write {}", out.display()))?;
    copy(export, Output::new(packing, file)?).await?.sync_all()?;
    std::fs::rename(&partial, out).with_context(|| format!("cannot write {}", out.display()))
}

async fn copy<W: Write>(mut export: Export, mut output: Output<W>) -> anyhow::Result<W> {
    while let Some(lines) = export.next().await? {
        output.write(&lines)?;
    }
    Ok(output.finish()?)
}

fn verify(path: &Path, key: &str, earlier: Option<&Path>) -> anyhow::Result<ExitCode> {
    let keys = SealKeys::parse(key).context("--key")?;
    let earlier = earlier.map(|path| {
        ensure!(path.is_file(), "--earlier: there is no file {}", path.display());
        read_seals(path).context("--earlier")
    });
    let earlier = earlier.transpose()?;
    match export::verify(unpacked(path)?, &keys, earlier.as_deref()) {
        Ok(verified) => {
            let seal = &verified.seal;
            print::line(format!(
                "verified: tenant {}, positions {} to {}: {} events, {} left out by the export's filters; sealed at {} by key {}; {} earlier heads met",
                seal.tenant_id,
                verified.after + 1,
                seal.size,
                verified.events,
                verified.left_out,
                seal.sealed_at.as_str(),
                seal.key_id,
                verified.earlier
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("NOT VERIFIED: {:#}", anyhow::Error::new(error));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// By the first bytes, not by the name.
fn unpacked(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let input: Box<dyn io::Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    let mut input = BufReader::new(input);
    let mut first = Vec::new();
    input.by_ref().take(4).read_to_end(&mut first)?;
    let whole = io::Cursor::new(first.clone()).chain(input);
    Ok(match first.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(BufReader::new(MultiGzDecoder::new(whole))),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(BufReader::new(zstd::stream::read::Decoder::new(whole)?)),
        _ => Box::new(BufReader::new(whole)),
    })
}

async fn check(settings: &Settings, tenant: Option<TenantId>, json: bool) -> anyhow::Result<ExitCode> {
    let keys = settings.seal_keys()?;
    ensure!(keys.published().next().is_some(), "no key to check with: secrets.sealing_key or seals.public_keys");
    let outside = settings.seals.file.as_deref().map(read_seals).transpose().context("seals.file")?.unwrap_or_default();
    let tenants: BTreeSet<TenantId> = match tenant {
        Some(tenant_id) => [tenant_id].into(),
        None => {
            let log = wiring::log(settings, DatabaseRole::Writer, 1).await?;
            let pool = wiring::pool(settings, Side::Write, DatabaseRole::Writer, 1).await?;
            let sealed = seal::tenants_with_seals(&mut *pool.acquire().await?).await?;
            let heads = log.heads().await.context("cannot read the heads")?;
            heads.into_keys().chain(sealed).chain(outside.iter().map(|seal| seal.tenant_id)).collect()
        }
    };
    let url = settings.database.url(Side::Write, DatabaseRole::Auditor)?;
    let patient = PoolSettings {
        max_connections: 1,
        application_name: "holdfast audit",
        statement_timeout: Duration::ZERO,
        idle_in_transaction_timeout: Duration::from_secs(60),
        ..PoolSettings::default()
    };
    let pool = Pool::connect(url.expose_secret(), patient).await.context("cannot reach the write database as holdfast_auditor")?;
    let (mut ok, mut reports) = (true, Vec::new());
    for tenant_id in tenants {
        let mine: Vec<_> = outside.iter().filter(|seal| seal.tenant_id == tenant_id).cloned().collect();
        // Read committed: each statement sees the present, and nothing is held back meanwhile.
        let mut tx = pool.begin_tenant_read(tenant_id).await?;
        let report = seal::check(&mut tx, tenant_id, &keys, &mine).await?;
        tx.rollback().await?;
        ok &= report.ok();
        if !json {
            let verdict = if report.ok() { "ok    " } else { "FAILED" };
            print::line(format!(
                "{verdict} {tenant_id}: {} events, {} seals, {} in the file, {} not sealed yet",
                report.events, report.seals, report.file_seals, report.unsealed
            ))?;
            report.findings.iter().try_for_each(|finding| print::line(format!("         {finding}")))?;
        }
        reports.push(serde_json::json!({ "tenantId": tenant_id, "ok": report.ok(), "report": report }));
    }
    if json {
        print::json(&serde_json::json!({ "ok": ok, "tenants": reports }))?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
