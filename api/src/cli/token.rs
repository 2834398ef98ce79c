//! `holdfast token`: signed here with the key that the server publishes, until identity exists.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_domain::kernel::{PartyId, Role, Roles, TenantId};
use uuid::Uuid;

use super::context::Global;
use super::print;
use crate::auth::{Issuer, Keyring, Subject, TokenPolicy, now_s};
use crate::settings::{Needs, Settings};

/// Print an access token, signed with the key that the server publishes.
///
/// Example: curl -H "Authorization: Bearer $(holdfast token --tenant ID --role finance)" -H "X-Tenant-Id: ID" ...
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The tenant that the token is for (see `holdfast tenant list`).
    #[arg(long, value_name = "UUID")]
    tenant: TenantId,
    /// What the bearer may do; may be given more than once.
    #[arg(long = "role", required = true, value_name = "ROLE", value_parser = parse_role, help = role_help())]
    roles: Vec<Role>,
    /// Who acts: a party's id; a new one by default.
    #[arg(long, value_name = "UUID")]
    sub: Option<PartyId>,
    /// How long it lives, in seconds; servers refuse more than their `auth.max_ttl_s`.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    ttl: u64,
}

pub(super) fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = global.settings(Needs { tokens: true, ..Needs::default() }, Vec::new())?;
    anyhow::ensure!(
        arguments.ttl <= settings.auth.max_ttl_s,
        "--ttl may be at most {} seconds (auth.max_ttl_s): the server would refuse the token",
        settings.auth.max_ttl_s
    );
    let subject = Subject {
        tenant_id: arguments.tenant,
        party_id: arguments.sub.unwrap_or_else(|| PartyId(Uuid::now_v7())),
        roles: arguments.roles.into_iter().collect(),
        limits: Vec::new(),
    };
    print::line(issuer(&settings)?.issue(&subject, now_s(), arguments.ttl)?)?;
    Ok(ExitCode::SUCCESS)
}

fn role_help() -> String {
    let name = |role: &Role| serde_json::to_value(role).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let names: Vec<String> = Role::ALL.iter().map(name).collect();
    format!("What the bearer may do; may be given more than once. One of: {}", names.join(", "))
}

fn parse_role(name: &str) -> Result<Role, String> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).map_err(|_| format!("there is no role {name:?}"))
}

pub(super) fn issuer(settings: &Settings) -> anyhow::Result<Issuer> {
    let keys = keyring(settings)?;
    Ok(Issuer::new(keys, policy(settings)))
}

pub(super) fn keyring(settings: &Settings) -> anyhow::Result<Arc<Keyring>> {
    let ring = Keyring::try_new(Some(settings.signing_seed()?), &settings.accepted_public_keys()?).context("auth.signing_key")?;
    Ok(Arc::new(ring))
}

pub(super) fn policy(settings: &Settings) -> TokenPolicy {
    TokenPolicy { issuer: settings.auth.issuer.clone(), audience: settings.auth.audience.clone(), max_ttl_s: settings.auth.max_ttl_s }
}

/// A subject with one role each time the same: for the tokens that `dev` prints.
pub(super) fn subject(tenant_id: TenantId, party_id: PartyId, role: Role) -> Subject {
    Subject { tenant_id, party_id, roles: Roles::from([role]), limits: Vec::new() }
}
