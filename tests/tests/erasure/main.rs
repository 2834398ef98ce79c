//! The erasure of a person, whole: what was written about them is nowhere any more (ADM-25, CNF-33, protocols 10).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod look;
mod story;

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::personal::sealed_fields;
use holdfast_tests::{System, expect};
use look::{dump, messages, sealed_fields_met};
use serde_json::{Value, json};
use story::{Story, shows};
use uuid::Uuid;

/// With logs of everything, so that nothing can hide behind a filter.
async fn talkative() -> anyhow::Result<System> {
    let mut system = System::start_set("[seals]\nevery_s = 1\n").await?;
    system.kill()?;
    let settings = std::fs::read_to_string(system.settings_file())?.replace("log = 'warn'", "log = 'debug,sqlx=info,h2=info,hyper=info'");
    std::fs::write(system.settings_file(), settings)?;
    system.serve().await?;
    Ok(system)
}

/// Sealed fields that no canary can get into, and why.
const WITHOUT_CANARY: &[(&str, &str)] = &[
    ("booking.accepted /fact/accepted/agreement/body", "made here from the template, of ids, dates and amounts"),
    ("contract.signature_recorded /fact/signature_recorded/signature/ip", "an address, taken from the connection"),
];

/// The certificate of docs/privacy.md, verified by what stands there.
fn verify_by_the_page(signed: &Value, key: &str) {
    let text = |pointer: &str| {
        let value = signed.pointer(pointer).unwrap();
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    let lines = [
        "/tenantId",
        "/subject",
        "/requestedBy",
        "/reason",
        "/erasedEventId",
        "/erasedPosition",
        "/erasedAt",
        "/keysDestroyedEventId",
        "/keysDestroyedPosition",
        "/keysDestroyedAt",
        "/keys",
        "/leafHash",
        "/seal/size",
        "/seal/root",
        "/seal/sealedAt",
    ];
    let text: String = std::iter::once("holdfast-erasure/1".to_owned()).chain(lines.map(text)).map(|line| line + "\n").collect();
    let key: [u8; 32] = BASE64.decode(key).unwrap().try_into().unwrap();
    let signature: [u8; 64] = BASE64.decode(signed["signature"].as_str().unwrap()).unwrap().try_into().unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&key).unwrap();
    key.verify_strict(text.as_bytes(), &ed25519_dalek::Signature::from_bytes(&signature)).unwrap();
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
    for (word, shown) in &story.words.theirs {
        assert!(!shown || answers.contains(word.as_str()), "{word} is shown nowhere: the test looks in the wrong place");
    }
    let (log, read) = (system.log_database().await?, system.read_database().await?);
    let in_read = dump(&read).await;
    for (word, _) in story.words.theirs.iter().filter(|(_, shown)| *shown) {
        assert!(in_read.iter().any(|(_, rows)| rows.contains(word.as_str())), "{word} is in no read model");
    }
    let words = story.words.all();
    for (table, rows) in dump(&log).await {
        assert_eq!(words.iter().find(|word| rows.contains(**word)), None, "the log's {table} holds a plain value");
    }

    // Every field that can be sealed was, with a canary: whoever adds one adds it to the story, or says why not.
    let (met, with_canary) = sealed_fields_met(&system, &story.flow).await?;
    let expected = sealed_fields();
    assert_eq!(met, expected, "sealed fields that the story leaves out, or that no schema knows");
    let without: BTreeSet<String> = WITHOUT_CANARY.iter().map(|(field, _)| (*field).to_owned()).collect();
    assert_eq!(expected.difference(&with_canary).cloned().collect::<BTreeSet<_>>(), without, "sealed without a canary");

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
    let signed = &certificate["signed"];
    for field in ["subject", "tenantId", "requestedBy", "reason", "erasedEventId", "erasedPosition", "keys", "keysDestroyedPosition"] {
        assert_eq!(signed[field], certificate[field], "{field}");
    }
    assert!(signed["seal"]["size"].as_i64() >= signed["keysDestroyedPosition"].as_i64(), "{signed}");
    let key = staff.get("/.well-known/holdfast-seal-keys.json").await?.body["keys"][0]["publicKey"].as_str().unwrap().to_owned();
    verify_by_the_page(signed, &key);
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
    shows(&staff, &path(decider_id, "certificate"), |certificate| !certificate["signed"].is_null()).await?;
    let (tenant, decider) = (story.flow.parties.tenant_id.to_string(), decider_id.to_string());
    let file = system.settings_file().with_extension("json");
    let written = system.run(&["person", "certificate", "--tenant", &tenant, "--subject", &decider])?;
    std::fs::write(&file, &written)?;
    let verify = ["person", "verify", file.to_str().unwrap(), "--key", &key];
    assert!(system.run(&verify)?.contains("1 keys were destroyed"));
    std::fs::write(&file, written.replace("person_request", "legal_order"))?;
    let refused = system.run(&verify).unwrap_err().to_string();
    assert!(refused.contains("NOT VERIFIED"), "{refused}");
    std::fs::write(&file, serde_json::to_string(&certificate)?)?;
    system.run(&verify)?;

    // After: nowhere, and the read models are what a rebuild makes of the log.
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    let answers = story.answers().await?;
    let mut places = dump(&log).await;
    places.extend(dump(&read).await);
    places.push(("answers".to_owned(), answers.clone()));
    places.push(("server's log".to_owned(), system.log()));
    let auditor = system.client(story.flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Auditor])?;
    for path in ["/v1/audit/export", "/v1/exports/audit-logs?format=csv"] {
        let export = expect(auditor.get(path).await?, &[200])?.text;
        assert!(export.contains("person.keys_destroyed"), "{path} goes to the end");
        places.push((path.to_owned(), export));
    }
    if let Some(url) = &system.nats_url {
        let messages = messages(url, &story.flow).await;
        assert!(messages.contains("person.keys_destroyed"), "the stream was read to its end");
        places.push(("NATS".to_owned(), messages));
    }
    for (word, _) in &story.words.theirs {
        for (place, text) in &places {
            assert!(!text.contains(word.as_str()), "{word} is still in {place}");
        }
    }
    // Other people's words, and texts that outlive those who are named in them, stay.
    for word in &story.words.others {
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
    // At once, where the keys were destroyed; within ten seconds elsewhere (docs/privacy.md, "Caches").
    let late = json!({ "talentId": talent_id, "notes": "late" });
    let refused = staff.post(&format!("/v1/jobs/{job}/submissions"), &late).await?;
    assert_eq!((refused.status, refused.code()), (409, "PERSON_ERASED"), "{}", refused.text);
    Ok(())
}
