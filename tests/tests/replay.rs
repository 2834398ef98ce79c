//! Auditors replay the log (ANA-29, ANA-36, ANA-38, NFR-128), and each look of theirs is in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, Flow, System, expect};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

fn auditor(system: &System, flow: &Flow) -> anyhow::Result<Client> {
    system.client(flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Auditor])
}

/// How many accesses the tenant's log holds.
async fn accesses(system: &System, flow: &Flow) -> anyhow::Result<i64> {
    let log = system.log_database().await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM events WHERE tenant_id = $1 AND event_type = 'access.recorded'")
        .bind(flow.parties.tenant_id.uuid())
        .fetch_one(&log)
        .await?;
    log.close().await;
    Ok(count)
}

fn items(answer: &Answer) -> &Vec<Value> {
    answer.body["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text))
}

async fn seen(client: &Client, path: &str) -> anyhow::Result<Answer> {
    expect(client.get(path).await?, &[200])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_replayed_in_order_and_its_state_is_what_was_answered_then() -> anyhow::Result<()> {
    // ANA-38
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let auditor = auditor(&system, &flow)?;
    flow.fill("80.00").await?;
    let id = flow.create("80.00").await?;
    flow.wallet_has("80.00").await?;
    flow.fund(id).await?;
    let mut then = Vec::new();
    for (client, action, body) in [
        (&flow.parties.staff, "start", json!({})),
        (&flow.parties.payee, "submit-delivery", json!({ "assetIds": [Uuid::new_v4()] })),
        (&flow.parties.staff, "approve", json!({})),
    ] {
        then.push(flow.act(client, id, action, &body).await?);
    }
    // In order, over pages, from a version on.
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = seen(&auditor, &format!("/v1/streams/{id}/events?limit=2{cursor}")).await?;
        assert!(items(&page).len() <= 2);
        events.extend(items(&page).clone());
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for (n, event) in (1_i64..).zip(&events) {
        assert_eq!((event["sequence"].as_i64(), event["aggregateType"].as_str()), (Some(n), Some("escrow")), "{event}");
        assert_eq!(event["eventId"], event["metadata"]["eventId"], "{event}");
        assert!(event["payload"].is_object() && event["recordedAt"].is_string() && event["eventVersion"] == "1", "{event}");
    }
    assert_eq!(events[0]["eventType"], "escrow.created");
    assert!(events.is_sorted_by_key(|event| event["position"].as_i64()));
    let later = seen(&auditor, &format!("/v1/streams/{id}/events?fromVersion=3")).await?;
    assert_eq!(items(&later)[..], events[2..]);
    // The state at a version, a position and a time is what the escrow answered then.
    for answer in &then {
        let (version, status) = (answer.body["version"].as_i64().unwrap(), &answer.body["status"]);
        let event = &events[usize::try_from(version)? - 1];
        let at = event["recordedAt"].as_str().unwrap();
        for moment in [format!("sequence={version}"), format!("position={}", answer.position.unwrap()), format!("at={at}")] {
            let state = seen(&auditor, &format!("/v1/streams/{id}/state?{moment}")).await?;
            assert_eq!((state.body["version"].as_i64(), &state.body["status"]), (Some(version), status), "{moment}: {}", state.text);
            assert!(state.body["state"].is_object());
        }
    }
    let (now, escrow) = (seen(&auditor, &format!("/v1/streams/{id}/state")).await?, flow.escrow(id).await?);
    assert_eq!((&now.body["status"], &now.body["version"]), (&escrow["status"], &escrow["version"]));
    let beyond = auditor.get(&format!("/v1/streams/{id}/state?sequence=1000")).await?;
    assert_eq!((beyond.status, beyond.code()), (404, "STREAM_STATE_NOT_FOUND"));
    for (query, field) in [("sequence=1&position=2", "position"), ("sequence=x", "sequence"), ("upTo=1", "upTo")] {
        let refused = auditor.get(&format!("/v1/streams/{id}/state?{query}")).await?;
        assert_eq!((refused.status, refused.body["error"]["details"]["field"].as_str()), (400, Some(field)), "{}", refused.text);
    }
    // The same over the command line, which is written down too.
    let before = accesses(&system, &flow).await?;
    let (tenant, id) = (flow.parties.tenant_id.to_string(), id.to_string());
    let said = system.run(&["replay", "stream", &tenant, &id])?;
    let lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines, events);
    let state: Value = serde_json::from_str(&system.run(&["replay", "state", &tenant, &id, "--sequence", "1"])?)?;
    assert_eq!((&state["version"], &state["aggregateType"]), (&json!(1), &json!("escrow")));
    let told: Value = serde_json::from_str(&system.run(&["replay", "explain", &tenant, "--escrow", &id])?)?;
    assert_eq!(told["subject"]["status"], escrow["status"]);
    let csv = system.run(&["replay", "log", &tenant, "--entity-id", &id, "--format", "csv"])?;
    assert_eq!(csv.lines().count(), events.len() + 1, "{csv}");
    assert_eq!(accesses(&system, &flow).await?, before + 4);
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_a_balance_sums_to_the_balance() -> anyhow::Result<()> {
    // ANA-38
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let auditor = auditor(&system, &flow)?;
    let escrow = flow.approved("80.00").await?;
    flow.fill("20.50").await?;
    flow.wait_for_wallet("20.50").await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let wallets = expect(flow.parties.staff.get(&format!("/v1/wallets?ownerId={}", flow.parties.payer_id)).await?, &[200])?;
    let wallet = &items(&wallets)[0];
    let (mut cursor, mut sums, mut caused) = (String::new(), std::collections::BTreeMap::<String, Decimal>::new(), 0);
    let mut subjects = Vec::new();
    let balances = loop {
        let page = seen(&auditor, &format!("/v1/audit/explain?wallet={}&limit=2{cursor}", wallet["id"].as_str().unwrap())).await?;
        subjects.push(page.body["subject"].clone());
        for item in items(&page) {
            assert!(item["event"]["actorRoles"].is_array() && item["event"]["requestId"].is_string(), "{item}");
            caused += item["causes"].as_array().unwrap().len();
            for line in item["lines"].as_array().unwrap() {
                if let (Some(place), Some(effect)) = (line["place"].as_str(), line["effect"].as_str()) {
                    *sums.entry(place.to_owned()).or_default() += effect.parse::<Decimal>()?;
                }
            }
        }
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break page.body["balances"].clone(),
        }
    };
    assert_eq!((&subjects[0]["status"], &subjects[0]["aggregateType"]), (&json!("active"), &json!("wallet")));
    assert!(subjects.len() > 1 && subjects[1..].iter().all(Value::is_null), "the stream is folded once: {subjects:?}");
    assert!(caused > 0, "a wallet is credited by a reaction to a bank receipt");
    for place in ["available", "held"] {
        let shown = wallet[place].as_str().unwrap().parse::<Decimal>()?;
        assert_eq!(sums.get(place).copied().unwrap_or_default(), shown, "{place}: {sums:?}");
        let balance = balances.as_array().unwrap().iter().find(|balance| balance["place"] == place);
        assert_eq!(balance.map_or(Decimal::ZERO, |balance| balance["balance"].as_str().unwrap().parse().unwrap()), shown);
    }
    assert_eq!(sums["available"], "20.50".parse()?);
    // From the escrow's status to who made it so, and what lies in it.
    let told = seen(&auditor, &format!("/v1/audit/explain?escrow={escrow}&limit=200")).await?;
    assert_eq!(told.body["subject"]["status"], flow.escrow(escrow).await?["status"]);
    assert_eq!(told.body["balances"], json!([{ "place": "escrow", "currency": "EUR", "balance": "80.00" }]), "{}", told.text);
    let funded = items(&told).iter().find(|item| item["event"]["action"] == "escrow.funded").unwrap();
    let causes: Vec<_> = funded["causes"].as_array().unwrap().iter().map(|cause| cause["action"].as_str().unwrap()).collect();
    assert_eq!(causes.last(), Some(&"escrow.funding_requested"), "{causes:?}");
    assert!(funded["causes"].as_array().unwrap().iter().all(|cause| cause["correlationId"] == funded["event"]["correlationId"]));
    for query in ["", &format!("?wallet={escrow}&escrow={escrow}")] {
        assert_eq!(auditor.get(&format!("/v1/audit/explain{query}")).await?.status, 400, "{query}");
    }
    assert_eq!(auditor.get(&format!("/v1/audit/explain?wallet={escrow}")).await?.code(), "STREAM_NOT_FOUND");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_look_is_written_down_once_and_nobody_looks_at_anothers_log() -> anyhow::Result<()> {
    // ANA-29, ANA-36, ANA-38, NFR-128
    let system = System::start().await?;
    let (flow, other) = (Flow::new(&system, system.tenant("")?)?, Flow::new(&system, system.tenant("")?)?);
    let (auditor, stranger) = (auditor(&system, &flow)?, auditor(&system, &other)?);
    let id = flow.create("10.00").await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let looks = [
        (format!("/v1/streams/{id}/events"), "stream_events"),
        (format!("/v1/streams/{id}/state?sequence=1"), "stream_state"),
        (format!("/v1/audit/explain?escrow={id}"), "explanation"),
        (format!("/v1/audit-logs?entityId={id}&action=escrow.created"), "audit_log"),
        (format!("/v1/audit?entityId={id}&entityType=escrow"), "audit_log"),
        (format!("/v1/exports/audit-logs?format=csv&entityId={id}"), "audit_export"),
    ];
    let log = system.log_database().await?;
    for (n, (path, what)) in (1..).zip(&looks) {
        // Nobody without the right, and then nothing is written down; a stranger finds nothing.
        for client in [&flow.parties.payer, &flow.parties.payee] {
            let refused = client.get(path).await?;
            assert_eq!((refused.status, refused.code()), (403, "POLICY_DENIED"), "{path}: {}", refused.text);
        }
        let theirs = stranger.get(path).await?;
        let nothing = theirs.status == 200 && !theirs.text.contains(&id.to_string());
        assert!(theirs.code() == "STREAM_NOT_FOUND" && theirs.status == 404 || nothing, "{path}: {}", theirs.text);
        seen(&auditor, path).await?;
        assert_eq!(accesses(&system, &flow).await?, n, "{path}");
        let (payload, metadata): (Value, Value) = sqlx::query_as(
            "SELECT payload, metadata FROM events WHERE tenant_id = $1 AND aggregate_type = 'access' ORDER BY position DESC LIMIT 1",
        )
        .bind(flow.parties.tenant_id.uuid())
        .fetch_one(&log)
        .await?;
        assert_eq!((&payload["recorded"]["what"], &payload["recorded"]["target"]), (&json!(what), &json!(id)), "{path}");
        assert_eq!(metadata["actor"]["roles"], json!(["auditor"]));
    }
    assert_eq!(accesses(&system, &other).await?, i64::try_from(looks.len())?, "what a stranger tried is in the stranger's log");
    // Bad input is refused by name and looks at nothing.
    for (path, field) in [("/v1/audit-logs?action=Jane%20Doe", "action"), ("/v1/exports/audit-logs?format=xls", "format")] {
        let refused = auditor.get(path).await?;
        assert_eq!((refused.status, refused.body["error"]["details"]["field"].as_str()), (400, Some(field)), "{}", refused.text);
    }
    assert_eq!(accesses(&system, &flow).await?, i64::try_from(looks.len())?);
    // The accesses are in the audit log like everything else.
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let listed = seen(&auditor, "/v1/audit-logs?action=access.recorded&entityType=access&limit=200").await?;
    assert!(items(&listed).len() >= looks.len(), "{}", listed.text);
    // A suspended tenant's log can still be looked at.
    system.run(&["tenant", "suspend", &flow.parties.tenant_id.to_string(), "--reason", "test"])?;
    assert_eq!(auditor.get(&format!("/v1/streams/{id}/events")).await?.status, 200);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_exported_as_csv_whole_and_well_formed() -> anyhow::Result<()> {
    // ANA-36
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let auditor = auditor(&system, &flow)?;
    for _ in 0..210 {
        flow.create("1.00").await?;
    }
    system.read_models_at_heads(Duration::from_secs(20)).await?;
    let file = seen(&auditor, "/v1/exports/audit-logs?format=csv&action=escrow.created").await?;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let header = reader.headers()?.clone();
    let column = |name: &str| header.iter().position(|known| known == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    assert_eq!(rows.len(), 210, "more than one page of the read model");
    let positions: Vec<i64> = rows.iter().map(|row| row[column("position")].parse()).collect::<Result<_, _>>()?;
    assert!(positions.is_sorted_by(|a, b| a > b), "newest first, each once");
    let change: Value = serde_json::from_str(&rows[0][column("change")])?;
    assert_eq!(change["after"]["status"], "created", "{change}");
    assert_eq!(accesses(&system, &flow).await?, 1, "one file is one access");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_not_shown() -> anyhow::Result<()> {
    // ANA-38, NFR-128
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let auditor = auditor(&system, &flow)?;
    let id = flow.create("1.00").await?;
    let log = system.log_database().await?;
    sqlx::raw_sql(
        "CREATE FUNCTION no_access() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk of accesses is full'; END $$;
         CREATE TRIGGER no_access BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.aggregate_type = 'access') EXECUTE FUNCTION no_access()",
    )
    .execute(&log)
    .await?;
    let paths = [
        format!("/v1/streams/{id}/events"),
        format!("/v1/streams/{id}/state"),
        format!("/v1/audit/explain?escrow={id}"),
        format!("/v1/audit-logs?entityId={id}"),
        "/v1/exports/audit-logs?format=csv".to_owned(),
        "/v1/audit/export".to_owned(),
    ];
    for path in &paths {
        let refused = auditor.get(path).await?;
        assert_eq!(refused.status, 503, "{path}: {}", refused.text);
        assert!(!refused.text.contains(&id.to_string()), "{path}: {}", refused.text);
    }
    assert_eq!(accesses(&system, &flow).await?, 0);
    // Others work meanwhile, and so do auditors when it can be written again.
    flow.create("2.00").await?;
    sqlx::raw_sql("DROP TRIGGER no_access ON events").execute(&log).await?;
    for path in &paths[..5] {
        seen(&auditor, path).await?;
    }
    log.close().await;
    Ok(())
}
