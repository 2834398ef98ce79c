//! The scenario file: tenants, wallets to fill and stories, all data (`api/scenarios/demo.toml`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use holdfast_domain::kernel::{Currency, Money, TenantId, derived_uuid};
use holdfast_domain::tenant::TenantSettings;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// Compiled in, so that the binary alone can run it.
const BUILT_IN: &str = include_str!("../../scenarios/demo.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub(super) run: Run,
    pub tenants: Vec<TenantPlan>,
    pub(super) contests: Vec<Contest>,
    pub(super) stories: Vec<Story>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// How many escrows at `--scale 1`; each story runs at least once.
    pub(super) escrows: u32,
    /// How many stories are told at the same time.
    pub(super) at_once: usize,
    /// Payers per tenant who share the stories between them.
    pub(super) payers: u32,
    /// How many bank receipts fill each payer's wallet.
    pub(super) receipts_per_wallet: u32,
}

/// A tenant to be there before the first request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantPlan {
    pub slug: String,
    pub name: String,
    pub currencies: Vec<Currency>,
    #[serde(default)]
    pub settings: TenantSettings,
}

impl TenantPlan {
    /// The same at every start.
    #[must_use]
    pub fn id(&self) -> TenantId {
        TenantId(derived_uuid(TenantId(Uuid::nil()), Uuid::nil(), &format!("demo:{}", self.slug), 0))
    }
}

/// Many clients spend from one wallet at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contest {
    pub(super) tenant: String,
    pub(super) currency: Currency,
    /// What is in the wallet.
    pub(super) balance: Decimal,
    pub(super) clients: u32,
    /// What each wants to spend.
    pub(super) each: Decimal,
}

/// One way through the machine: who does what in which order, and where it must end.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Story {
    pub(super) name: String,
    /// Its share of the escrows.
    #[serde(default = "one")]
    pub(super) weight: u32,
    /// Slugs; none: all tenants.
    #[serde(default)]
    pub(super) tenants: Vec<String>,
    /// None: all of the tenant's.
    #[serde(default)]
    pub(super) currencies: Vec<Currency>,
    /// An exact amount in major units; else one between the two of `minor`.
    pub(super) amount: Option<Decimal>,
    #[serde(default = "any_amount")]
    pub(super) minor: [i64; 2],
    #[serde(default)]
    pub(super) payer: Payer,
    /// Waits long for deadlines: told before the others.
    #[serde(default)]
    pub(super) slow: bool,
    pub(super) steps: Vec<Step>,
    /// What `GET /v1/escrows/{id}` must show in the end: fields by JSON pointer, values with `{…}` expressions.
    #[serde(default)]
    pub(super) ends: BTreeMap<String, Value>,
}

const fn one() -> u32 {
    1
}

const fn any_amount() -> [i64; 2] {
    [1_000, 500_000]
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Payer {
    /// One of the tenant's payers, whose wallet was filled with what all its stories need.
    #[default]
    Filled,
    /// Somebody new without money.
    Poor,
}

/// One request (or several, see `times`, `at_once`, `race`), and what must come back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    #[serde(rename = "as", default)]
    pub(super) actor: Role,
    /// `fund` stands for `/v1/escrows/{escrow}/fund`, `create` for `/v1/escrows`; `/…` is taken as it is.
    pub(super) post: Option<String>,
    pub(super) get: Option<String>,
    pub(super) put: Option<String>,
    pub(super) patch: Option<String>,
    pub(super) delete: Option<String>,
    /// A text that is sent as it is to the address of an upload ticket (`put`), not to our own routes.
    pub(super) file: Option<String>,
    pub(super) body: Option<Value>,
    #[serde(default)]
    pub(super) expect: Option<u16>,
    /// The stable code of the refusal.
    pub(super) code: Option<String>,
    /// Fields of the answer by JSON pointer.
    #[serde(default)]
    pub(super) shows: BTreeMap<String, Value>,
    /// Then wait until the escrow shows this: fields by JSON pointer.
    #[serde(default)]
    pub(super) until: BTreeMap<String, Value>,
    /// What `until` looks at instead of the escrow: a path, seen by whoever sent the request.
    pub(super) at: Option<String>,
    /// Fields of the answer (or of what `until` saw), by JSON pointer, under names that later steps use as `{name}`.
    /// `escrow` is the story's escrow from then on.
    #[serde(default)]
    pub(super) keep: BTreeMap<String, String>,
    /// The same request with the same key, one after the other: the first answer every time.
    #[serde(default = "one")]
    pub(super) times: u32,
    /// The same request with the same key at the same time: one answer for all.
    #[serde(default = "one")]
    pub(super) at_once: u32,
    /// The same request with different keys at the same time: one gets `expect`, the others `loser`.
    #[serde(default = "one")]
    pub(super) race: u32,
    pub(super) loser: Option<u16>,
    /// The key of the step before.
    #[serde(default)]
    pub(super) same_key: bool,
    /// Without an idempotency key.
    #[serde(default)]
    pub(super) no_key: bool,
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    Payer,
    Payee,
    /// The tenant's staff.
    #[default]
    Admin,
    Ops,
    Finance,
    Viewer,
    Auditor,
    /// The platform's staff.
    Platform,
    PlatformFinance,
    Judge,
    /// A service that takes credits for what it delivers.
    Service,
    /// Another talent of the same tenant.
    Bystander,
    /// An administrator of another tenant, with its own valid token and tenant header.
    Stranger,
    /// The same, but claiming our tenant in the header.
    Impostor,
    /// Without a token.
    Nobody,
}

