//! One living thing of every kind in a tenant, made over HTTP, with a canary in every text: what isolation is tried with.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DurationRound as _, TimeDelta, Utc};
use holdfast_domain::kernel::{PartyId, Role};
use serde_json::json;
use uuid::Uuid;

use crate::flow::expect;
use crate::{Client, Flow, System, bank_reference, send};

/// Settings of the tenant that these need: a transfer of more than one euro waits for a second person.
pub const SETTINGS: &str = "[transfer]\napprovalAboveMinor = 100\n";

/// Ids by kind, and the word that stands in every text of the tenant and nowhere else.
#[derive(Debug, Clone)]
pub struct Things {
    ids: BTreeMap<&'static str, String>,
    pub canary: String,
}

/// Every kind; `dead_letter` cannot be made at will.
pub const KINDS: &[&str] = &[
    "asset",
    "bankReceipt",
    "bankReference",
    "booking",
    "clause",
    "contract",
    "dispute",
    "escrow",
    "event",
    "hold",
    "job",
    "milestone",
    "party",
    "reservation",
    "session",
    "signer",
    "statement",
    "submission",
    "talent",
    "template",
    "tenant",
    "transfer",
    "wallet",
];

/// A file of 70 bytes that is a picture by its first bytes.
fn picture() -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[7; 54]].concat()
}

impl Things {
    /// Ids that nobody has.
    #[must_use]
    pub fn missing() -> Self {
        let id = |kind: &&'static str| (*kind, Uuid::new_v4().to_string());
        let mut ids: BTreeMap<_, _> = KINDS.iter().map(id).collect();
        ids.insert("statement", format!("{}.2026-01", Uuid::new_v4()));
        Self { ids, canary: format!("nobody-{}", Uuid::new_v4().simple()) }
    }

