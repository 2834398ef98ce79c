//! A story in which every personal field of every event is filled.

use std::time::Duration;

use chrono::{DurationRound as _, TimeDelta, Utc};
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Client, Flow, System, bank_reference, expect, send};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// What was written, each with a word that stands nowhere else.
#[derive(Default)]
pub(crate) struct Words {
    /// Sealed for those who will be erased: (canary, shown by the API).
    pub(crate) theirs: Vec<(String, bool)>,
    /// Sealed for others and for things that outlive the people in them, and shown.
    pub(crate) others: Vec<String>,
    /// Like `others`, and shown by nothing: the log alone has it.
    pub(crate) unseen: Vec<String>,
}

/// Letters and digits only: nothing that a text or a file would escape.
fn canary(field: &str) -> String {
    format!("canary{}{}", Uuid::new_v4().simple(), field.replace('-', ""))
}

impl Words {
    /// Of somebody who will be erased, and the API shows it before.
    fn shown(&mut self, field: &str) -> String {
        self.theirs.push((canary(field), true));
        self.theirs.last().unwrap().0.clone()
    }

    /// The same, and the API does not show it, or no longer.
    fn kept(&mut self, field: &str) -> String {
        self.theirs.push((canary(field), false));
        self.theirs.last().unwrap().0.clone()
    }

    fn other(&mut self, field: &str) -> String {
        self.others.push(canary(field));
        self.others.last().unwrap().clone()
    }

    fn unseen(&mut self, field: &str) -> String {
        self.unseen.push(canary(field));
        self.unseen.last().unwrap().clone()
    }

    pub(crate) fn all(&self) -> Vec<&str> {
        let theirs = self.theirs.iter().map(|(word, _)| word);
        theirs.chain(&self.others).chain(&self.unseen).map(String::as_str).collect()
    }
}

/// People, and what was written under each one's key.
pub(crate) struct Story {
    pub(crate) flow: Flow,
    pub(crate) decider: Client,
    pub(crate) decider_id: PartyId,
    pub(crate) contract: Uuid,
    pub(crate) dispute: Uuid,
    pub(crate) escrow: Uuid,
    /// Where the API shows what is personal.
    pub(crate) shown_at: Vec<String>,
    pub(crate) words: Words,
}

fn png() -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[7; 54]].concat()
}

async fn upload(client: &Client, dispute: Uuid, file_name: &str) -> anyhow::Result<Uuid> {
    let file = json!({
        "ownerType": "dispute_evidence", "ownerId": dispute, "kind": "photo", "mime": "image/png", "size": 70, "fileName": file_name,
    });
    let ticket = expect(client.post("/v1/assets/presign-upload", &file).await?, &[201])?;
    let plain = reqwest::Client::builder().no_proxy().build()?;
    let mut put = plain.put(ticket.body["upload"]["url"].as_str().unwrap()).body(png());
    for (name, value) in ticket.body["upload"]["headers"].as_object().unwrap() {
        put = put.header(name, value.as_str().unwrap());
    }
    assert_eq!(send(put).await?.status, 204);
    expect(client.post("/v1/assets/confirm-upload", &json!({ "assetId": ticket.id() })).await?, &[200])?;
    Ok(ticket.id())
}

/// With a key of its own, which must succeed.
async fn change(client: &Client, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
    let request = client.request(method, path).header("Idempotency-Key", Uuid::new_v4().to_string()).json(body);
    expect(send(request).await?, &[200])?;
    Ok(())
}

impl Story {
    /// The talent and the decider fill or are described by every personal field, with a canary in it; one case is left open.
    pub(crate) async fn told(system: &System) -> anyhow::Result<Self> {
        let flow = Flow::new(system, system.tenant("")?)?;
        let decider_id = PartyId(Uuid::new_v4());
        let decider = system.client(flow.parties.tenant_id, decider_id, &[Role::TenantAdmin])?;
        let lists = ["/v1/bookings", "/v1/contracts", "/v1/disputes", "/v1/audit"];
        let shown_at = lists.map(str::to_owned).to_vec();
        let nil = Uuid::nil();
        let mut story = Self { flow, decider, decider_id, contract: nil, dispute: nil, escrow: nil, shown_at, words: Words::default() };
        let job = story.casting().await?;
        story.booking(job).await?;
        story.agreement(job).await?;
        story.receipt().await?;
        story.cases_that_end().await?;
        story.settlement().await?;
        story.case_that_stays_open().await?;
        Ok(story)
    }

