//! `make abuse`, the part that needs a whole system: starts it, makes two tenants with things in them, and lets schemathesis send
//! to every operation what fits and what does not. Afterwards the books are verified and the other tenant is looked at.
//!
//! Run by `scripts/abuse`, which has schemathesis installed and servers started.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use holdfast_api::auth::{Capability, granted};
use holdfast_api::routes::{Access, all};
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::things::SETTINGS;
use holdfast_tests::{Flow, System, Things, openapi, public_json};
use serde_json::{Value, json};
use uuid::Uuid;

/// Runs schemathesis against a system of its own.
#[derive(Debug, clap::Parser)]
struct Arguments {
    /// The program `schemathesis`.
    #[arg(long)]
    schemathesis: PathBuf,
    /// Decides everything that is sent.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long; at most 3,500, while the tokens live. None: the short form, a fixed number of cases.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_500))]
    seconds: Option<u64>,
    /// What else to hand to schemathesis: `--include-path /v1/escrows`.
    #[arg(last = true)]
    more: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut system = System::start().await?;
    let (a, b) = (Flow::new(&system, system.tenant(SETTINGS)?)?, Flow::new(&system, system.tenant(SETTINGS)?)?);
    say(format!("{} serves; two tenants are made", system.base_url))?;
    let (mine, theirs) = (Things::of(&system, &a).await?, Things::of(&system, &b).await?);
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/abuse"));
    std::fs::create_dir_all(folder)?;
    let facts = folder.join("facts.json");
    std::fs::write(&facts, facts_of(&system, &a, &mine, &theirs, arguments.seed)?.to_string())?;
    let before = head(&system, &b).await?;

    // An answer that never ends has no end to judge; streams of events have tests of their own.
    let document = public_json(&system, "/docs/openapi.json").await?;
    let endless: Vec<_> =
        openapi::operations(&document).into_iter().filter(|operation| operation.endless).map(|operation| operation.id).collect();
    let passed = schemathesis(&arguments, &system, folder, &facts, &endless)?;

    ensure!(system.is_running()?, "the server has ended: {}", system.log());
    ensure!(!system.log().contains("panicked"), "the server panicked: {}", system.log());
    // Operators' tokens were among those that were used: what they have paused goes on.
    sqlx::query("DELETE FROM rebuild.projection_pauses").execute(&system.read_database().await?).await?;
    system.read_models_at_heads(Duration::from_secs(60)).await.context("read models after the run")?;
    ensure!(head(&system, &b).await? == before, "the log of the other tenant has grown");
    say(system.verify().context("verify after the run")?)?;
    system.kill()?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(line: impl AsRef<str>) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "abuse: {}", line.as_ref().trim())?)
}

async fn head(system: &System, flow: &Flow) -> Result<i64> {
    let sql = "SELECT position FROM tenant_heads WHERE tenant_id = $1";
    Ok(sqlx::query_scalar(sql).bind(flow.parties.tenant_id.uuid()).fetch_one(&system.log_database().await?).await?)
}

/// What the hooks read: a token per role, who may what, living ids by the names of fields, and the other tenant's canary.
fn facts_of(system: &System, flow: &Flow, mine: &Things, theirs: &Things, seed: u64) -> Result<Value> {
    let mut tokens = BTreeMap::new();
    for role in Role::ALL {
        let party = if *role == Role::Talent { flow.parties.payee_id } else { flow.parties.payer_id };
        tokens.insert(name(*role)?, system.client(flow.parties.tenant_id, party, &[*role])?.token);
    }
    let mut allowed = BTreeMap::new();
    for spec in all() {
        let any_of = match spec.access {
            Access::Requires(any_of) => any_of,
            Access::Authenticated => Capability::ALL,
            Access::Public | Access::Signed => continue,
        };
        let may = Role::ALL.iter().filter(|role| any_of.iter().any(|capability| granted(**role).contains(capability)));
        allowed.insert(format!("{} {}", spec.method, spec.path), may.map(|role| name(*role)).collect::<Result<BTreeSet<_>>>()?);
    }
    // A session that was ended is over: whoever ends one does it with a token of its own.
    let expendable = (0..500).map(|_| Ok(system.client(flow.parties.tenant_id, PartyId(Uuid::new_v4()), Role::ALL)?.token));
    let expendable = expendable.collect::<Result<Vec<_>>>()?;
    Ok(json!({
        "expendable": expendable, "seed": seed, "tokens": tokens, "allowed": allowed, "tenant": flow.parties.tenant_id, "ids": fields(mine), "canary": theirs.canary,
    }))
}

fn name(role: Role) -> Result<String> {
    Ok(serde_json::to_value(role)?.as_str().context("a role is a word")?.to_owned())
}

/// Living ids by the names of fields.
fn fields(mine: &Things) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = mine.ids().map(|(kind, id)| (format!("{kind}Id"), vec![id.to_owned()])).collect();
    let (party, talent) = (mine.id("party").to_owned(), mine.id("talent").to_owned());
    for name in ["payerId", "ownerId", "partyId", "actorId", "assigneeId", "raisedBy"] {
        fields.insert(name.to_owned(), vec![party.clone(), talent.clone()]);
    }
    for name in ["payeeId", "talentId"] {
        fields.insert(name.to_owned(), vec![talent.clone()]);
    }
    for name in ["streamId", "entityId", "refId"] {
        fields.insert(name.to_owned(), ["escrow", "wallet", "contract", "booking"].map(|kind| mine.id(kind).to_owned()).into());
    }
    for (name, kind) in [("fromWalletId", "wallet"), ("toWalletId", "wallet"), ("wallet", "wallet"), ("escrow", "escrow")] {
        fields.insert(name.to_owned(), vec![mine.id(kind).to_owned()]);
    }
    fields.remove("statementId"); // a month of a wallet: of its own form
    fields.insert("statementId".to_owned(), vec![mine.id("statement").to_owned()]);
    fields
}

fn schemathesis(arguments: &Arguments, system: &System, folder: &Path, facts: &Path, left_out: &[String]) -> Result<bool> {
    let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/abuse"));
    let mut command = Command::new(&arguments.schemathesis);
    command.arg("--config-file").arg(here.join("schemathesis.toml")).arg("run");
    command.arg(format!("{}/docs/openapi.json", system.base_url));
    command.args(["--seed", &arguments.seed.to_string(), "--no-color", "--report", "junit"]).arg("--report-dir").arg(folder);
    match arguments.seconds {
        Some(seconds) => command.args(["--max-time", &seconds.to_string()]),
        None => command.args(["--max-examples", "4", "--phases", "examples,fuzzing,stateful"]),
    };
    command.args(left_out.iter().flat_map(|id| ["--exclude-operation-id", id.as_str()]));
    command.args(&arguments.more);
    command.env("SCHEMATHESIS_HOOKS", here.join("hooks.py")).env("HOLDFAST_ABUSE_FACTS", facts).current_dir(folder);
    Ok(command.status().with_context(|| format!("{}: run scripts/abuse", arguments.schemathesis.display()))?.success())
}