    /// One of each.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn of(system: &System, flow: &Flow) -> anyhow::Result<Self> {
        let mut made = Self { ids: BTreeMap::new(), canary: format!("canary-{}", Uuid::new_v4().simple()) };
        made.put("tenant", flow.parties.tenant_id);
        made.put("party", flow.parties.payer_id);
        made.put("talent", flow.parties.payee_id);
        made.put("session", flow.parties.payer.session_id()?);
        made.casting(flow).await?;
        made.contract(flow).await?;
        made.money(system, flow).await?;
        made.work(flow).await?;
        made.settle(system).await?;
        for kind in KINDS {
            anyhow::ensure!(made.ids.contains_key(kind), "no {kind} was made");
        }
        Ok(made)
    }

    /// Waits until reactions and effects have nothing more to say.
    async fn settle(&self, system: &System) -> anyhow::Result<()> {
        let log = system.log_database().await?;
        let (mut last, mut quiet) = (0_i64, 0);
        while quiet < 6 {
            let sql = "SELECT position FROM tenant_heads WHERE tenant_id = $1::uuid";
            let position = sqlx::query_scalar(sql).bind(self.id("tenant")).fetch_one(&log).await?;
            quiet = if position == last { quiet + 1 } else { 0 };
            last = position;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        system.read_models_at_heads(Duration::from_secs(20)).await?;
        Ok(())
    }

    /// The id of one kind.
    #[must_use]
    pub fn id(&self, kind: &str) -> &str {
        self.ids.get(kind).map_or("", String::as_str)
    }

    /// Every id with its kind.
    pub fn ids(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.ids.iter().map(|(kind, id)| (*kind, id.as_str()))
    }

    /// `{kind}` becomes the id, `{unique}` a value of its own.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        let text = text.replace("{unique}", &Uuid::new_v4().to_string());
        self.ids.iter().fold(text, |text, (kind, id)| text.replace(&format!("{{{kind}}}"), id))
    }

    fn put(&mut self, kind: &'static str, id: impl ToString) {
        self.ids.insert(kind, id.to_string());
    }

    fn word(&self, field: &str) -> String {
        format!("{}-{field}", self.canary)
    }

    /// A job, who applied, a hold, a booking with its call sheet.
    async fn casting(&mut self, flow: &Flow) -> anyhow::Result<()> {
        let (staff, talent) = (&flow.parties.staff, &flow.parties.payee);
        let body = json!({
            "title": self.word("job"), "brief": { "roles": ["model"], "text": self.word("brief") }, "location": self.word("location"),
            "startTs": "2036-05-01T09:00:00Z", "endTs": "2036-05-02T18:00:00Z",
        });
        let job = expect(staff.post("/v1/jobs", &body).await?, &[201])?.id();
        expect(staff.post(&format!("/v1/jobs/{job}/publish"), &json!({})).await?, &[200])?;
        let notes = json!({ "notes": self.word("submission") });
        let sent = expect(talent.post(&format!("/v1/jobs/{job}/submissions"), &notes).await?, &[201])?;
        let list = staff.get_at(&format!("/v1/jobs/{job}/submissions"), sent.position.unwrap_or_default()).await?;
        let submission = list.body["items"][0]["id"].as_str().context("no submission")?.to_owned();
        // Schedules begin at a full quarter of an hour.
        let today = Utc::now().duration_trunc(TimeDelta::days(1))?;
        let day = |days: i64| today + TimeDelta::days(days);
        let hold = json!({ "talentId": flow.parties.payee_id, "fromTs": day(40), "toTs": day(41), "expiresAt": day(30) });
        let hold = expect(staff.post(&format!("/v1/jobs/{job}/holds"), &hold).await?, &[201])?.id();
        let booking = json!({
            "talentId": flow.parties.payee_id, "payerId": flow.parties.payer_id, "schedule": { "from": day(50), "to": day(51) },
            "location": self.word("booking"), "price": "100.00", "currency": flow.currency,
        });
        let booking = expect(staff.post(&format!("/v1/jobs/{job}/bookings"), &booking).await?, &[201])?.id();
        let sheet = staff.request(reqwest::Method::PUT, &format!("/v1/bookings/{booking}/callsheet"));
        let sheet =
            sheet.header("Idempotency-Key", Uuid::new_v4().to_string()).json(&json!({ "content": { "title": self.word("sheet") } }));
        expect(send(sheet).await?, &[200])?;
        self.put("job", job);
        self.put("submission", submission);
        self.put("hold", hold);
        self.put("booking", booking);
        Ok(())
    }

    /// A template, a clause, a contract with signers and a milestone, sent.
    async fn contract(&mut self, flow: &Flow) -> anyhow::Result<()> {
        let staff = &flow.parties.staff;
        let body = json!({ "name": self.word("template"), "bodyMd": format!("{} {{{{title}}}}", self.word("text")),
            "variables": [{ "name": "title", "label": "Title" }] });
        let template = match staff.post("/v1/contract-templates", &body).await? {
            answer if answer.status == 201 => answer.id(),
            _ => expect(
                staff.post("/v1/contract-templates", &json!({ "name": self.word("template"), "bodyMd": self.word("text") })).await?,
                &[201],
            )?
            .id(),
        };
        let clause = json!({ "key": format!("k{}", Uuid::new_v4().simple()), "title": self.word("clause"), "bodyMd": self.word("clause") });
        let clause = expect(staff.post("/v1/clauses", &clause).await?, &[201])?.id();
        let signers = json!([
            { "partyId": flow.parties.payee_id, "partyType": "talent", "name": self.word("signer") },
            { "partyId": flow.parties.payer_id, "partyType": "payer", "name": self.word("payer") },
        ]);
        let body = json!({
            "jobId": self.id("job"), "payerId": flow.parties.payer_id, "payeeId": flow.parties.payee_id, "signers": signers,
            "variables": { "payer": "P", "talent": self.word("variable"), "title": "S", "from": "9", "to": "17", "price": "10", "currency": "EUR" },
            "milestones": [{ "title": self.word("milestone"), "amount": "10.00", "currency": flow.currency }],
        });
        let contract = expect(staff.post("/v1/contracts", &body).await?, &[200, 201])?.id();
        let sent = staff.post(&format!("/v1/contracts/{contract}/send"), &json!({ "message": self.word("message") })).await?;
        let at = expect(sent, &[200])?.position.unwrap_or_default();
        let shown = expect(staff.get_at(&format!("/v1/contracts/{contract}"), at).await?, &[200])?.body;
        let first = |list: &str| shown[list][0]["id"].as_str().map(str::to_owned).with_context(|| format!("no {list}: {shown}"));
        self.put("signer", first("signerList")?);
        self.put("milestone", first("milestones")?);
        self.put("template", template);
        self.put("clause", clause);
        self.put("contract", contract);
        Ok(())
    }

    /// Wallets with money, a transfer that waits, credits with a reservation.
    async fn money(&mut self, system: &System, flow: &Flow) -> anyhow::Result<()> {
        let (staff, platform) = (&flow.parties.staff, &flow.parties.platform);
        let reference = bank_reference();
        let body = json!({
            "bankReference": reference, "payerId": flow.parties.payer_id, "amount": "900.00", "currency": flow.currency,
            "receivedAt": "2026-01-01T00:00:00Z", "remitterName": self.word("remitter"),
        });
        let receipt = expect(platform.post("/v1/bank-receipts", &body).await?, &[201])?.id();
        flow.wallet_has("900.00").await?;
        let of = |owner: PartyId| format!("/v1/wallets?ownerId={owner}");
        let wallet = staff.get(&of(flow.parties.payer_id)).await?.body["items"][0]["id"].as_str().context("no wallet")?.to_owned();
        let other = json!({
            "bankReference": bank_reference(), "payerId": flow.parties.payee_id, "amount": "5.00", "currency": flow.currency,
            "receivedAt": "2026-01-01T00:00:00Z",
        });
        expect(platform.post("/v1/bank-receipts", &other).await?, &[201])?;
        system.read_models_at_heads(Duration::from_secs(20)).await?;
        let to = wait_for_item(staff, &of(flow.parties.payee_id)).await?;
        let transfer = json!({ "fromWalletId": wallet, "toWalletId": to, "amount": "2.00", "currency": flow.currency, "reason": self.word("transfer") });
        let transfer = expect(platform.post("/v1/ledger/transfer", &transfer).await?, &[200])?;
        self.put("transfer", transfer.body["transferId"].as_str().context("the transfer does not wait")?);
        let issue = json!({ "ownerId": flow.parties.payer_id, "units": 9, "reason": self.word("credits") });
        expect(staff.post("/v1/credits/issue", &issue).await?, &[201])?;
        let service = system.client(flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Service])?;
        let reservation = Uuid::new_v4();
        let reserve = json!({
            "reservationId": reservation, "ownerId": flow.parties.payer_id, "units": 1, "until": Utc::now() + TimeDelta::days(300),
            "refType": "campaign", "refId": Uuid::new_v4(),
        });
        expect(service.post("/v1/credits/reservations", &reserve).await?, &[201])?;
        self.put("bankReceipt", receipt);
        self.put("bankReference", reference);
        self.put("statement", format!("{wallet}.2026-01"));
        self.put("wallet", wallet);
        self.put("reservation", reservation);
        Ok(())
    }

    /// An escrow in dispute, with a file as evidence.
    async fn work(&mut self, flow: &Flow) -> anyhow::Result<()> {
        let talent = &flow.parties.payee;
        let escrow = flow.create("100.00").await?;
        flow.fund(escrow).await?;
        flow.act(&flow.parties.staff, escrow, "start", &json!({})).await?;
        let delivery = json!({ "assetIds": [Uuid::new_v4()], "note": self.word("delivery"), "gps": self.word("gps") });
        flow.act(talent, escrow, "submit-delivery", &delivery).await?;
        let dispute = flow.dispute(talent, escrow, &json!({ "reason": self.word("dispute"), "disputeType": "other" })).await?;
        let asset = upload(talent, dispute, &format!("{}.png", self.word("file"))).await?;
        let evidence = json!({ "assetId": asset, "note": self.word("evidence") });
        expect(flow.ask_case(talent, dispute, "evidence", &evidence).await?, &[200])?;
        let log = flow.parties.staff.get(&format!("/v1/streams/{escrow}/events")).await?;
        self.put("event", log.body["items"][0]["eventId"].as_str().or(log.body["items"][0]["id"].as_str()).context("no event")?);
        self.put("escrow", escrow);
        self.put("dispute", dispute);
        self.put("asset", asset);
        Ok(())
    }
}

