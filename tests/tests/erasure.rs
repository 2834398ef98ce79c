//! The erasure of a person, whole: what was written about them is nowhere any more (ADM-25, CNF-33, protocols 10).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use chrono::{DurationRound as _, TimeDelta, Utc};
use futures::StreamExt as _;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Client, Flow, System, bank_reference, expect, send};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

/// A word that stands nowhere else, for one field.
fn canary(field: &str) -> String {
    format!("canary-{}-{field}", Uuid::new_v4().simple())
}

/// Every row of every table, as one text per table.
async fn dump(database: &PgPool) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(database)
    .await
    .unwrap();
    let mut dumped = Vec::new();
    for table in tables {
        let rows: Option<String> = sqlx::query_scalar(&format!("SELECT string_agg(row_to_json(t)::text, E'\\n') FROM {table} t"))
            .fetch_one(database)
            .await
            .unwrap();
        dumped.push((table, rows.unwrap_or_default()));
    }
    dumped
}

/// Every message of the tenant that the stream keeps.
async fn messages(url: &str, flow: &Flow) -> String {
    let context = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
    let stream = context.get_stream("EVENTS").await.unwrap();
    let config = async_nats::jetstream::consumer::pull::OrderedConfig {
        filter_subject: format!("events.{}.>", flow.parties.tenant_id),
        ..Default::default()
    };
    let mut all = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let mut text = String::new();
    while let Ok(Some(Ok(message))) = tokio::time::timeout(Duration::from_secs(2), all.next()).await {
        text.push_str(&String::from_utf8_lossy(&message.payload));
        text.push_str(&format!("{:?}\n", message.headers));
    }
    text
}

/// People, and what was written under each one's key.
struct Story {
    flow: Flow,
    decider: Client,
    decider_id: PartyId,
    contract: Uuid,
    dispute: Uuid,
    escrow: Uuid,
    /// Where the API shows what is personal.
    shown_at: Vec<String>,
    /// Sealed for the talent and the decider: (canary, shown by the API).
    theirs: Vec<(String, bool)>,
    /// Sealed for others, and for things that outlive the people in them.
    others: Vec<String>,
}

fn png() -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[7; 54]].concat()
}

async fn upload(client: &Client, dispute: Uuid, file_name: &str) -> Uuid {
    let file = json!({
        "ownerType": "dispute_evidence", "ownerId": dispute, "kind": "photo", "mime": "image/png", "size": 70, "fileName": file_name,
    });
    let ticket = expect(client.post("/v1/assets/presign-upload", &file).await.unwrap(), &[201]).unwrap();
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut put = plain.put(ticket.body["upload"]["url"].as_str().unwrap()).body(png());
    for (name, value) in ticket.body["upload"]["headers"].as_object().unwrap() {
        put = put.header(name, value.as_str().unwrap());
    }
    assert_eq!(send(put).await.unwrap().status, 204);
    expect(client.post("/v1/assets/confirm-upload", &json!({ "assetId": ticket.id() })).await.unwrap(), &[200]).unwrap();
    ticket.id()
}