    async fn casting(&mut self) -> anyhow::Result<Uuid> {
        let (staff, talent) = (&self.flow.parties.staff, &self.flow.parties.payee);
        let body = json!({ "title": "Show", "brief": { "roles": ["model"] }, "location": "Milan", "startTs": "2030-05-01T09:00:00Z", "endTs": "2030-05-02T18:00:00Z" });
        let job = expect(staff.post("/v1/jobs", &body).await?, &[201])?.id();
        expect(staff.post(&format!("/v1/jobs/{job}/publish"), &json!({})).await?, &[200])?;
        let path = format!("/v1/jobs/{job}/submissions");
        let applied = expect(talent.post(&path, &json!({ "notes": self.words.kept("submission-notes") })).await?, &[201])?;
        let submission = applied.body["submissionId"].as_str().unwrap();
        change(staff, Method::PATCH, &format!("{path}/{submission}"), &json!({ "notes": self.words.shown("casting-notes") })).await?;
        self.shown_at.push(path);
        Ok(job)
    }

    /// Offered, moved, accepted, paid and done.
    async fn booking(&mut self, job: Uuid) -> anyhow::Result<()> {
        let (flow, words) = (&self.flow, &mut self.words);
        let (staff, talent, payer) = (&flow.parties.staff, &flow.parties.payee, &flow.parties.payer);
        let slot = |day: i64| -> anyhow::Result<Value> {
            let from = Utc::now().duration_trunc(TimeDelta::days(1))? + TimeDelta::days(day);
            Ok(json!({ "from": from, "to": from + TimeDelta::hours(8) }))
        };
        let body = json!({
            "talentId": flow.parties.payee_id, "payerId": flow.parties.payer_id, "schedule": slot(3)?, "location": words.kept("booking-location"),
            "price": "1000.00", "currency": "EUR",
        });
        let booking = expect(staff.post(&format!("/v1/jobs/{job}/bookings"), &body).await?, &[201])?.id();
        let path = format!("/v1/bookings/{booking}");
        change(staff, Method::PATCH, &path, &json!({ "location": words.kept("booking-new-location") })).await?;
        change(staff, Method::PATCH, &path, &json!({ "location": words.shown("booking-moved-to"), "schedule": slot(4)? })).await?;
        let sheet = json!({ "content": { "title": words.other("call-sheet") } });
        change(staff, Method::PUT, &format!("{path}/callsheet"), &sheet).await?;
        let accepted = expect(talent.post(&format!("{path}/accept"), &json!({})).await?, &[200])?;
        let seen = expect(payer.get_at(&path, accepted.position.unwrap()).await?, &[200])?.body;
        let escrow: Uuid = seen["payment"]["escrowId"].as_str().unwrap().parse()?;
        flow.wait_for(escrow, |escrow| escrow["status"] == "created").await?;
        flow.fill("1000.00").await?;
        flow.wallet_has("1000.00").await?;
        flow.fund(escrow).await?;
        shows(payer, &path, |booking| booking["status"] == "confirmed").await?;
        expect(talent.post(&format!("{path}/start"), &json!({})).await?, &[200])?;
        let code = shows(payer, &path, |booking| booking["completionCode"]["number"] == 2).await?["completionCode"]["code"].clone();
        let done = json!({ "otp": code, "note": words.kept("attendance-note"), "gps": words.kept("attendance-gps") });
        expect(talent.post(&format!("{path}/complete"), &done).await?, &[200])?;
        self.shown_at.extend([format!("{path}/callsheet"), path, format!("/v1/escrows/{escrow}/events")]);
        Ok(())
    }

