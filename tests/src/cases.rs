//! Disputes over HTTP, step by step.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::flow::expect;
use crate::{Answer, Client, Flow};

impl Flow {
    /// Funded, the work begun.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn started(&self, amount: &str) -> anyhow::Result<Uuid> {
        self.fill(amount).await?;
        let id = self.create(amount).await?;
        self.wallet_has(amount).await?;
        self.fund(id).await?;
        self.act(&self.parties.staff, id, "start", &json!({})).await?;
        Ok(id)
    }

    /// The work delivered.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn delivered(&self, amount: &str) -> anyhow::Result<Uuid> {
        let id = self.started(amount).await?;
        self.act(&self.parties.payee, id, "submit-delivery", &json!({ "assetIds": [Uuid::new_v4()] })).await?;
        Ok(id)
    }

    /// Raises a dispute, and waits until its case is open.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn dispute(&self, client: &Client, escrow_id: Uuid, more: &Value) -> anyhow::Result<Uuid> {
        let mut body = json!({ "reason": "not as agreed", "disputeType": "delivery_rejected" });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let raised = self.act(client, escrow_id, "dispute", &body).await?;
        let id = raised.body["disputeId"].as_str().context("no dispute id")?.parse()?;
        self.wait_for_case(id, |_| true).await?;
        Ok(id)
    }

    /// `POST /v1/disputes/{id}/{action}`, as it is answered.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn ask_case(&self, client: &Client, id: Uuid, action: &str, body: &Value) -> anyhow::Result<Answer> {
        Ok(client.post(&format!("/v1/disputes/{id}/{action}"), body).await?)
    }

    /// The platform takes the case and decides it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn decide(&self, id: Uuid, decision: &Value) -> anyhow::Result<Answer> {
        self.assign(id).await?;
        expect(self.ask_case(&self.parties.platform, id, "decision", decision).await?, &[200])
    }

    /// A resolver of the platform; the review begins.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn assign(&self, id: Uuid) -> anyhow::Result<Answer> {
        let resolver = json!({ "assigneeId": Uuid::new_v4() });
        expect(self.ask_case(&self.parties.platform, id, "assign", &resolver).await?, &[200])
    }

    /// The case as the platform sees it.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn case(&self, id: Uuid) -> anyhow::Result<Value> {
        Ok(expect(self.parties.platform.get(&format!("/v1/disputes/{id}")).await?, &[200])?.body)
    }

    /// Waits until the case shows what is wanted.
    ///
    /// # Errors
    /// When it does not within ten seconds.
    pub async fn wait_for_case(&self, id: Uuid, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..400 {
            let answer = self.parties.platform.get(&format!("/v1/disputes/{id}")).await?;
            if answer.status == 200 && wanted(&answer.body) {
                return Ok(answer.body);
            }
            last = answer.body;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("the case did not get there: {last}")
    }
}