impl Story {
    /// Every personal field of the API that a talent or a decider fills or is described by, with a canary in it; the case is left open.
    async fn told(system: &System) -> anyhow::Result<Self> {
        let flow = Flow::new(system, system.tenant("")?)?;
        let (staff, talent, payer, platform) = (&flow.parties.staff, &flow.parties.payee, &flow.parties.payer, &flow.parties.platform);
        let (talent_id, tenant_id) = (flow.parties.payee_id, flow.parties.tenant_id);
        let decider_id = PartyId(Uuid::new_v4());
        let decider = system.client(tenant_id, decider_id, &[Role::TenantAdmin])?;
        let (mut theirs, mut others) = (Vec::new(), Vec::new());
        let mut plant = |field: &str, shown: bool| {
            let word = canary(field);
            theirs.push((word.clone(), shown));
            word
        };
        let mut plant_other = |field: &str| {
            let word = canary(field);
            others.push(word.clone());
            word
        };

        // Casting and booking.
        let body = json!({ "title": "Show", "brief": { "roles": ["model"] }, "location": "Milan", "startTs": "2030-05-01T09:00:00Z", "endTs": "2030-05-02T18:00:00Z" });
        let job = expect(staff.post("/v1/jobs", &body).await?, &[201])?.id();
        expect(staff.post(&format!("/v1/jobs/{job}/publish"), &json!({})).await?, &[200])?;
        let notes = json!({ "notes": plant("submission-notes", true) });
        expect(talent.post(&format!("/v1/jobs/{job}/submissions"), &notes).await?, &[201])?;
        let from = Utc::now().duration_trunc(TimeDelta::days(1))? + TimeDelta::days(3);
        let slot = json!({ "from": from, "to": from + TimeDelta::hours(8) });
        let body = json!({
            "talentId": talent_id, "payerId": flow.parties.payer_id, "schedule": slot, "location": plant("booking-location", true),
            "price": "1000.00", "currency": "EUR",
        });
        let booking = expect(staff.post(&format!("/v1/jobs/{job}/bookings"), &body).await?, &[201])?.id();
        let sheet = json!({ "content": { "title": plant_other("call-sheet") } });
        let put = staff.request(Method::PUT, &format!("/v1/bookings/{booking}/callsheet"));
        expect(send(put.header("Idempotency-Key", Uuid::new_v4().to_string()).json(&sheet)).await?, &[200])?;

        // A contract, signed by the talent; its text has a key of its own.
        let signers = json!([
            { "partyId": talent_id, "partyType": "talent", "name": plant("signer-name", true), "email": format!("{}@example.com", plant("signer-email", false)) },
            { "partyId": flow.parties.payer_id, "partyType": "payer", "name": plant_other("payer-name") },
        ]);
        let body = json!({
            "jobId": job, "payerId": flow.parties.payer_id, "payeeId": talent_id, "signers": signers,
            "variables": { "payer": "ACME", "talent": plant_other("contract-text"), "title": "S", "from": "9", "to": "17", "price": "10", "currency": "EUR" },
        });
        let contract = expect(staff.post("/v1/contracts", &body).await?, &[200, 201])?.id();
        let sent =
            expect(staff.post(&format!("/v1/contracts/{contract}/send"), &json!({ "message": plant_other("message") })).await?, &[200])?;
        let shown = expect(talent.get_at(&format!("/v1/contracts/{contract}"), sent.position.unwrap()).await?, &[200])?.body;
        let signature = json!({ "typedName": plant("typed-name", true), "consent": true, "documentHash": shown["text"]["hash"] });
        let sign = talent.request(Method::POST, &format!("/v1/contracts/{contract}/sign")).header("User-Agent", plant("user-agent", false));
        expect(send(sign.header("Idempotency-Key", Uuid::new_v4().to_string()).json(&signature)).await?, &[200])?;

        // Money, work and a dispute about it.
        let receipt = json!({
            "bankReference": bank_reference(), "payerId": talent_id, "amount": "5.00", "currency": "EUR",
            "receivedAt": "2026-01-01T00:00:00Z", "remitterName": plant("remitter", false),
        });
        expect(platform.post("/v1/bank-receipts", &receipt).await?, &[201])?;
        let escrow = flow.started("1000.00").await?;
        let delivery = json!({ "assetIds": [Uuid::new_v4()], "note": plant("delivery-note", true), "gps": plant("delivery-gps", true) });
        flow.act(talent, escrow, "submit-delivery", &delivery).await?;
        let dispute = flow.dispute(talent, escrow, &json!({ "reason": plant("dispute-reason", true), "disputeType": "other" })).await?;
        let file = upload(talent, dispute, &plant("file-name", true)).await;
        let evidence = json!({ "assetId": file, "note": plant("evidence-note", true) });
        expect(flow.ask_case(talent, dispute, "evidence", &evidence).await?, &[200])?;
        let file = upload(payer, dispute, &plant_other("payer-file")).await;
        let evidence = json!({ "assetId": file, "note": plant_other("payer-note") });
        expect(flow.ask_case(payer, dispute, "evidence", &evidence).await?, &[200])?;

        // Something that the decider writes before a decision: an approval of another escrow.
        let second = flow.delivered("20.00").await?;
        flow.act(&decider, second, "approve", &json!({ "note": plant("approval-note", true) })).await?;

        let shown_at = vec![
            format!("/v1/jobs/{job}/submissions"),
            format!("/v1/bookings/{booking}"),
            format!("/v1/bookings/{booking}/callsheet"),
            format!("/v1/contracts/{contract}"),
            format!("/v1/escrows/{escrow}/events"),
            format!("/v1/escrows/{second}/events"),
            format!("/v1/disputes/{dispute}"),
            format!("/v1/assets?ownerId={dispute}"),
            "/v1/bookings".to_owned(),
            "/v1/contracts".to_owned(),
            "/v1/disputes".to_owned(),
            "/v1/audit".to_owned(),
        ];
        Ok(Self { flow, decider, decider_id, contract, dispute, escrow, shown_at, theirs, others })
    }