    /// A contract, signed by both; its text has a key of its own.
    async fn agreement(&mut self, job: Uuid) -> anyhow::Result<()> {
        let (parties, words) = (&self.flow.parties, &mut self.words);
        let (staff, talent, payer) = (&parties.staff, &parties.payee, &parties.payer);
        let signers = json!([
            { "partyId": parties.payee_id, "partyType": "talent", "name": words.shown("signer-name"), "email": format!("{}@example.com", words.kept("signer-email")) },
            { "partyId": parties.payer_id, "partyType": "payer", "name": words.other("payer-name") },
        ]);
        let variables = |talent: String| json!({ "payer": "ACME", "talent": talent, "title": "S", "from": "9", "to": "17", "price": "10", "currency": "EUR" });
        let body = json!({
            "jobId": job, "payerId": parties.payer_id, "payeeId": parties.payee_id, "signers": signers, "variables": variables(words.unseen("first-text")),
            "milestones": [{ "title": "All", "amount": "10.00", "currency": "EUR" }],
        });
        let contract = expect(staff.post("/v1/contracts", &body).await?, &[201])?.id();
        let path = format!("/v1/contracts/{contract}");
        change(staff, Method::PATCH, &path, &json!({ "variables": variables(words.other("contract-text")) })).await?;
        let sent = expect(staff.post(&format!("{path}/send"), &json!({ "message": words.other("message") })).await?, &[200])?;
        let shown = expect(talent.get_at(&path, sent.position.unwrap()).await?, &[200])?.body;
        let hash = &shown["text"]["hash"];
        for (client, name, agent) in [
            (talent, words.shown("typed-name"), words.kept("user-agent")),
            (payer, words.other("payer-typed-name"), words.unseen("payer-agent")),
        ] {
            let signature = json!({ "typedName": name, "consent": true, "documentHash": hash });
            let sign = client.request(Method::POST, &format!("{path}/sign")).header("User-Agent", agent);
            expect(send(sign.header("Idempotency-Key", Uuid::new_v4().to_string()).json(&signature)).await?, &[200])?;
        }
        let signed = shows(staff, &path, |contract| contract["status"] == "signed").await?;
        let milestone = signed["milestones"][0]["id"].as_str().unwrap();
        let evidence = json!({ "evidence": words.unseen("milestone-evidence") });
        expect(staff.post(&format!("{path}/milestones/{milestone}/reached"), &evidence).await?, &[200])?;
        self.contract = contract;
        self.shown_at.push(path);
        Ok(())
    }

    async fn receipt(&mut self) -> anyhow::Result<()> {
        let receipt = json!({
            "bankReference": bank_reference(), "payerId": self.flow.parties.payee_id, "amount": "5.00", "currency": "EUR",
            "receivedAt": "2026-01-01T00:00:00Z", "remitterName": self.words.kept("remitter"),
        });
        expect(self.flow.parties.platform.post("/v1/bank-receipts", &receipt).await?, &[201])?;
        Ok(())
    }

    /// One taken to the platform, one dismissed, one that orders the work to be done again.
    async fn cases_that_end(&mut self) -> anyhow::Result<()> {
        let (flow, words, decider) = (&self.flow, &mut self.words, &self.decider);
        let talent = &flow.parties.payee;
        for end in ["escalate", "dismiss", "redo"] {
            let escrow = flow.started("20.00").await?;
            let reason = json!({ "reason": words.shown(&format!("{end}-dispute")), "disputeType": "other" });
            let case = flow.dispute(talent, escrow, &reason).await?;
            match end {
                "escalate" => {
                    let reason = json!({ "reason": words.kept("escalation") });
                    expect(flow.ask_case(decider, case, "escalate", &reason).await?, &[200])?;
                    flow.wait_for(escrow, |escrow| escrow["dispute"]["escalated"] == true).await?;
                    let note = json!({ "note": words.unseen("platform-note") });
                    expect(flow.ask_case(&flow.parties.platform, case, "close", &note).await?, &[200])?;
                }
                "dismiss" => {
                    let note = json!({ "note": words.shown("dismissal") });
                    expect(flow.ask_case(decider, case, "close", &note).await?, &[200])?;
                }
                _ => {
                    expect(flow.ask_case(decider, case, "assign", &json!({ "assigneeId": self.decider_id })).await?, &[200])?;
                    let decision = json!({ "decision": "redo", "rationale": words.shown("redo") });
                    expect(flow.ask_case(decider, case, "decision", &decision).await?, &[200])?;
                }
            }
            flow.wait_for_case(case, |case| case["status"] == "closed").await?;
            self.shown_at.extend([format!("/v1/disputes/{case}"), format!("/v1/escrows/{escrow}/events")]);
        }
        Ok(())
    }

