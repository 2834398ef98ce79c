//! Contracts over HTTP: from the template to the signed document, in the app and at a provider (CTR-10..51, MNY-03, MNY-06).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod provider;

use std::time::Duration;

use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, Flow, System, expect, send};
use provider::{Peer, SECRET, signed_webhook};
use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const CONSENTED: &str = "Ada Lovelace";

/// A tenant with a job, and the people around its contracts.
struct Office {
    flow: Flow,
    job: Uuid,
}

impl Office {
    async fn new(system: &System, settings: &str) -> anyhow::Result<Self> {
        let flow = Flow::new(system, system.tenant(settings)?)?;
        let job = expect(flow.parties.staff.post("/v1/jobs", &json!({ "title": "Shooting" })).await?, &[201])?.id();
        Ok(Self { flow, job })
    }

    fn staff(&self) -> &Client {
        &self.flow.parties.staff
    }

    fn payer(&self) -> &Client {
        &self.flow.parties.payer
    }

    async fn made(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        expect(self.staff().post(path, &body).await?, &[200, 201])
    }

    async fn contract(&self, more: Value) -> anyhow::Result<Uuid> {
        let mut body = json!({
            "jobId": self.job, "payerId": self.flow.parties.payer_id, "payeeId": self.flow.parties.payee_id,
            "variables": { "payer": "ACME", "talent": "Ada", "title": "Shooting", "from": "9", "to": "17", "price": "10", "currency": "EUR" },
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Ok(self.made("/v1/contracts", body).await?.id())
    }

    /// Sent to payer and talent, who sign in any order.
    async fn sent(&self) -> anyhow::Result<Uuid> {
        let (payer, payee) = (self.flow.parties.payer_id, self.flow.parties.payee_id);
        let signers = json!([
            { "partyId": payer, "partyType": "payer", "name": "Paula Payer" },
            { "partyId": payee, "partyType": "talent", "name": "Tim Talent" },
        ]);
        let id = self.contract(json!({ "signers": signers })).await?;
        self.made(&format!("/v1/contracts/{id}/send"), json!({})).await?;
        Ok(id)
    }

    async fn seen(&self, id: Uuid) -> anyhow::Result<Value> {
        Ok(expect(self.staff().get(&format!("/v1/contracts/{id}")).await?, &[200])?.body)
    }

    async fn wait_for(&self, id: Uuid, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..600 {
            last = self.staff().get(&format!("/v1/contracts/{id}")).await?.body;
            if wanted(&last) {
                return Ok(last);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("it did not happen: {last}")
    }

    async fn artifacts(&self, id: Uuid, how_many: usize) -> anyhow::Result<Vec<Value>> {
        for _ in 0..600 {
            let answer = self.staff().get(&format!("/v1/contracts/{id}/artifacts")).await?;
            let items = answer.body["items"].as_array().cloned().unwrap_or_default();
            if items.len() >= how_many {
                return Ok(items);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("the documents were not rendered")
    }
}

async fn patch(client: &Client, path: &str, body: Value) -> anyhow::Result<Answer> {
    Ok(send(client.request(Method::PATCH, path).header("Idempotency-Key", Uuid::new_v4().to_string()).json(&body)).await?)
}

fn signature(hash: &Value) -> Value {
    json!({ "typedName": CONSENTED, "consent": true, "documentHash": hash })
}

fn refused(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.code())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_are_versioned_and_only_published_ones_make_contracts() -> anyhow::Result<()> {
    // CTR-10..15, CTR-17, CTR-30
    let system = System::start().await?;
    let office = Office::new(&system, "").await?;
    let staff = office.staff();
    let clause = json!({ "key": "overtime", "title": "Overtime", "bodyMd": "Per hour: {{rate}}", "tags": ["pay"] });
    office.made("/v1/clauses", clause.clone()).await?;
    assert_eq!(refused(&staff.post("/v1/clauses", &clause).await?), (409, "CLAUSE_KEY_TAKEN"));
    let undeclared = json!({ "name": "Film", "bodyMd": "{{a}} {{b}}", "variables": [{ "name": "b" }] });
    let answer = staff.post("/v1/contract-templates", &undeclared).await?;
    assert_eq!((refused(&answer), &answer.body["error"]["details"]["names"]), ((422, "VARIABLE_UNDECLARED"), &json!(["a"])));

    let template = json!({
        "name": "Film", "bodyMd": "# Film\n\n{{talent_name}} works. {{clause:overtime}}",
        "variables": [{ "name": "talent_name", "required": true }, { "name": "rate", "required": true }],
    });
    let template = office.made("/v1/contract-templates", template).await?.id();
    let path = format!("/v1/contract-templates/{template}");
    let body = json!({ "jobId": office.job, "templateId": template, "variables": {} });
    let answer = staff.post("/v1/contracts", &body).await?;
    assert_eq!((refused(&answer), &answer.body["error"]["details"]["names"]), ((422, "MISSING_VARIABLE"), &json!(["talent_name", "rate"])));
    let variables = json!({ "talent_name": "# Ada\n[x](y)", "rate": "{{talent_name}}" });
    let id = office.made("/v1/contracts", json!({ "jobId": office.job, "templateId": template, "variables": variables })).await?.id();
    let changed = expect(patch(staff, &path, json!({ "bodyMd": "# Film 2\n\n{{talent_name}} {{rate}}" })).await?, &[200])?;

    // The contract keeps the text of the version that it was made of, also when it is made anew.
    let contract = office.wait_for(id, |contract| contract["text"]["number"] == 1).await?;
    let text = contract["text"]["bodyMd"].as_str().unwrap();
    assert_eq!(text, "# Film\n\n\\# Ada \\[x\\]\\(y\\) works. Per hour: \\{\\{talent\\_name\\}\\}");
    assert_eq!(contract["text"]["hash"], sha256(text.as_bytes()));
    expect(patch(staff, &format!("/v1/contracts/{id}"), json!({ "variables": { "talent_name": "Ada" } })).await?, &[200])?;
    let contract = office.wait_for(id, |contract| contract["text"]["number"] == 2).await?;
    assert!(contract["text"]["bodyMd"].as_str().unwrap().starts_with("# Film\n\nAda works."), "{contract}");
    assert_eq!(contract["versions"].as_array().unwrap().len(), 2);
    let first = expect(staff.get(&format!("/v1/contracts/{id}/versions/1")).await?, &[200])?;
    assert_eq!(first.body["bodyMd"], text);

    let current = expect(staff.get_at(&path, changed.position.unwrap()).await?, &[200])?.body;
    assert_eq!((&current["version"], &current["versions"]), (&json!(2), &json!([1, 2])));
    let first = expect(staff.get(&format!("{path}?version=1")).await?, &[200])?.body;
    assert!(first["bodyMd"].as_str().unwrap().contains("clause:overtime"));
    assert_eq!(refused(&staff.get(&format!("{path}?version=3")).await?), (404, "TEMPLATE_NOT_FOUND"));
    let archived = expect(patch(staff, &path, json!({ "status": "archived" })).await?, &[200])?;
    let body = json!({ "jobId": office.job, "templateId": template, "variables": { "talent_name": "Ada", "rate": "1" } });
    assert_eq!(refused(&staff.post("/v1/contracts", &body).await?), (409, "TEMPLATE_NOT_PUBLISHED"));
    let missing = json!({ "jobId": office.job, "templateId": Uuid::new_v4(), "variables": {} });
    assert_eq!(refused(&staff.post("/v1/contracts", &missing).await?), (404, "TEMPLATE_NOT_FOUND"));
    let list = expect(staff.get_at("/v1/contract-templates?status=archived&q=FIL", archived.position.unwrap()).await?, &[200])?;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
    let list = expect(staff.get("/v1/clauses?tag=pay&q=over").await?, &[200])?;
    assert_eq!(list.body["items"][0]["key"], "overtime");
    assert_eq!(expect(staff.get("/v1/clauses?tag=other").await?, &[200])?.body["items"], json!([]));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn signers_sign_in_their_order_and_get_the_document_with_its_evidence() -> anyhow::Result<()> {
    // CTR-18..24, CTR-32..36, CTR-40, CTR-42, CTR-43
    let system = System::start().await?;
    let office = Office::new(&system, "").await?;
    let (staff, payer) = (office.staff(), office.payer());
    let id = office.contract(json!({ "title": "Shooting in Berlin" })).await?;
    let at = |action: &str| format!("/v1/contracts/{id}/{action}");
    assert_eq!(refused(&staff.post(&at("send"), &json!({})).await?), (422, "NO_SIGNERS"));
    let first = json!({ "partyId": office.flow.parties.payer_id, "partyType": "payer", "name": "Paula Payer", "order": 1 });
    office.made(&at("signers"), first.clone()).await?;
    assert_eq!(refused(&staff.post(&at("signers"), &first).await?), (409, "SIGNER_EXISTS"));
    let unreachable = json!({ "partyType": "witness", "name": "Nobody" });
    assert_eq!(refused(&staff.post(&at("signers"), &unreachable).await?), (422, "SIGNER_UNREACHABLE"));
    let second = json!({ "partyType": "witness", "name": "Wanda Witness", "email": "wanda@example.com", "order": 2 });
    let drafted = office.made(&at("signers"), second).await?;
    assert_eq!(payer.get_at(&format!("/v1/contracts/{id}"), drafted.position.unwrap()).await?.status, 404, "drafts are the staff's");
    assert_eq!(refused(&payer.post(&at("sign"), &signature(&json!("00"))).await?), (409, "INVALID_CONTRACT_TRANSITION"));

    let sent = office.made(&at("send"), json!({ "message": "Please sign." })).await?;
    assert_eq!(refused(&patch(staff, &format!("/v1/contracts/{id}"), json!({ "title": "x" })).await?), (409, "CONTRACT_NOT_DRAFT"));
    assert_eq!(refused(&staff.post(&at("send"), &json!({})).await?), (409, "INVALID_CONTRACT_TRANSITION"));
    let shown = expect(payer.get_at(&format!("/v1/contracts/{id}"), sent.position.unwrap()).await?, &[200])?.body;
    let hash = shown["text"]["hash"].clone();
    assert_eq!((&shown["status"], &shown["message"]), (&json!("sent"), &json!("Please sign.")), "CTR-47");
    assert_eq!(shown["variables"], Value::Null, "drafting is the staff's");
    let witness = shown["signerList"].as_array().unwrap().iter().find(|signer| signer["partyType"] == "witness").unwrap();
    assert_eq!((&witness["email"], &witness["status"]), (&Value::Null, &json!("pending")), "an address is not for everybody");

    let link = expect(staff.post(&at(&format!("signers/{}/link", witness["id"].as_str().unwrap())), &json!({})).await?, &[201])?;
    let link = link.body["path"].as_str().unwrap().to_owned();
    let stranger = reqwest::Client::new();
    let open = |path: &str| stranger.get(format!("{}{path}", system.base_url));
    let by_link = |path: &str, body: &Value| stranger.post(format!("{}{path}", system.base_url)).json(body);
    let page = expect(send(open(&link)).await?, &[200])?.body;
    assert_eq!((&page["documentHash"], &page["name"], &page["status"]), (&hash, &json!("Wanda Witness"), &json!("pending")));
    assert_eq!(page["bodyMd"], shown["text"]["bodyMd"]);
    let altered = format!("{}x", &link[..link.len() - 1]);
    assert_eq!(refused(&send(open(&altered)).await?), (403, "SIGNING_LINK_INVALID"));
    assert_eq!(refused(&send(by_link(&altered, &signature(&hash))).await?), (403, "SIGNING_LINK_INVALID"));
    assert_eq!(refused(&send(by_link(&link, &signature(&hash))).await?), (409, "NOT_YOUR_TURN"));

    let not_agreed = json!({ "typedName": CONSENTED, "consent": false, "documentHash": hash });
    assert_eq!(refused(&payer.post(&at("sign"), &not_agreed).await?), (422, "CONSENT_REQUIRED"));
    assert_eq!(refused(&payer.post(&at("sign"), &signature(&json!("00"))).await?), (409, "DOCUMENT_CHANGED"));
    let payee = &office.flow.parties.payee;
    assert_eq!(refused(&payee.post(&at("sign"), &signature(&hash)).await?), (403, "NOT_A_SIGNER"));
    let key = Uuid::new_v4().to_string();
    let signed = expect(payer.post_keyed(&at("sign"), &signature(&hash), &key).await?, &[200])?;
    assert_eq!(signed.body["status"], "partially_signed");
    assert!(payer.post_keyed(&at("sign"), &signature(&hash), &key).await?.replayed, "the same request again");
    assert_eq!(refused(&payer.post(&at("sign"), &signature(&hash)).await?), (409, "ALREADY_SIGNED"));
    let last = expect(send(by_link(&link, &json!({ "typedName": "W. Witness", "consent": true, "documentHash": hash }))).await?, &[200])?;
    assert_eq!(last.body["status"], "signed");
    assert_eq!(refused(&send(by_link(&link, &signature(&hash))).await?), (409, "INVALID_CONTRACT_TRANSITION"));
    assert_eq!(refused(&staff.post(&at("void"), &json!({ "reason": "late" })).await?), (409, "CONTRACT_NOT_VOIDABLE"), "CNF-12");
    let contract = office.wait_for(id, |contract| contract["status"] == "signed").await?;
    let signatures: Vec<_> = contract["signerList"].as_array().unwrap().iter().map(|signer| &signer["signature"]).collect();
    assert_eq!((&signatures[0]["method"], &signatures[1]["method"]), (&json!("in_app"), &json!("link")));
    assert!(signatures.iter().all(|signature| signature["ip"] == "127.0.0.1" && signature["documentHash"] == hash));

    let artifacts = office.artifacts(id, 2).await?;
    let hash = hash.as_str().unwrap();
    for (kind, texts) in [
        ("rendered_pdf", vec!["Shooting in Berlin", "ACME", "not signed"]),
        ("signed_pdf", vec!["Shooting in Berlin", "ACME", "Paula Payer", "W. Witness", CONSENTED, "127.0.0.1", hash]),
    ] {
        let artifact = artifacts.iter().find(|artifact| artifact["kind"] == kind).unwrap();
        let pdf = stranger.get(artifact["downloadUrl"].as_str().unwrap()).send().await?.error_for_status()?.bytes().await?;
        assert_eq!(artifact["sha256"], sha256(&pdf), "{kind}");
        assert_eq!(artifact["size"], pdf.len());
        let document = lopdf::Document::load_mem(&pdf)?;
        let pages: Vec<u32> = document.get_pages().keys().copied().collect();
        let text = document.extract_text(&pages)?.replace('\u{200B}', "").split_whitespace().collect::<Vec<_>>().join(" ");
        for wanted in texts {
            let found = text.contains(wanted) || text.replace(' ', "").contains(wanted);
            assert!(found, "{kind} has {wanted}: {text}");
        }
    }
    // Another tenant's or nobody's: it does not exist.
    let other = Office::new(&system, "").await?;
    for path in [format!("/v1/contracts/{id}"), at("artifacts")] {
        assert_eq!(refused(&other.staff().get(&path).await?), (404, "CONTRACT_NOT_FOUND"));
        assert_eq!(refused(&payee_of_nothing(&system, &office)?.get(&path).await?), (404, "CONTRACT_NOT_FOUND"));
    }
    let own = expect(payer.get("/v1/contracts?status=signed").await?, &[200])?;
    assert_eq!(own.body["items"].as_array().unwrap().len(), 1);
    system.verify()?;
    Ok(())
}

fn payee_of_nothing(system: &System, office: &Office) -> anyhow::Result<Client> {
    system.client(office.flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Talent])
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_03_escrows_of_milestones_add_up_to_the_one_division() -> anyhow::Result<()> {
    let system = System::start().await?;
    let settings = "[escrow.split]\npayeeBp = 7500\ntenantBp = 1900\nplatformBp = 600\n";
    let office = Office::new(&system, settings).await?;
    let milestone = |amount: &str| json!({ "title": amount, "amount": amount, "currency": "EUR" });
    let milestones = json!([milestone("3.33"), milestone("3.33"), milestone("3.34")]);
    let id = office.contract(json!({ "milestones": milestones })).await?;
    let contract = office.wait_for(id, |contract| contract["milestones"].as_array().is_some_and(|list| list.len() == 3)).await?;
    let mut sums = [Decimal::ZERO; 3];
    for milestone in contract["milestones"].as_array().unwrap() {
        let parties = ["payee", "tenant", "platform"];
        for (sum, party) in sums.iter_mut().zip(parties) {
            *sum += milestone["share"][party].as_str().unwrap().parse::<Decimal>()?;
        }
        let body = json!({
            "contractId": id, "milestoneId": milestone["id"], "payerId": office.flow.parties.payer_id,
            "payeeId": office.flow.parties.payee_id, "amount": milestone["amount"], "currency": "EUR",
        });
        let escrow = office.made("/v1/escrows", body).await?.id();
        let stored = office.flow.wait_for(escrow, |escrow| escrow["status"] == "created").await?;
        let text = stored.to_string();
        assert!(text.contains(milestone["share"]["payee"].as_str().unwrap()), "the milestone's own part: {text}");
    }
    assert_eq!(sums.map(|sum| sum.to_string()), ["7.50", "1.90", "0.60"]);
    let shown = office.wait_for(id, |contract| contract["milestones"][2]["escrowIds"].as_array().is_some_and(|ids| ids.len() == 1)).await?;
    assert_eq!(shown["milestones"][0]["share"]["payee"], "2.50");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_06_milestones_stand_while_money_is_asked_for_and_a_void_contract_ends_its_escrows() -> anyhow::Result<()> {
    let system = System::start().await?;
    let office = Office::new(&system, "automaticRefundLimitMinor = 100000000\n").await?;
    let milestones = json!([{ "title": "All", "amount": "100.00", "currency": "EUR" }]);
    let id = office.contract(json!({ "milestones": milestones })).await?;
    let contract = office.wait_for(id, |contract| contract["milestones"][0]["id"].is_string()).await?;
    let body = json!({
        "contractId": id, "milestoneId": contract["milestones"][0]["id"], "payerId": office.flow.parties.payer_id,
        "payeeId": office.flow.parties.payee_id, "amount": "100.00", "currency": "EUR",
    });
    let outdated = office.made("/v1/escrows", body).await?.id();
    office.wait_for(id, |contract| contract["milestones"][0]["escrowIds"] == json!([outdated])).await?;
    let more = json!({ "milestones": [{ "title": "All", "amount": "200.00", "currency": "EUR" }] });
    expect(patch(office.staff(), &format!("/v1/contracts/{id}"), more.clone()).await?, &[200])?;
    office.flow.wait_for(outdated, |escrow| escrow["status"] == "cancelled").await?;

    let contract = office.wait_for(id, |contract| contract["milestones"][0]["amount"] == "200.00").await?;
    let body = json!({
        "contractId": id, "milestoneId": contract["milestones"][0]["id"], "payerId": office.flow.parties.payer_id,
        "payeeId": office.flow.parties.payee_id, "amount": "200.00", "currency": "EUR",
    });
    let escrow = office.made("/v1/escrows", body).await?.id();
    office.flow.fill("200.00").await?;
    office.flow.wallet_has("200.00").await?;
    office.flow.fund(escrow).await?;
    let mut answer = patch(office.staff(), &format!("/v1/contracts/{id}"), more.clone()).await?;
    for _ in 0..100 {
        if answer.status == 409 {
            break;
        }
        // The contract hears of the funding by a reaction.
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = patch(office.staff(), &format!("/v1/contracts/{id}"), more.clone()).await?;
    }
    assert_eq!(refused(&answer), (409, "CONTRACT_HAS_ESCROW"), "{}", answer.text);
    assert_eq!(answer.body["error"]["details"]["escrowIds"], json!([escrow]));
    office.made(&format!("/v1/contracts/{id}/void"), json!({ "reason": "called off" })).await?;
    let ended = office.flow.wait_for(escrow, |escrow| !matches!(escrow["status"].as_str(), Some("funded"))).await?;
    assert!(matches!(ended["status"].as_str().unwrap(), "refunded" | "closed"), "{ended}");
    let shown = office.wait_for(id, |contract| contract["status"] == "void").await?;
    assert_eq!((&shown["voidReason"], &shown["milestones"][0]["status"]), (&json!("called off"), &json!("cancelled")));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_believed_by_its_signature_and_by_nothing_else() -> anyhow::Result<()> {
    // CTR-25, CTR-41
    let peer = Peer::start(2).await?;
    let system = System::start_set(&peer.settings()).await?;
    let office = Office::new(&system, "[contract]\nsigningProvider = \"http\"\n").await?;
    let id = office.sent().await?;
    let contract = office.wait_for(id, |contract| contract["envelopeId"].is_string()).await?;
    let created = peer.requests().into_iter().find(|request| request.path == "/envelopes" && request.answered == 200).unwrap();
    assert_eq!(peer.requests().iter().filter(|request| request.answered == 503).count(), 2, "it was asked again");
    assert!(peer.requests().iter().all(|request| request.key == created.key && request.token == "Bearer key"), "under the same key");
    assert_eq!(created.body["signers"][0]["name"], "Paula Payer");
    let hash = contract["text"]["hash"].clone();
    assert_eq!(created.body["metadata"]["documentHash"], hash);
    let at = format!("/v1/contracts/{id}/sign");
    assert_eq!(refused(&office.payer().post(&at, &signature(&hash)).await?), (409, "SIGNED_AT_PROVIDER"));

    let signers: Vec<_> = contract["signerList"].as_array().unwrap().iter().map(|signer| signer["id"].clone()).collect();
    let event = |signer: &Value, envelope: &str| {
        json!({ "type": "signer.signed", "data": {
            "envelopeId": envelope, "metadata": created.body["metadata"], "signerId": signer, "typedName": "P. Payer", "ip": "192.0.2.7",
        }})
    };
    let envelope = contract["envelopeId"].as_str().unwrap();
    let good = event(&signers[0], envelope).to_string();
    let now = chrono::Utc::now().timestamp();
    let before = contract["version"].clone();
    let deliver =
        |id: &str, at: i64, secret: &str, signed: &str, sent: &str| signed_webhook(&system.base_url, id, at, secret, signed, sent);
    let other = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3RoZXI=";
    for (why, request) in [
        ("ten minutes old", deliver("m1", now - 600, SECRET, &good, &good)),
        ("altered", deliver("m1", now, SECRET, &good, &event(&signers[1], envelope).to_string())),
        ("another secret", deliver("m1", now, other, &good, &good)),
        ("no signature", reqwest::Client::new().post(format!("{}/v1/esign/webhook", system.base_url)).body(good.clone())),
    ] {
        assert_eq!(refused(&send(request).await?), (401, "WEBHOOK_SIGNATURE_INVALID"), "{why}");
    }
    assert_eq!(office.seen(id).await?["version"], before, "nothing was stored");
    let outcome = |answer: &Answer| answer.body["outcome"].as_str().unwrap_or_default().to_owned();
    let first = expect(send(deliver("m1", now, SECRET, &good, &good)).await?, &[200])?;
    assert_eq!(outcome(&first), "recorded", "{}", first.text);
    let repeated = expect(send(deliver("m1", now, SECRET, &good, &good)).await?, &[200])?;
    assert_eq!(outcome(&repeated), "repeated");
    let twice = expect(send(deliver("m1-again", now, SECRET, &good, &good)).await?, &[200])?;
    assert_eq!(outcome(&twice), "repeated", "the same signature under another id");
    let unknown = event(&signers[1], "no-such-envelope").to_string();
    assert_eq!(outcome(&expect(send(deliver("m2", now, SECRET, &unknown, &unknown)).await?, &[200])?), "ignored");
    let news = json!({ "type": "envelope.viewed", "data": {} }).to_string();
    assert_eq!(outcome(&expect(send(deliver("m3", now, SECRET, &news, &news)).await?, &[200])?), "ignored");
    let last = event(&signers[1], envelope).to_string();
    expect(send(deliver("m4", now, SECRET, &last, &last)).await?, &[200])?;
    let signed = office.wait_for(id, |contract| contract["status"] == "signed").await?;
    assert_eq!(signed["signerList"][0]["signature"]["method"], "http");
    office.artifacts(id, 2).await?;

    // A contract that is void is taken back from the provider.
    let id = office.sent().await?;
    let contract = office.wait_for(id, |contract| contract["envelopeId"].is_string()).await?;
    office.made(&format!("/v1/contracts/{id}/void"), json!({ "reason": "called off" })).await?;
    let path = format!("/envelopes/{}/void", contract["envelopeId"].as_str().unwrap());
    for _ in 0..400 {
        if peer.requests().iter().any(|request| request.path == path) {
            system.verify()?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the envelope was not taken back")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_behaves_like_a_provider_that_misbehaves() -> anyhow::Result<()> {
    // CTR-41
    let faults = "faults = ['duplicate', 'reordered', 'late', 'wrong_signature']";
    let system = System::start_set(&format!("[esign.sandbox]\nwebhook_secret = '{SECRET}'\n{faults}\n")).await?;
    let office = Office::new(&system, "[contract]\nsigningProvider = \"sandbox\"\n").await?;
    let id = office.sent().await?;
    let contract = office.wait_for(id, |contract| contract["status"] == "signed").await?;
    assert!(contract["signerList"].as_array().unwrap().iter().all(|signer| signer["signature"]["method"] == "sandbox"));
    office.artifacts(id, 2).await?;
    let log = system.log_database().await?;
    let signatures: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'contract.signature_recorded'").fetch_one(&log).await?;
    assert_eq!(signatures, 2, "each signature once, however often it was told");
    system.verify()?;
    Ok(())
}
