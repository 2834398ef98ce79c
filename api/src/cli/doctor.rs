//! `holdfast doctor`: every setting that protects data, and whether it is on.

mod database;

use std::process::ExitCode;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};

use super::context::Global;
use super::{print, wiring};
use crate::settings::{DatabaseRole, FilesBackend, Needs, Profile, Settings, Side};

/// Print every setting that protects data, and whether it is on.
///
/// Reads the settings of this process, of both databases and of NATS. In the production profile it fails when one is off,
/// and `holdfast serve` refuses to start; in the other profiles they are warnings.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

const NEEDS: Needs =
    Needs { tokens: true, secrets: true, database: &[(Side::Write, DatabaseRole::Writer), (Side::Read, DatabaseRole::Reader)] };

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    /// Where: `write database`, `read database`, `settings`, `nats`, `files`.
    place: &'static str,
    setting: String,
    value: String,
    /// What it should be.
    wanted: &'static str,
    ok: bool,
    /// Without it acknowledged data can be lost, changed or seen by others: production refuses to run.
    protects: bool,
    /// False: only the production profile asks for it.
    needed: bool,
}

impl Check {
    fn fails(&self) -> bool {
        self.protects && self.needed && !self.ok
    }

    fn verdict(&self) -> &'static str {
        match (self.ok, self.needed) {
            (true, _) => "ok",
            (false, true) => "WARN",
            (false, false) => "off",
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    profile: &'static str,
    ok: bool,
    checks: &'a [Check],
}

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let profile = opened.settings.profile;
    let checks = examine(&opened.settings).await?;
    let ok = !checks.iter().any(Check::fails);
    if arguments.json {
        print::json(&Report { profile: profile.as_str(), ok, checks: &checks })?;
    } else {
        let rows: Vec<Vec<String>> = checks
            .iter()
            .map(|check| {
                let verdict = check.verdict();
                let wanted = if check.ok { "" } else { check.wanted };
                vec![verdict.to_owned(), check.place.to_owned(), check.setting.clone(), check.value.clone(), wanted.to_owned()]
            })
            .collect();
        print::line(print::table(&["", "where", "setting", "value", "should be"], &[], &rows))?;
        print::line(format!(
            "\nprofile {}: {}",
            profile.as_str(),
            if ok { "everything that this profile asks for is on" } else { "NOT everything that this profile asks for is on" }
        ))?;
    }
    opened.close().await?;
    Ok(if ok || profile != Profile::Production { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What `serve` asks before it takes money commands.
///
/// # Errors
/// Names what is off, in the production profile.
pub(super) async fn refuse_if_unsafe(settings: &Settings) -> anyhow::Result<()> {
    let off: Vec<String> = examine(settings)
        .await?
        .into_iter()
        .filter(Check::fails)
        .map(|check| format!("{} {} is {} (should be {})", check.place, check.setting, check.value, check.wanted))
        .collect();
    anyhow::ensure!(off.is_empty(), "the production profile refuses to serve while this protects no data: {}", off.join("; "));
    Ok(())
}

pub(super) async fn examine(settings: &Settings) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (side, place, role) in [(Side::Write, "write database", DatabaseRole::Writer), (Side::Read, "read database", DatabaseRole::Reader)]
    {
        let options = settings.database.connect_options(side, role)?;
        let mut connection = PgConnection::connect_with(&options).await.with_context(|| format!("cannot reach the {place}"))?;
        database::server_settings(settings, place, &mut connection, &mut checks).await?;
        database::roles(place, &mut connection, &mut checks).await?;
        database::row_security(place, &mut connection, &mut checks).await?;
        if side == Side::Write {
            database::append_only(place, &mut connection, &mut checks).await?;
            database::clock(place, &mut connection, &mut checks).await?;
        }
        connection.close().await.context("cannot close the connection")?;
    }
    database::auditor(settings, &mut checks).await;
    key_management(settings, &mut checks).await;
    own_settings(settings, &mut checks);
    files(settings, &mut checks).await;
    Ok(checks)
}

/// Who wraps the keys of persons, and whether it does: a key of no use goes there and comes back.
async fn key_management(settings: &Settings, checks: &mut Vec<Check>) {
    let tried = async {
        let kms = settings.kms()?;
        let key = [7; 32];
        let wrapped = kms.wrap(b"holdfast doctor", &key).await?;
        anyhow::ensure!(kms.unwrap(b"holdfast doctor", &wrapped).await? == key, "another key comes back");
        anyhow::Ok(kms.name())
    };
    let tried = tried.await;
    let ok = tried.is_ok();
    let value = tried.unwrap_or_else(|error| format!("{error:#}"));
    let setting = "keys.kms".to_owned();
    checks.push(Check { place: "settings", setting, value, wanted: "wraps and unwraps", ok, protects: true, needed: true });
}

/// docs/files.md. Money moves without them, evidence does not.
async fn files(settings: &Settings, checks: &mut Vec<Check>) {
    let production = settings.profile == Profile::Production;
    let (value, encrypted) = match settings.files.backend {
        FilesBackend::Local => {
            let url = settings.files.public_base_url.clone().unwrap_or_else(|| settings.base_url());
            (format!("local, links to {url}"), url.starts_with("https://"))
        }
        FilesBackend::S3 => {
            let endpoint = settings.files.s3.endpoint.as_deref().unwrap_or("Amazon");
            (format!("s3, bucket {} at {endpoint}", settings.files.s3.bucket), !settings.files.s3.allow_http)
        }
    };
    let mut push = |setting: &str, value, wanted, ok, needed| {
        checks.push(Check { place: "files", setting: setting.to_owned(), value, wanted, ok, protects: true, needed });
    };
    push("backend", value, "links and storage over https://", encrypted, production);
    let answer = match wiring::files(settings) {
        Ok(files) => files.health().await.map_err(anyhow::Error::new),
        Err(error) => Err(error),
    };
    let ok = answer.is_ok();
    push("storage", answer.map_or_else(|error| format!("{error:#}"), |()| "answers".to_owned()), "answers", ok, true);
}

fn own_settings(settings: &Settings, checks: &mut Vec<Check>) {
    let production = settings.profile == Profile::Production;
    let mut push = |setting: &str, value: String, wanted, ok, needed| {
        checks.push(Check { place: "settings", setting: setting.to_owned(), value, wanted, ok, protects: true, needed });
    };
    push("profile", settings.profile.as_str().to_owned(), "production or dev", settings.profile != Profile::Test, true);
    for (key, url) in [("database.write_url", &settings.database.write_url), ("database.read_url", &settings.database.read_url)] {
        let verified = url.contains("sslmode=verify-full");
        push(key, if verified { "TLS, verified" } else { "no verified TLS" }.to_owned(), "sslmode=verify-full", verified, production);
    }
    let distinct = {
        let mut seen: Vec<&str> = DatabaseRole::SERVICES
            .iter()
            .filter_map(|role| settings.database.password(*role))
            .map(|password| password.expose_secret())
            .collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == all
    };
    push("database.passwords", if distinct { "one per role" } else { "shared" }.to_owned(), "one per role", distinct, true);
    match &settings.nats.url {
        None => push("nats.url", "none: no messages for outside consumers".to_owned(), "set when others consume events", true, false),
        Some(url) => {
            let encrypted = url.starts_with("tls://");
            push("nats.url", if encrypted { "TLS" } else { "no TLS" }.to_owned(), "tls://", encrypted, production);
            let known = settings.nats.relay_nkey_seed.is_some() && settings.nats.subscriber_nkey_seed.is_some();
            push(
                "nats identities",
                if known { "one per component" } else { "anonymous" }.to_owned(),
                "one nkey per component",
                known,
                true,
            );
        }
    }
}
