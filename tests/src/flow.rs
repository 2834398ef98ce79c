//! The usual way of an escrow over HTTP, step by step.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use holdfast_domain::kernel::{PartyId, Role, TenantId};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Answer, Client, System};

/// The people around one escrow, each with a token.
pub struct Parties {
    pub tenant_id: TenantId,
    pub payer_id: PartyId,
    pub payee_id: PartyId,
    pub payer: Client,
    pub payee: Client,
    pub staff: Client,
    pub platform: Client,
}

/// Drives escrows for one set of parties.
pub struct Flow {
    pub parties: Parties,
    pub currency: String,
}

#[must_use]
pub fn bank_reference() -> String {
    format!("bank-{}", Uuid::new_v4())
}

impl Parties {
    /// # Errors
    /// When no token can be signed.
    pub fn new(system: &System, tenant_id: TenantId) -> anyhow::Result<Self> {
        let (payer_id, payee_id) = (PartyId(Uuid::new_v4()), PartyId(Uuid::new_v4()));
        let client = |party_id, role| system.client(tenant_id, party_id, &[role]);
        Ok(Self {
            tenant_id,
            payer_id,
            payee_id,
            payer: client(payer_id, Role::Payer)?,
            payee: client(payee_id, Role::Talent)?,
            staff: client(PartyId(Uuid::new_v4()), Role::TenantAdmin)?,
            platform: client(PartyId(Uuid::new_v4()), Role::PlatformAdmin)?,
        })
    }
}

impl Flow {
    /// # Errors
    /// When no token can be signed.
    pub fn new(system: &System, tenant_id: TenantId) -> anyhow::Result<Self> {
        Ok(Self { parties: Parties::new(system, tenant_id)?, currency: "EUR".to_owned() })
    }

    /// Puts money into the payer's wallet by a bank receipt.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn fill(&self, amount: &str) -> anyhow::Result<Answer> {
        let body = json!({
            "bankReference": bank_reference(), "payerId": self.parties.payer_id, "amount": amount, "currency": self.currency,
            "receivedAt": "2026-01-01T00:00:00Z",
        });
        expect(self.parties.platform.post("/v1/bank-receipts", &body).await?, &[200, 201])
    }

    /// # Errors
    /// When it is refused.
    pub async fn create(&self, amount: &str) -> anyhow::Result<Uuid> {
        Ok(expect(self.parties.staff.post("/v1/escrows", &self.create_body(amount)).await?, &[201])?.id())
    }

    #[must_use]
    pub fn create_body(&self, amount: &str) -> Value {
        json!({
            "contractId": Uuid::new_v4(), "payerId": self.parties.payer_id, "payeeId": self.parties.payee_id,
            "amount": amount, "currency": self.currency,
        })
    }

    /// Funded from the wallet and seen as such.
    ///
    /// # Errors
    /// When it is refused or does not happen.
    pub async fn fund(&self, id: Uuid) -> anyhow::Result<()> {
        self.act(&self.parties.payer, id, "fund", &json!({ "source": "wallet" })).await?;
        self.wait_for(id, |escrow| escrow["status"] == "funded").await?;
        Ok(())
    }

    /// Up to the delivery.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn deliver(&self, id: Uuid) -> anyhow::Result<()> {
        self.act(&self.parties.staff, id, "start", &json!({})).await?;
        let artifacts = json!({ "assetIds": [Uuid::new_v4()], "note": "as agreed" });
        self.act(&self.parties.payee, id, "submit-delivery", &artifacts).await?;
        Ok(())
    }

    /// From nothing to releasable.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn approved(&self, amount: &str) -> anyhow::Result<Uuid> {
        self.fill(amount).await?;
        let id = self.create(amount).await?;
        // The wallet is filled by a reaction: the first try may come too early.
        self.wallet_has(amount).await?;
        self.fund(id).await?;
        self.deliver(id).await?;
        self.act(&self.parties.staff, id, "approve", &json!({})).await?;
        Ok(id)
    }

    /// Waits until the payer's wallet has at least `amount` available.
    ///
    /// # Errors
    /// When it does not within a while.
    pub async fn wallet_has(&self, amount: &str) -> anyhow::Result<()> {
        let wanted: Decimal = amount.parse()?;
        for _ in 0..400 {
            let path = format!("/v1/wallets?ownerId={}&currency={}", self.parties.payer_id, self.currency);
            let answer = self.parties.staff.get(&path).await?;
            let available = answer.body["items"][0]["available"].as_str().map(str::parse::<Decimal>).transpose()?;
            if available.is_some_and(|available| available >= wanted) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("the wallet was not filled")
    }

    /// Waits until the payer's wallet has exactly `amount` available.
    ///
    /// # Errors
    /// When it does not within ten seconds.
    pub async fn wait_for_wallet(&self, amount: &str) -> anyhow::Result<()> {
        let path = format!("/v1/wallets?ownerId={}&currency={}", self.parties.payer_id, self.currency);
        let mut last = Value::Null;
        for _ in 0..400 {
            last = self.parties.staff.get(&path).await?.body;
            if last["items"][0]["available"] == amount {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("the wallet has not {amount}: {last}")
    }

    /// `POST /v1/escrows/{id}/{action}`, which must succeed.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn act(&self, client: &Client, id: Uuid, action: &str, body: &Value) -> anyhow::Result<Answer> {
        let answer = client.post(&format!("/v1/escrows/{id}/{action}"), body).await?;
        expect(answer, &[200, 201]).with_context(|| action.to_owned())
    }

    /// The escrow as the staff sees it.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn escrow(&self, id: Uuid) -> anyhow::Result<Value> {
        Ok(expect(self.parties.staff.get(&format!("/v1/escrows/{id}")).await?, &[200])?.body)
    }

    /// Waits until the escrow shows what is wanted.
    ///
    /// # Errors
    /// When it does not within ten seconds.
    pub async fn wait_for(&self, id: Uuid, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..400 {
            let answer = self.parties.staff.get(&format!("/v1/escrows/{id}")).await?;
            if answer.status == 200 && wanted(&answer.body) {
                return Ok(answer.body);
            }
            last = answer.body;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("it did not happen: {last}")
    }
}

/// # Errors
/// When the status is another one.
pub fn expect(answer: Answer, statuses: &[u16]) -> anyhow::Result<Answer> {
    ensure!(statuses.contains(&answer.status), "{}: {}", answer.status, answer.text);
    Ok(answer)
}