    /// Approved with a note, settled, and disputed after that.
    async fn settlement(&mut self) -> anyhow::Result<()> {
        let (flow, words) = (&self.flow, &mut self.words);
        let (payer, platform) = (&flow.parties.payer, &flow.parties.platform);
        let escrow = flow.delivered("20.00").await?;
        flow.act(&self.decider, escrow, "approve", &json!({ "note": words.shown("approval-note") })).await?;
        flow.act(platform, escrow, "release", &json!({})).await?;
        flow.wait_for(escrow, |escrow| escrow["status"] == "closed").await?;
        let case = flow.dispute(payer, escrow, &json!({ "reason": words.other("late-dispute") })).await?;
        flow.assign(case).await?;
        let decision = json!({ "decision": "release", "rationale": words.unseen("late-decision") });
        expect(flow.ask_case(platform, case, "decision", &decision).await?, &[200])?;
        flow.wait_for_case(case, |case| case["status"] == "closed").await?;
        self.shown_at.extend([format!("/v1/disputes/{case}"), format!("/v1/escrows/{escrow}/events")]);
        Ok(())
    }

    /// Delivered and disputed, with evidence of both sides.
    async fn case_that_stays_open(&mut self) -> anyhow::Result<()> {
        let (flow, words) = (&self.flow, &mut self.words);
        let (talent, payer) = (&flow.parties.payee, &flow.parties.payer);
        let escrow = flow.started("1000.00").await?;
        let delivery = json!({ "assetIds": [Uuid::new_v4()], "note": words.shown("delivery-note"), "gps": words.shown("delivery-gps") });
        flow.act(talent, escrow, "submit-delivery", &delivery).await?;
        let reason = json!({ "reason": words.shown("dispute-reason"), "disputeType": "other" });
        let dispute = flow.dispute(talent, escrow, &reason).await?;
        let file = upload(talent, dispute, &words.shown("file-name")).await?;
        let evidence = json!({ "assetId": file, "note": words.shown("evidence-note") });
        expect(flow.ask_case(talent, dispute, "evidence", &evidence).await?, &[200])?;
        let file = upload(payer, dispute, &words.other("payer-file")).await?;
        let evidence = json!({ "assetId": file, "note": words.other("payer-note") });
        expect(flow.ask_case(payer, dispute, "evidence", &evidence).await?, &[200])?;
        (self.dispute, self.escrow) = (dispute, escrow);
        let places = [format!("/v1/escrows/{escrow}/events"), format!("/v1/disputes/{dispute}"), format!("/v1/assets?ownerId={dispute}")];
        self.shown_at.extend(places);
        Ok(())
    }

    /// The open case is decided, with a reason of the decider's.
    pub(crate) async fn decided(&mut self) -> anyhow::Result<()> {
        let staff = &self.flow.parties.staff;
        expect(self.flow.ask_case(staff, self.dispute, "assign", &json!({ "assigneeId": self.decider_id })).await?, &[200])?;
        let decision = json!({ "decision": "refund", "rationale": self.words.shown("rationale") });
        expect(self.flow.ask_case(&self.decider, self.dispute, "decision", &decision).await?, &[200])?;
        self.flow.wait_for_case(self.dispute, |case| case["status"] == "closed").await?;
        self.flow.wait_for(self.escrow, |escrow| escrow["status"] == "closed").await?;
        Ok(())
    }

    /// All answers of the API that show something of it, to all who may see.
    pub(crate) async fn answers(&self) -> anyhow::Result<String> {
        let mut all = String::new();
        for client in [&self.flow.parties.staff, &self.flow.parties.payee, &self.flow.parties.payer, &self.flow.parties.platform] {
            for path in &self.shown_at {
                all.push_str(&client.get(path).await?.text);
            }
        }
        Ok(all)
    }

    pub(crate) async fn erase(&self, subject: PartyId) -> anyhow::Result<Value> {
        let path = format!("/v1/privacy/persons/{subject}");
        let body = json!({ "confirm": subject, "reason": "person_request" });
        let staff = &self.flow.parties.staff;
        let erased = expect(staff.post(&format!("{path}/erase"), &body).await?, &[200])?;
        let path = format!("{path}/certificate");
        expect(staff.get_at(&path, erased.position.unwrap()).await?, &[200])?;
        // Destroyed by an effect, signed under the next seal.
        shows(staff, &path, |certificate| !certificate["signed"].is_null()).await
    }
}

/// Waits until the answer is what is wanted.
pub(crate) async fn shows(client: &Client, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..800 {
        last = client.get(path).await?.body;
        if wanted(&last) {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("{path} does not get there: {last}")
}