    /// The case is decided, with a reason of the decider's.
    async fn decided(&mut self) -> anyhow::Result<()> {
        let rationale = canary("rationale");
        let staff = &self.flow.parties.staff;
        expect(self.flow.ask_case(staff, self.dispute, "assign", &json!({ "assigneeId": self.decider_id })).await?, &[200])?;
        let decision = json!({ "decision": "refund", "rationale": rationale });
        expect(self.flow.ask_case(&self.decider, self.dispute, "decision", &decision).await?, &[200])?;
        self.theirs.push((rationale, true));
        self.flow.wait_for_case(self.dispute, |case| case["status"] == "closed").await?;
        self.flow.wait_for(self.escrow, |escrow| escrow["status"] == "closed").await?;
        Ok(())
    }

    /// All answers of the API that show something of it, to all who may see.
    async fn answers(&self) -> anyhow::Result<String> {
        let mut all = String::new();
        for client in [&self.flow.parties.staff, &self.flow.parties.payee, &self.flow.parties.payer, &self.flow.parties.platform] {
            for path in &self.shown_at {
                all.push_str(&client.get(path).await?.text);
            }
        }
        Ok(all)
    }

    async fn erase(&self, subject: PartyId) -> anyhow::Result<Value> {
        let path = format!("/v1/privacy/persons/{subject}");
        let body = json!({ "confirm": subject, "reason": "person_request" });
        let staff = &self.flow.parties.staff;
        let erased = expect(staff.post(&format!("{path}/erase"), &body).await?, &[200])?;
        for _ in 0..400 {
            let seen = staff.get_at(&format!("{path}/certificate"), erased.position.unwrap()).await?;
            if seen.body["status"] == "keys_destroyed" {
                return Ok(seen.body);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("the keys were not destroyed")
    }
}

/// With logs of everything, so that nothing can hide behind a filter.
async fn talkative() -> anyhow::Result<System> {
    let mut system = System::start().await?;
    system.kill()?;
    let settings = std::fs::read_to_string(system.settings_file())?.replace("log = 'warn'", "log = 'debug,sqlx=info,h2=info,hyper=info'");
    std::fs::write(system.settings_file(), settings)?;
    system.serve().await?;
    Ok(system)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_about_an_erased_person_is_left_anywhere() -> anyhow::Result<()> {
    // ADM-25, CNF-33, NFR-27, protocols 10
    let system = talkative().await?;
    let mut story = Story::told(&system).await?;
    let (talent_id, decider_id, staff) = (story.flow.parties.payee_id, story.decider_id, story.flow.parties.staff.clone());
    let path = |subject: PartyId, what: &str| format!("/v1/privacy/persons/{subject}/{what}");
    let yes = |subject: PartyId| json!({ "confirm": subject, "reason": "person_request" });

    // While the case is open, what they said is evidence (CNF-33).
    let refused = staff.post(&path(talent_id, "erase"), &yes(talent_id)).await?;
    assert_eq!((refused.status, refused.code()), (409, "PERSON_IN_OPEN_DISPUTE"), "{}", refused.text);
    assert_eq!(refused.body["error"]["details"]["disputeIds"], json!([story.dispute]));
    story.decided().await?;

    // Before: it is where it should be, and only there.
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    let answers = story.answers().await?;
    for (word, shown) in &story.theirs {
        assert!(!shown || answers.contains(word.as_str()), "{word} is shown nowhere: the test looks in the wrong place");
    }
    let (log, read) = (system.log_database().await?, system.read_database().await?);
    let in_read = dump(&read).await;
    for (word, _) in story.theirs.iter().filter(|(_, shown)| *shown) {
        assert!(in_read.iter().any(|(_, rows)| rows.contains(word.as_str())), "{word} is in no read model");
    }
    let words: Vec<&str> = story.theirs.iter().map(|(word, _)| word.as_str()).chain(story.others.iter().map(String::as_str)).collect();
    for (table, rows) in dump(&log).await {
        assert_eq!(words.iter().find(|word| rows.contains(**word)), None, "the log's {table} holds a plain value");
    }

    // Wrong requests change nothing.
    let another = staff.post(&path(talent_id, "erase"), &yes(decider_id)).await?;
    assert_eq!((another.status, &another.body["error"]["details"]["field"]), (400, &json!("confirm")), "{}", another.text);
    let unsaid = staff.post(&path(talent_id, "erase"), &json!({ "reason": "person_request" })).await?;
    assert_eq!((unsaid.status, &unsaid.body["error"]["details"]["field"]), (400, &json!("confirm")), "{}", unsaid.text);
    let nobody = PartyId(Uuid::new_v4());
    let unknown = staff.post(&path(nobody, "erase"), &yes(nobody)).await?;
    assert_eq!((unknown.status, unknown.code()), (404, "PERSON_NOT_FOUND"));
    let contract = PartyId(story.contract);
    let evidence = staff.post(&path(contract, "erase"), &yes(contract)).await?;
    assert_eq!((evidence.status, evidence.code()), (409, "PERSON_IS_CONTRACT"), "{}", evidence.text);
    let none = staff.get(&path(talent_id, "certificate")).await?;
    assert_eq!((none.status, none.code()), (404, "PERSON_NOT_ERASED"));

    let certificate = story.erase(talent_id).await?;
    assert_eq!((&certificate["subject"], &certificate["tenantId"]), (&json!(talent_id), &json!(story.flow.parties.tenant_id)));
    assert_eq!((&certificate["keys"], &certificate["reason"]), (&json!(1), &json!("person_request")), "{certificate}");
    assert!(certificate["keysDestroyedPosition"].as_i64() > certificate["erasedPosition"].as_i64(), "{certificate}");
    let again = expect(staff.post(&path(talent_id, "erase"), &yes(talent_id)).await?, &[200])?;
    assert_eq!(again.body["events"], json!([]), "once is enough");

    // The command line does the same to the decider.
    let said = system.run(&[
        "person",
        "erase",
        "--tenant",
        &story.flow.parties.tenant_id.to_string(),
        "--subject",
        &decider_id.to_string(),
        "--confirm",
        &decider_id.to_string(),
    ])?;
    assert!(said.starts_with("erased at position"), "{said}");
    for _ in 0..400 {
        if staff.get(&path(decider_id, "certificate")).await?.body["status"] == "keys_destroyed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }

    // After: nowhere, and the read models are what a rebuild makes of the log.
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    let answers = story.answers().await?;
    let mut places = dump(&log).await;
    places.extend(dump(&read).await);
    places.push(("answers".to_owned(), answers.clone()));
    places.push(("server's log".to_owned(), system.log()));
    if let Some(url) = &system.nats_url {
        let messages = messages(url, &story.flow).await;
        assert!(messages.contains("person.keys_destroyed"), "the stream was read to its end");
        places.push(("NATS".to_owned(), messages));
    }
    for (word, _) in &story.theirs {
        for (place, text) in &places {
            assert!(!text.contains(word.as_str()), "{word} is still in {place}");
        }
    }
    // Other people's words, and texts that outlive those who are named in them, stay.
    for word in &story.others {
        assert!(answers.contains(word.as_str()), "{word} is gone");
    }

    // No new key for somebody who was erased: nothing personal is taken any more.
    let live: i64 =
        sqlx::query_scalar("SELECT count(*) FROM subject_keys WHERE subject = $1 AND (destroyed_at IS NULL OR wrapped_key IS NOT NULL)")
            .bind(talent_id.uuid())
            .fetch_one(&log)
            .await?;
    assert_eq!(live, 0);
    let body = json!({ "title": "Another", "brief": { "roles": ["model"] }, "location": "Milan", "startTs": "2030-06-01T09:00:00Z", "endTs": "2030-06-02T18:00:00Z" });
    let job = expect(staff.post("/v1/jobs", &body).await?, &[201])?.id();
    expect(staff.post(&format!("/v1/jobs/{job}/publish"), &json!({})).await?, &[200])?;
    // A process may hold a key for ten seconds (docs/privacy.md, "Caches"); what it seals with it nobody can open.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let late = json!({ "talentId": talent_id, "notes": "late" });
    let refused = staff.post(&format!("/v1/jobs/{job}/submissions"), &late).await?;
    assert_eq!((refused.status, refused.code()), (409, "PERSON_ERASED"), "{}", refused.text);
    Ok(())
}
