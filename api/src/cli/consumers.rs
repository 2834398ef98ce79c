//! `holdfast consumers`: who outside may read a tenant's events on NATS (NFR-30).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::nats::Nats;
use holdfast_eventlog::nats::access::{CONSUMER_API, ConsumerName, Grant, consumers_file, grants};

use super::context::{Global, Opened};
use super::{print, wiring};
use crate::settings::{DatabaseRole, Needs, Side};

/// Let outside consumers read a tenant's events on NATS, and see who may.
///
/// Each consumer has its own key, its own account on NATS and its own durable on the stream: it reads `events.<tenant>.>` and
/// can do nothing else.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The file that NATS includes; without it `nats.consumers_file`, else that of the embedded server.
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let one more consumer in. Its seed is printed once and kept nowhere.
    Add {
        #[arg(long)]
        tenant: TenantId,
        /// 1 to 32 of a-z, 0-9 and -; unique within the tenant.
        #[arg(long)]
        name: ConsumerName,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// List who may read, and how far each has come.
    List {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Make the durables again, after NATS has lost its store.
    Restore,
    /// Shut a consumer out and forget how far it has come.
    Remove {
        #[arg(long)]
        tenant: TenantId,
        #[arg(long)]
        name: ConsumerName,
    },
}

const NEEDS: Needs = Needs { tokens: false, secrets: false, database: &[(Side::Write, DatabaseRole::Relay)] };

pub(super) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let opened = global.open(NEEDS).await?;
    let result = match Desk::open(&opened, arguments.file) {
        Ok(desk) => match arguments.command {
            Command::Add { tenant, name, json } => desk.add(tenant, name, json).await,
            Command::List { json } => desk.list(json).await,
            Command::Restore => desk.restore().await,
            Command::Remove { tenant, name } => desk.remove(tenant, &name).await,
        },
        Err(error) => Err(error),
    };
    opened.close().await?;
    result.map(|()| ExitCode::SUCCESS)
}

struct Desk<'a> {
    opened: &'a Opened,
    file: PathBuf,
    grants: Vec<Grant>,
}

