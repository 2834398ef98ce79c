//! What came of it: counts, times, and where every unit of money is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::Failures;
use super::cast::Cast;
use super::client::{Call, Http};
use super::money::Contested;
use super::scenario::{Role, Scenario, TenantPlan};
use super::story::Ending;
use crate::cli::print::table;

/// So long the last reactions may take to bring all money to its place.
const PATIENCE: Duration = Duration::from_secs(60);
const IN_TRANSIT: &str = "L299";

/// One story, told or failed.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) ending: Option<Ending>,
}

/// The whole result; one JSON object with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub ok: bool,
    run: Uuid,
    url: String,
    seconds: u64,
    stories: Vec<StoryCount>,
    outcomes: BTreeMap<String, u64>,
    contests: Vec<Contested>,
    tenants: Vec<TenantBooks>,
    requests: Requests,
    crashes: u32,
    failed: u64,
    /// The first ones.
    failures: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoryCount {
    name: String,
    told: u64,
    failed: u64,
    requests: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Requests {
    commands: Times,
    queries: Times,
    /// Tries that got no answer, or "not now", and were repeated with their key.
    retries: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Times {
    count: u64,
    p50_micros: u64,
    p95_micros: u64,
    p99_micros: u64,
    max_micros: u64,
}

/// A tenant's trial balance, as the ledger's own query shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TenantBooks {
    tenant_id: String,
    name: String,
    currencies: Value,
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "gathers everything once")]
    pub(super) fn new(
        run: Uuid,
        url: String,
        took: Duration,
        told: Vec<Told>,
        contests: Vec<Contested>,
        tenants: Vec<TenantBooks>,
        http: &Http,
        crashes: u32,
        (failures, failed): (Vec<String>, u64),
    ) -> Self {
        let mut outcomes = BTreeMap::new();
        let mut stories = BTreeMap::<String, StoryCount>::new();
        for Told { name, ending } in told {
            let count = stories.entry(name.clone()).or_insert_with(|| StoryCount { name, ..StoryCount::default() });
            match ending {
                Some(ending) => {
                    count.told += 1;
                    count.requests += ending.requests;
                    let words = [ending.outcome, ending.status, "refused before it began".to_owned()];
                    *outcomes.entry(words.into_iter().find(|word| !word.is_empty()).unwrap_or_default()).or_default() += 1;
                }
                None => count.failed += 1,
            }
        }
        let requests =
            Requests { commands: Times::of(&http.micros(true)), queries: Times::of(&http.micros(false)), retries: http.retries() };
        Self {
            ok: failed == 0,
            run,
            url,
            seconds: took.as_secs(),
            stories: stories.into_values().collect(),
            outcomes,
            contests,
            tenants,
            requests,
            crashes,
            failed,
            failures,
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut parts = vec![self.stories_text()];
        parts.extend(self.contests.iter().map(|contest| {
            let Contested { tenant, clients, each, balance, funded, left } = contest;
            format!("{clients} clients at {tenant} wanted {each} each from one wallet of {balance}: {funded} were funded, {left} is left.")
        }));
        parts.push("Where every unit is, per tenant and currency:".to_owned());
        parts.extend(self.tenants.iter().map(TenantBooks::text));
        parts.push(self.requests_text());
        if self.failed > 0 {
            parts.push(format!("{} went wrong; the first:\n{}", self.failed, self.failures.join("\n")));
        }
        parts.join("\n\n")
    }

    fn stories_text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .stories
            .iter()
            .map(|story| vec![story.name.clone(), story.told.to_string(), story.failed.to_string(), story.requests.to_string()])
            .collect();
        let told: u64 = self.stories.iter().map(|story| story.told).sum();
        let outcomes: Vec<String> = self.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let sum = format!("{told} stories in {} s: {}.", self.seconds, outcomes.join(", "));
        format!("{}\n\n{sum}", table(&["story", "told", "failed", "requests"], &[1, 2, 3], &rows))
    }

    fn requests_text(&self) -> String {
        let Requests { commands, queries, retries } = &self.requests;
        let row = |name: &str, times: &Times| {
            let ms = |micros: u64| format!("{}.{:03}", micros / 1000, micros % 1000);
            let figures = [times.p50_micros, times.p95_micros, times.p99_micros, times.max_micros].map(ms);
            [vec![name.to_owned(), times.count.to_string()], figures.to_vec()].concat()
        };
        let rows = [row("commands", commands), row("queries", queries)];
        let times = table(&["ms until answered", "count", "p50", "p95", "p99", "max"], &[1, 2, 3, 4, 5], &rows);
        format!("{times}\n\n{retries} requests were repeated with their key; the server was killed {} times.", self.crashes)
    }
}