async fn wait_for_item(client: &Client, path: &str) -> anyhow::Result<String> {
    for _ in 0..400 {
        if let Some(id) = client.get(path).await?.body["items"][0]["id"].as_str() {
            return Ok(id.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("{path} stays empty")
}

/// Announced, sent, confirmed.
async fn upload(client: &Client, dispute: Uuid, file_name: &str) -> anyhow::Result<Uuid> {
    let file = json!({
        "ownerType": "dispute_evidence", "ownerId": dispute, "kind": "photo", "mime": "image/png", "size": 70, "fileName": file_name,
    });
    let ticket = expect(client.post("/v1/assets/presign-upload", &file).await?, &[201])?;
    let url = ticket.body["upload"]["url"].as_str().context("no url")?;
    let headers = ticket.body["upload"]["headers"].as_object().context("no headers")?;
    let put = headers
        .iter()
        .fold(reqwest::Client::new().put(url).body(picture()), |put, (name, value)| put.header(name, value.as_str().unwrap_or_default()));
    expect(send(put).await?, &[204])?;
    expect(client.post("/v1/assets/confirm-upload", &json!({ "assetId": ticket.id() })).await?, &[200])?;
    Ok(ticket.id())
}

/// Where a text of the answer names something of `theirs` that the request did not name: their canary, or an id.
#[must_use]
pub fn leak(answer: &crate::Answer, theirs: &Things, sent: &[&str]) -> Option<String> {
    let headers: String =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))).collect();
    let said = headers + &answer.text;
    if said.contains(&theirs.canary) {
        return Some(theirs.canary.clone());
    }
    let unsent = theirs.ids().filter(|(_, id)| !sent.iter().any(|sent| sent.contains(id) || id.contains(sent)));
    unsent.map(|(_, id)| id).find(|id| said.contains(*id)).map(str::to_owned)
}