impl<'a> Desk<'a> {
    fn open(opened: &'a Opened, file: Option<PathBuf>) -> anyhow::Result<Self> {
        let file = file
            .or_else(|| opened.settings.nats.consumers_file.clone())
            .or_else(|| opened.embedded().map(crate::embedded::Embedded::consumers_file))
            .context("which file does NATS include? Say it with --file or nats.consumers_file")?;
        let grants = match std::fs::read_to_string(&file) {
            Ok(text) => grants(&text).with_context(|| format!("cannot use {}", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { opened, file, grants })
    }

    async fn add(mut self, tenant_id: TenantId, name: ConsumerName, json: bool) -> anyhow::Result<()> {
        anyhow::ensure!(self.find(tenant_id, &name).is_none(), "{name} of {tenant_id} is there already: remove it first");
        let log = wiring::log(&self.opened.settings, DatabaseRole::Relay, 1).await?;
        let known = log.heads().await.context("cannot read the tenants")?.contains_key(&tenant_id);
        anyhow::ensure!(known, "there is no tenant {tenant_id}");
        let key = nkeys::KeyPair::new_user();
        let grant = Grant { tenant_id, name, public_key: key.public_key() };
        // The durable first: a key without one would be let in and get nothing.
        self.admin().await?.make_durable(&grant).await.context("cannot make the durable; the relay makes its stream when it runs")?;
        self.grants.push(grant.clone());
        let seed = key.seed().context("cannot make an nkey")?;
        let url = self.opened.settings.nats.url.clone().unwrap_or_default();
        self.write()?;
        self.let_in(&url, &seed, &grant).await?;
        let (durable, inbox, subject, seals) = (grant.durable(), grant.inbox_prefix(), grant.subject(), grant.seals_subject());
        if json {
            return print::json(&serde_json::json!({
                "tenantId": tenant_id, "name": grant.name, "seed": seed, "publicKey": grant.public_key, "url": url, "stream": "EVENTS",
                "durable": durable, "subject": subject, "sealsStream": "SEALS", "sealsSubject": seals, "inboxPrefix": inbox, "apiPrefix": CONSUMER_API, "file": self.file,
            }));
        }
        print::line(format!(
            "{} may read the events and the seals of {tenant_id}. The seed is kept nowhere: keep it now.\n\n  seed          {seed}\n  url           {url}\n  \
             subject       {subject}\n  stream        EVENTS\n  seals         {seals} in the stream SEALS\n  durable       {durable} on both\n  inbox prefix  {inbox}\n  API prefix    {CONSUMER_API}\n",
            grant.name
        ))?;
        self.say_what_is_left()
    }

    async fn list(self, json: bool) -> anyhow::Result<()> {
        let durables = self.admin().await?.durables().await.context("cannot read the durables")?;
        let durable = |grant: &Grant| durables.iter().find(|durable| durable.name == grant.durable());
        if json {
            let consumers: Vec<_> = self
                .grants
                .iter()
                .map(|grant| {
                    let found = durable(grant);
                    serde_json::json!({
                        "tenantId": grant.tenant_id, "name": grant.name, "publicKey": grant.public_key, "durable": grant.durable(),
                        "exists": found.is_some(), "pending": found.map(|durable| durable.pending),
                        "unacknowledged": found.map(|durable| durable.unacknowledged),
                    })
                })
                .collect();
            return print::json(&serde_json::json!({ "consumers": consumers }));
        }
        if self.grants.is_empty() {
            print::line("nobody outside may read")?;
            return Ok(());
        }
        let rows: Vec<Vec<String>> = self
            .grants
            .iter()
            .map(|grant| {
                let (pending, open) = durable(grant).map_or_else(
                    || ("no durable".to_owned(), String::new()),
                    |found| (found.pending.to_string(), found.unacknowledged.to_string()),
                );
                vec![grant.tenant_id.to_string(), grant.name.to_string(), pending, open, grant.public_key.clone()]
            })
            .collect();
        print::line(print::table(&["tenant", "name", "pending", "unacknowledged", "public key"], &[2, 3], &rows))?;
        Ok(())
    }

    /// Those that are there stay as they are.
    async fn restore(self) -> anyhow::Result<()> {
        let admin = self.admin().await?;
        for grant in &self.grants {
            admin.make_durable(grant).await.with_context(|| format!("cannot make the durable of {} of {}", grant.name, grant.tenant_id))?;
        }
        print::line(format!("{} durables are there", self.grants.len()))?;
        Ok(())
    }

    /// The key first: whoever is connected with it is disconnected by the reload.
    async fn remove(mut self, tenant_id: TenantId, name: &ConsumerName) -> anyhow::Result<()> {
        let at = self.find(tenant_id, name).with_context(|| format!("there is no {name} of {tenant_id}"))?;
        let grant = self.grants.remove(at);
        self.write()?;
        if let Some(embedded) = self.reloads_itself() {
            embedded.reload_nats().await?;
        }
        self.admin().await?.delete_durable(&grant).await.context("the consumer is out of the file, but its durable is still there")?;
        print::line(format!("{name} of {tenant_id} may no longer read"))?;
        self.say_what_is_left()
    }

    fn find(&self, tenant_id: TenantId, name: &ConsumerName) -> Option<usize> {
        self.grants.iter().position(|grant| grant.tenant_id == tenant_id && grant.name == *name)
    }

    async fn admin(&self) -> anyhow::Result<Nats> {
        let seed = self.opened.settings.nats.admin_nkey_seed.as_ref();
        wiring::nats_now(&self.opened.settings, Some(seed.context("nats.admin_nkey_seed is not set")?)).await
    }

    /// A server that has a new account wants to be told twice before its imports work (nats-server 2.15).
    async fn let_in(&self, url: &str, seed: &str, grant: &Grant) -> anyhow::Result<()> {
        let Some(embedded) = self.reloads_itself() else { return Ok(()) };
        for _ in 0..10 {
            embedded.reload_nats().await?;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            if Nats::consumer_reaches(url, seed, grant).await {
                return Ok(());
            }
        }
        anyhow::bail!("the embedded NATS does not let the new consumer in; see nats.log in the folder")
    }

    /// All of the file or nothing; only public keys are in it.
    fn write(&self) -> anyhow::Result<()> {
        let temporary = self.file.with_extension("new");
        let written = std::fs::write(&temporary, consumers_file(&self.grants)).and_then(|()| std::fs::rename(&temporary, &self.file));
        written.with_context(|| format!("cannot write {}", self.file.display()))
    }

    fn reloads_itself(&self) -> Option<&crate::embedded::Embedded> {
        self.opened.embedded().filter(|embedded| embedded.consumers_file() == self.file)
    }

    fn say_what_is_left(&self) -> anyhow::Result<()> {
        if self.reloads_itself().is_none() {
            let file = self.file.display();
            print::line(format!(
                "{file} is written; it takes effect when each NATS server has it and is reloaded, twice for a new one (nats-server --signal reload)."
            ))?;
        }
        Ok(())
    }
}