impl Times {
    /// `micros` are sorted.
    fn of(micros: &[u64]) -> Self {
        let at = |percent: usize| micros.get(micros.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
        Self {
            count: micros.len().try_into().unwrap_or(u64::MAX),
            p50_micros: at(50),
            p95_micros: at(95),
            p99_micros: at(99),
            max_micros: at(100),
        }
    }
}

impl TenantBooks {
    fn text(&self) -> String {
        let mut lines = vec![format!("{} ({})", self.name, self.tenant_id)];
        for totals in self.currencies.as_array().into_iter().flatten() {
            let cell = |value: &Value, key: &str| value[key].as_str().map_or_else(|| value[key].to_string(), str::to_owned);
            let mut rows: Vec<Vec<String>> = totals["accounts"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|account| ["code", "name", "normalSide", "balance", "open"].iter().map(|key| cell(account, key)).collect())
                .collect();
            rows.push(vec![String::new(), "debits".to_owned(), "debit".to_owned(), cell(totals, "debits"), String::new()]);
            rows.push(vec![String::new(), "credits".to_owned(), "credit".to_owned(), cell(totals, "credits"), String::new()]);
            let currency = cell(totals, "currency");
            let text = table(&[&currency, "account", "side", "balance", "open accounts"], &[3, 4], &rows);
            lines.push(text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"));
        }
        lines.join("\n")
    }
}

/// Waits until nothing is in transit, and asks that every currency balances.
pub(super) async fn trial_balances(scenario: &Scenario, http: &Http, cast: &Cast, failures: &Failures) -> Vec<TenantBooks> {
    let mut books = Vec::new();
    for tenant in &scenario.tenants {
        match settled_books(tenant, http, cast).await {
            Ok(found) => books.push(found),
            Err(error) => failures.add(format!("the books of {}: {error:#}", tenant.slug)),
        }
    }
    books
}

async fn settled_books(tenant: &TenantPlan, http: &Http, cast: &Cast) -> anyhow::Result<TenantBooks> {
    let started = Instant::now();
    loop {
        let auditor = cast.staff(tenant.id(), Role::Auditor);
        let call = Call {
            method: Method::GET,
            path: "/api/v2/enterprise/ledger/balance".to_owned(),
            token: Some(cast.token(tenant.id(), auditor, Role::Auditor)?),
            tenant: Some(tenant.id().to_string()),
            key: None,
            min_position: None,
            body: None,
            file: None,
        };
        let answer = http.call(&call).await?;
        anyhow::ensure!(answer.status == 200, "the ledger cannot be read: {}", answer.describe());
        let currencies = answer.body["currencies"].clone();
        match out_of_order(&answer.body) {
            None => return Ok(TenantBooks { tenant_id: tenant.id().to_string(), name: tenant.name.clone(), currencies }),
            Some(problem) if started.elapsed() > PATIENCE => anyhow::bail!("{problem}"),
            Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn out_of_order(books: &Value) -> Option<String> {
    if books["balanced"] != true {
        return Some(format!("debits and credits differ: {books}"));
    }
    let totals = books["currencies"].as_array().into_iter().flatten();
    let mut accounts = totals.flat_map(|totals| totals["accounts"].as_array().into_iter().flatten());
    let is_zero = |text: &Value| text.as_str().and_then(|text| text.parse::<Decimal>().ok()).is_some_and(|amount| amount.is_zero());
    let stuck = accounts.find(|account| account["code"] == IN_TRANSIT && (!is_zero(&account["balance"]) || account["open"] != 0))?;
    Some(format!("money is still in transit: {stuck}"))
}