impl Scenario {
    /// The built-in one, or another file of the same shape.
    ///
    /// # Errors
    /// When the file cannot be read or does not make sense; says what.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => BUILT_IN.to_owned(),
        };
        let name = file.map_or_else(|| "the built-in scenario".to_owned(), |path| path.display().to_string());
        let scenario: Self = toml::from_str(&text).with_context(|| format!("{name} is not a scenario"))?;
        scenario.check().with_context(|| name)?;
        Ok(scenario)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.tenants.len() > 1, "at least two tenants are needed: one of them plays the stranger");
        ensure!(self.run.at_once > 0 && self.run.payers > 0 && self.run.receipts_per_wallet > 0, "run: every figure must be above zero");
        for contest in &self.contests {
            self.tenant(&contest.tenant)?;
            Money::try_new(contest.each, contest.currency).context("contests: each")?;
            Money::try_new(contest.balance, contest.currency).context("contests: balance")?;
        }
        for story in &self.stories {
            self.check_story(story).with_context(|| format!("story {:?}", story.name))?;
        }
        Ok(())
    }

    fn check_story(&self, story: &Story) -> anyhow::Result<()> {
        ensure!(!self.stages(story)?.is_empty(), "no tenant of it has one of its currencies");
        ensure!(story.minor[0] > 0 && story.minor[0] <= story.minor[1], "minor: the first must be above zero and not above the second");
        for (number, step) in story.steps.iter().enumerate() {
            let methods = [&step.post, &step.get, &step.put, &step.patch, &step.delete];
            ensure!(methods.into_iter().flatten().count() == 1, "step {number}: one of post, get, put, patch and delete");
            ensure!(step.file.is_none() || step.put.is_some(), "step {number}: a file is put");
            ensure!(step.times > 0 && step.at_once > 0 && step.race > 0, "step {number}: times, at_once and race are at least 1");
        }
        Ok(())
    }

    pub(super) fn tenant(&self, slug: &str) -> anyhow::Result<&TenantPlan> {
        self.tenants.iter().find(|tenant| tenant.slug == slug).with_context(|| format!("there is no tenant {slug:?}"))
    }

    /// Every tenant and currency that the story can be told with.
    pub(super) fn stages(&self, story: &Story) -> anyhow::Result<Vec<(&TenantPlan, Currency)>> {
        let tenants = if story.tenants.is_empty() {
            self.tenants.iter().collect()
        } else {
            story.tenants.iter().map(|slug| self.tenant(slug)).collect::<anyhow::Result<Vec<_>>>()?
        };
        let wanted = |currency: &Currency| story.currencies.is_empty() || story.currencies.contains(currency);
        let fits = |currency: &Currency| story.amount.is_none_or(|amount| Money::try_new(amount, *currency).is_ok());
        let stages = tenants.into_iter().flat_map(|tenant| tenant.currencies.iter().map(move |currency| (tenant, *currency)));
        Ok(stages.filter(|(_, currency)| wanted(currency) && fits(currency)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenario_makes_sense_and_shows_all_exponents() {
        let scenario = Scenario::load(None).unwrap();
        let exponents: std::collections::BTreeSet<u32> =
            scenario.tenants.iter().flat_map(|tenant| tenant.currencies.iter().map(|currency| currency.exponent())).collect();
        assert_eq!(exponents.into_iter().collect::<Vec<_>>(), [0, 2, 3]);
    }
}
