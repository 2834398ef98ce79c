//! Money in: bank receipts that fill wallets, and contests for what is in one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use holdfast_domain::kernel::{Currency, Money, PartyId, TenantId, split_by_weights};
use holdfast_domain::wallet::{OwnerType, wallet_id};
use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cast::Cast;
use super::client::{Answer, Call, Http};
use super::scenario::{Contest, Role, Scenario};

const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_WHEN_REPEATED: Duration = Duration::from_secs(5);

pub(super) struct Bank<'a> {
    pub(super) http: &'a Http,
    pub(super) cast: &'a Cast,
    pub(super) run: Uuid,
}

impl Bank<'_> {
    /// In `receipts` parts, each sent twice, as banks do; returns when the wallet shows the money.
    pub(super) async fn fill(&self, tenant: TenantId, payer: PartyId, amount: Money, receipts: u32) -> anyhow::Result<()> {
        let weights = vec![1; usize::try_from(receipts)?];
        let (mut seen, mut repeated) = (0, false);
        for (number, minor) in split_by_weights(amount.minor(), &weights).into_iter().enumerate().filter(|(_, minor)| *minor > 0) {
            let part = Money::try_from_minor(minor, amount.currency())?;
            for copy in 0..2 {
                let answer = self.receipt(tenant, payer, part, number).await?;
                repeated |= copy == 0 && answer.replayed;
                ensure!(answer.status == 201, "a bank receipt was answered with {}", answer.describe());
                seen = answer.body["position"].as_i64().unwrap_or(seen).max(seen);
            }
        }
        self.wait_for_balance(tenant, payer, amount, seen, repeated).await
    }

    async fn receipt(&self, tenant: TenantId, payer: PartyId, amount: Money, number: usize) -> anyhow::Result<Answer> {
        let reference = format!("DEMO-{}-{payer}-{}-{number}", self.run.simple(), amount.currency());
        let body = json!({
            "bankReference": reference, "amount": amount.amount().to_string(), "currency": amount.currency(),
            "receivedAt": "2026-01-02T03:04:05Z", "payerId": payer, "remitterName": "Demo Payer",
        });
        let staff = self.cast.staff(tenant, Role::PlatformFinance);
        let call = Call {
            method: Method::POST,
            path: "/v1/bank-receipts".to_owned(),
            token: Some(self.cast.token(tenant, staff, Role::PlatformFinance)?),
            tenant: Some(tenant.to_string()),
            key: Some(format!("receipt-{reference}")),
            min_position: None,
            body: Some(body),
            file: None,
        };
        self.http.call(&call).await
    }

    /// When the run is repeated, the money may have been spent already.
    async fn wait_for_balance(&self, tenant: TenantId, payer: PartyId, amount: Money, seen: i64, repeated: bool) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let found = self.available(tenant, payer, amount.currency(), seen).await?;
            let there = found.is_some_and(|found| found >= amount.amount());
            if there || (repeated && started.elapsed() > PATIENCE_WHEN_REPEATED) {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "{amount} did not reach the wallet of {payer}: it shows {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// None: no such wallet yet.
    async fn available(&self, tenant: TenantId, payer: PartyId, currency: Currency, seen: i64) -> anyhow::Result<Option<Decimal>> {
        let answer = self.balance(tenant, payer, currency, seen).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        ensure!(answer.status == 200, "a wallet cannot be seen: {}", answer.describe());
        amount_at(&answer.body, "/available").map(Some)
    }

    async fn balance(&self, tenant: TenantId, payer: PartyId, currency: Currency, seen: i64) -> anyhow::Result<Answer> {
        let wallet = wallet_id(tenant, OwnerType::User, payer, currency);
        let call = Call {
            method: Method::GET,
            path: format!("/v1/wallets/{wallet}/balance"),
            token: Some(self.cast.token(tenant, payer, Role::Payer)?),
            tenant: Some(tenant.to_string()),
            key: None,
            min_position: (seen > 0).then_some(seen),
            body: None,
            file: None,
        };
        self.http.call(&call).await
    }

    /// Many clients spend from one wallet at once; returns how many got what they wanted.
    pub(super) async fn contest(&self, scenario: &Scenario, contest: &Contest, number: usize) -> anyhow::Result<Contested> {
        let tenant = scenario.tenant(&contest.tenant)?.id();
        let payer = self.cast.party(tenant, &format!("contested payer {number}"));
        let balance = Money::try_new(contest.balance, contest.currency)?;
        let each = Money::try_new(contest.each, contest.currency)?;
        self.fill(tenant, payer, balance, 1).await?;
        let clients = (0..contest.clients).map(|client| self.spend(tenant, payer, each, number, client));
        let funded = try_join_all(clients).await?.into_iter().filter(|funded| *funded).count();
        let left = self.balance(tenant, payer, contest.currency, 0).await?;
        let result = Contested {
            tenant: contest.tenant.clone(),
            clients: contest.clients,
            each,
            balance,
            funded: u32::try_from(funded)?,
            left: Money::try_new(amount_at(&left.body, "/available")?, contest.currency)?,
        };
        result.check()?;
        Ok(result)
    }

    /// Creates an escrow and pays for it; true when it was funded.
    async fn spend(&self, tenant: TenantId, payer: PartyId, each: Money, number: usize, client: u32) -> anyhow::Result<bool> {
        let id = |what: &str| self.cast.id(tenant, &format!("contest {number} client {client} {what}"));
        let admin = self.cast.staff(tenant, Role::Admin);
        let send = async |role, party, path: String, key: &str, body: Value| {
            let call = Call {
                method: Method::POST,
                path,
                token: Some(self.cast.token(tenant, party, role)?),
                tenant: Some(tenant.to_string()),
                key: Some(format!("{key}-{}", id("key"))),
                min_position: None,
                body: Some(body),
                file: None,
            };
            self.http.call(&call).await
        };
        let body = json!({
            "contractId": id("contract"), "payerId": payer, "payeeId": id("payee"),
            "amount": each.amount().to_string(), "currency": each.currency(),
        });
        let created = send(Role::Admin, admin, "/v1/escrows".to_owned(), "create", body).await?;
        ensure!(created.status == 201, "an escrow was answered with {}", created.describe());
        let escrow = created.body["id"].as_str().context("an escrow without id")?.to_owned();
        let paid = send(Role::Payer, payer, format!("/v1/escrows/{escrow}/fund"), "fund", json!({ "source": "wallet" })).await?;
        ensure!(paid.status == 200, "a payment was answered with {}", paid.describe());
        self.outcome(tenant, &escrow, paid.body["position"].as_i64()).await
    }

    async fn outcome(&self, tenant: TenantId, escrow: &str, seen: Option<i64>) -> anyhow::Result<bool> {
        let started = Instant::now();
        loop {
            let admin = self.cast.staff(tenant, Role::Admin);
            let call = Call {
                method: Method::GET,
                path: format!("/v1/escrows/{escrow}"),
                token: Some(self.cast.token(tenant, admin, Role::Admin)?),
                tenant: Some(tenant.to_string()),
                key: None,
                min_position: seen,
                body: None,
                file: None,
            };
            let answer = self.http.call(&call).await?;
            match answer.body["status"].as_str() {
                Some("funded") => return Ok(true),
                Some("created") => return Ok(false),
                _ => ensure!(started.elapsed() < PATIENCE, "no answer of the wallet: {}", answer.describe()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// How a contest ended.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Contested {
    pub(super) tenant: String,
    pub(super) clients: u32,
    pub(super) each: Money,
    pub(super) balance: Money,
    pub(super) funded: u32,
    pub(super) left: Money,
}

impl Contested {
    /// Never more than there was, and nobody turned away while there was enough.
    fn check(&self) -> anyhow::Result<()> {
        let affordable = self.balance.minor() / self.each.minor();
        let expected = affordable.min(self.clients.into());
        ensure!(
            i128::from(self.funded) == expected,
            "{} of {} clients were funded; {} is enough for {affordable}",
            self.funded,
            self.clients,
            self.balance
        );
        ensure!(self.left.minor() == self.balance.minor() - expected * self.each.minor(), "{} is left of {}", self.left, self.balance);
        Ok(())
    }
}

fn amount_at(body: &Value, pointer: &str) -> anyhow::Result<Decimal> {
    let text = body.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no amount at {pointer} of {body}"))?;
    text.parse().with_context(|| format!("{text:?} is no amount"))
}
