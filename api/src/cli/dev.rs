//! `holdfast dev`: everything on this machine, ready to try.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use holdfast_domain::kernel::{PartyId, Role as PartyRole, TenantId, derived_uuid};
use uuid::Uuid;

use super::context::{Global, embedded_profile, readable_logs};
use super::serve::Role;
use super::tenant::Desk;
use super::{migrate, print, token, wiring};
use crate::auth::now_s;
use crate::demo::scenario::Scenario;
use crate::embedded::Embedded;
use crate::settings::{DatabaseRole, Needs, Profile, Settings, Side};

/// Run everything here: embedded Postgres and NATS, migrations, demo tenants, all roles, until Ctrl-C.
///
/// Keeps all state in the folder (--folder). After a crash or `kill -9` start it again: the servers that still run are used,
/// and nothing that was acknowledged is lost.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the API listens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", env = "HOLDFAST__HTTP__LISTEN")]
    listen: SocketAddr,
    /// dev: safe against crashes. test: fast and unsafe, data may be lost.
    #[arg(long, value_enum, default_value = "dev")]
    profile: Profile,
    /// Another scenario file to take the demo tenants from.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Create no demo tenants.
    #[arg(long)]
    no_tenants: bool,
    /// Also stop when standard input is closed: for programs that start this one.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
    /// Print nothing but errors.
    #[arg(long)]
    quiet: bool,
}

const NEEDS: Needs = Needs {
    tokens: true,
    secrets: true,
    database: &[
        (Side::Write, DatabaseRole::Admin),
        (Side::Read, DatabaseRole::Admin),
        (Side::Write, DatabaseRole::Writer),
        (Side::Read, DatabaseRole::Reader),
        (Side::Write, DatabaseRole::Auditor),
    ],
};

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let embedded = Embedded::start(&global.folder, embedded_profile(arguments.profile)?).await?;
    if !embedded.owns_folder() {
        anyhow::bail!("another holdfast already runs on {}: stop it first, or choose another --folder", global.folder.display());
    }
    let result = serve(global, &arguments, &embedded).await;
    embedded.stop().await?;
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve(global: &Global, arguments: &Arguments, embedded: &Embedded) -> anyhow::Result<()> {
    let mut flags = vec![("http.listen", arguments.listen.to_string())];
    readable_logs(global, &mut flags);
    let settings = global.embedded_settings(embedded, NEEDS, flags)?;
    let _telemetry = wiring::start_logging(&settings)?;
    if let Some(why) = embedded.nats_missing() {
        tracing::warn!("{why}");
    }
    migrate::migrate(&settings).await?;
    let scenario = Scenario::load(arguments.scenario.as_deref())?;
    if !arguments.no_tenants {
        seed(&settings, &scenario).await?;
    }
    let roles: BTreeSet<Role> = Role::ALL.iter().copied().collect();
    let mut running = wiring::start(&settings, &roles).await?;
    embedded.announce(&settings.base_url())?;
    if !arguments.quiet {
        welcome(&settings, &scenario)?;
    }
    let ended = tokio::select! {
        ended = running.until_told_to_stop() => ended,
        () = stdin_closes(), if arguments.until_stdin_closes => Ok(()),
        () = embedded.keep_nats() => Ok(()),
    };
    running.stop().await;
    ended
}

/// The scenario's tenants, each with its settings; those that exist stay as they are.
pub(super) async fn seed(settings: &Settings, scenario: &Scenario) -> anyhow::Result<()> {
    let desk = Desk::open(settings).await?;
    for tenant in &scenario.tenants {
        desk.create(tenant.id(), tenant.name.clone(), tenant.slug.clone(), tenant.settings.clone()).await?;
    }
    Ok(())
}

async fn stdin_closes() {
    let (closed, when_closed) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: it must not hold the runtime back when it stops for another reason.
    std::thread::spawn(move || {
        // An error means that nobody can close it any more: the same.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(closed);
    });
    let _ = when_closed.await;
}

/// A party of the tour, the same at every start.
fn party(tenant_id: TenantId, name: &str) -> PartyId {
    PartyId(derived_uuid(tenant_id, Uuid::nil(), &format!("tour:{name}"), 0))
}

/// URLs, tokens and curl lines that work when they are pasted into a shell.
fn welcome(settings: &Settings, scenario: &Scenario) -> anyhow::Result<()> {
    let url = settings.base_url();
    print::line(format!("Holdfast is serving at {url}  (docs: {url}/docs, stop: Ctrl-C)\n\nTenants:"))?;
    for tenant in &scenario.tenants {
        print::line(format!("  {}  {}", tenant.id(), tenant.name))?;
    }
    let Some(tenant) = scenario.tenants.first() else { return Ok(()) };
    let (tenant_id, currency) = (tenant.id(), tenant.currencies.first().map_or("USD", |currency| currency.code()));
    let issuer = token::issuer(settings)?;
    let ttl_s = settings.auth.max_ttl_s;
    print::line(format!("\n# Paste this first: tokens for {}, good for {} hours.", tenant.name, ttl_s / 3600))?;
    print::line(format!("export URL={url} TENANT={tenant_id}"))?;
    let parties = [
        ("PAYER", PartyRole::Payer),
        ("TALENT", PartyRole::Talent),
        ("STAFF", PartyRole::TenantAdmin),
        ("PLATFORM", PartyRole::PlatformAdmin),
    ];
    for (name, role) in parties {
        let id = party(tenant_id, name);
        let token = issuer.issue(&token::subject(tenant_id, id, role), now_s(), ttl_s)?;
        print::line(format!("export {name}_ID={id}\nexport {name}={token}"))?;
    }
    print::line(TOUR.replace("CURRENCY", currency))?;
    Ok(())
}

/// The main flow: money in, escrow, funding from the wallet, work, release.
const TOUR: &str = include_str!("tour.txt");
