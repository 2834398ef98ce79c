//! Operators order rebuilds over HTTP while the system is at work (ADM-20, ADM-21, NFR-19).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, Flow, System, expect};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

const PROJECTIONS: &str = "/v1/super/projections";

/// Somebody of the platform; the token is for a tenant that is not asked about.
fn operator(system: &System) -> anyhow::Result<Client> {
    system.client(system.tenant("")?, PartyId(Uuid::new_v4()), &[Role::PlatformOps])
}

async fn ordered(client: &Client, path: &str, body: &Value) -> anyhow::Result<Answer> {
    expect(client.post(&format!("{PROJECTIONS}/{path}"), body).await?, &[200, 202])
}

/// Polls what `Location` names until the run has ended.
async fn ended(client: &Client, ordered: &Answer) -> anyhow::Result<Value> {
    let location = ordered.headers["location"].to_str()?;
    assert!(location.ends_with(&ordered.id().to_string()), "{location}");
    let mut run = Value::Null;
    for _ in 0..600 {
        run = expect(client.get(location).await?, &[200])?.body;
        if !run["endedAt"].is_null() {
            return Ok(run);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{run}")
}

async fn status_of(client: &Client, projection: &str) -> anyhow::Result<Value> {
    let all = expect(client.get(PROJECTIONS).await?, &[200])?.body;
    Ok(all["items"].as_array().unwrap().iter().find(|status| status["name"] == projection).unwrap().clone())
}

async fn available(read: &PgPool, flow: &Flow) -> anyhow::Result<String> {
    let sql = "SELECT sum(available)::text FROM public.wallets WHERE tenant_id = $1";
    Ok(sqlx::query_scalar(sql).bind(flow.parties.tenant_id.uuid()).fetch_one(read).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_ordered_watched_swapped_and_taken_back_while_commands_run() -> anyhow::Result<()> {
    // ADM-21, NFR-19
    let system = System::start().await?;
    let flow = Arc::new(Flow::new(&system, system.tenant("")?)?);
    let (client, read) = (operator(&system)?, system.read_database().await?);
    flow.fill("100.00").await?;
    flow.wallet_has("100.00").await?;
    // Somebody has changed a row by hand.
    sqlx::query("UPDATE public.wallets SET available = available + 0.50 WHERE tenant_id = $1 AND available > 0")
        .bind(flow.parties.tenant_id.uuid())
        .execute(&read)
        .await?;
    let wrong = available(&read, &flow).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let working = tokio::spawn({
        let (flow, stop) = (Arc::clone(&flow), Arc::clone(&stop));
        async move {
            let mut created = 0;
            while !stop.load(Ordering::Relaxed) {
                let id = flow.create("1.00").await.unwrap();
                assert_eq!(flow.wait_for(id, |escrow| escrow["status"] == "created").await.unwrap()["amount"], "1.00");
                created += 1;
            }
            created
        }
    });
    // The escrows, which are written all the time.
    let run = ended(&client, &ordered(&client, "escrow/rebuild", &json!({ "swap": true })).await?).await?;
    assert_eq!((&run["state"], &run["kind"], &run["error"]), (&json!("swapped"), &json!("rebuild"), &Value::Null), "{run}");
    assert!(run["eventsDone"].as_i64() > Some(0) && run["startedAt"].is_string(), "{run}");
    // The wallets, with a look at the differences first.
    let first = ordered(&client, "wallet/rebuild", &json!({})).await?;
    assert_eq!((first.status, first.body["state"].as_str()), (202, Some("requested")), "{}", first.text);
    let left = ended(&client, &first).await?;
    assert_eq!(left["state"], "done", "{left}");
    let table = left["report"]["tables"].as_array().unwrap().iter().find(|table| table["table"] == "wallets").unwrap();
    assert_eq!((&table["changed"], &table["samples"][0]["what"]), (&json!(1), &json!("changed")), "{table}");
    let total = table["totals"].as_array().unwrap().iter().find(|total| total["column"] == "available").unwrap();
    assert_ne!(total["before"], total["after"]);
    assert_eq!(available(&read, &flow).await?, wrong, "nothing is swapped before it is ordered");
    assert_eq!(status_of(&client, "wallet").await?["otherSide"], "rebuilt");
    let swapped = ended(&client, &ordered(&client, &format!("wallet/runs/{}/swap", first.id()), &json!({})).await?).await?;
    assert_eq!((&swapped["state"], &swapped["ofRun"]), (&json!("swapped"), &json!(first.id())), "{swapped}");
    let right = available(&read, &flow).await?;
    assert_ne!(right, wrong);
    let verified = ended(&client, &ordered(&client, "wallet/verify", &json!({})).await?).await?;
    assert_eq!(verified["report"]["ok"], true, "{verified}");
    // And back, twice; one tenant alone cannot be taken back, since all were swapped since.
    for expected in [&wrong, &right] {
        let back = ended(&client, &ordered(&client, "wallet/swap-back", &json!({})).await?).await?;
        assert_eq!(back["state"], "swapped", "{back}");
        assert_eq!(&available(&read, &flow).await?, expected);
    }
    let one = json!({ "tenantId": flow.parties.tenant_id, "swap": true });
    let run = ended(&client, &ordered(&client, "ledger/rebuild", &one).await?).await?;
    assert_eq!((&run["state"], &run["report"]["tenants"]), (&json!("swapped"), &json!(1)), "{run}");
    stop.store(true, Ordering::Relaxed);
    assert!(working.await? > 0);
    // Each order is listed with who gave it, newest first, page by page.
    let (mut kinds, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = expect(client.get(&format!("{PROJECTIONS}/wallet/runs?limit=2{cursor}")).await?, &[200])?.body;
        for run in page["items"].as_array().unwrap() {
            assert!(run["requestedBy"].as_str().unwrap().starts_with("user ") && run["report"].is_null(), "{run}");
            kinds.push(run["kind"].as_str().unwrap().to_owned());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(kinds, ["swap_back", "swap_back", "verify", "swap", "rebuild"]);
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_over_http_waits_until_it_is_resumed() -> anyhow::Result<()> {
    // ADM-21
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let client = operator(&system)?;
    flow.create("1.00").await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let tenant = json!({ "tenantId": flow.parties.tenant_id });
    let paused = expect(client.post_keyed(&format!("{PROJECTIONS}/escrow/pause"), &tenant, "pause-1").await?, &[200])?;
    assert_eq!((&paused.body["state"], &paused.body["report"]["wasPaused"]), (&json!("done"), &json!(false)));
    assert_eq!(status_of(&client, "escrow").await?["pausedTenants"], json!([flow.parties.tenant_id]));
    tokio::time::sleep(Duration::from_secs(3)).await; // the projector looks every few seconds
    let id = flow.create("2.00").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(flow.parties.staff.get(&format!("/v1/escrows/{id}")).await?.status, 404, "not taken while paused");
    assert!(status_of(&client, "escrow").await?["behind"].as_i64() > Some(0));
    let resumed = ordered(&client, "escrow/resume", &tenant).await?;
    assert_eq!(resumed.body["report"], json!({ "pauses": 1, "stops": 0 }));
    flow.wait_for(id, |escrow| escrow["status"] == "created").await?;
    // The first answer again; nothing is paused by it.
    let again = client.post_keyed(&format!("{PROJECTIONS}/escrow/pause"), &tenant, "pause-1").await?;
    assert!(again.replayed && again.id() == paused.id(), "{}", again.text);
    assert_eq!(status_of(&client, "escrow").await?["pausedTenants"], json!([]));
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rebuild_has_failed_and_orders_are_refused_by_name() -> anyhow::Result<()> {
    // ADM-21: one at a time; idempotent; whose process was killed has failed, and the next one works.
    let mut system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let (client, read) = (operator(&system)?, system.read_database().await?);
    flow.fill("100.00").await?;
    flow.wallet_has("100.00").await?;
    let slow = "CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NULL; END $$;
                CREATE TRIGGER slowly AFTER INSERT ON shadow.wallets FOR EACH STATEMENT EXECUTE FUNCTION public.slowly()";
    sqlx::raw_sql(slow).execute(&read).await?;
    let rebuild = format!("{PROJECTIONS}/wallet/rebuild");
    let body = json!({ "swap": true });
    let first = expect(client.post_keyed(&rebuild, &body, "one").await?, &[202])?;
    let again = expect(client.post_keyed(&rebuild, &body, "one").await?, &[202])?;
    assert!(again.replayed && again.id() == first.id() && !first.replayed, "{}", again.text);
    let refused = client.post_keyed(&rebuild, &body, "two").await?;
    assert_eq!((refused.status, refused.code()), (409, "PROJECTION_RUN_OPEN"), "{}", refused.text);
    assert_eq!(refused.body["error"]["details"]["runId"], json!(first.id()));
    let reused = client.post_keyed(&rebuild, &json!({}), "one").await?;
    assert_eq!((reused.status, reused.code()), (422, "IDEMPOTENCY_KEY_REUSED"), "{}", reused.text);
    let other = ordered(&client, "audit/verify", &json!({})).await?;
    let run = format!("{PROJECTIONS}/wallet/runs/{}", first.id());
    for _ in 0..200 {
        if client.get(&run).await?.body["state"] == "folding" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.get(&run).await?.body["state"], "folding");
    system.kill()?;
    sqlx::raw_sql("DROP FUNCTION public.slowly() CASCADE").execute(&read).await?;
    system.serve().await?;
    let killed = ended(&client, &first).await?;
    assert_eq!((&killed["state"], &killed["error"]), (&json!("failed"), &json!("its process ended")), "{killed}");
    assert_eq!(ended(&client, &other).await?["state"], "done", "what waited is not lost");
    assert_eq!(ended(&client, &ordered(&client, "wallet/rebuild", &body).await?).await?["state"], "swapped");
    // What cannot be is refused by name, and nothing of it is on record.
    let runs = async || anyhow::Ok(sqlx::query_scalar::<_, i64>("SELECT count(*) FROM rebuild.projection_runs").fetch_one(&read).await?);
    let before = runs().await?;
    for (path, body, status, code, field) in [
        ("nothing/rebuild".to_owned(), json!({}), 404, "PROJECTION_NOT_FOUND", None),
        ("wallet/rebuild".to_owned(), json!({ "tenantId": Uuid::new_v4() }), 404, "TENANT_NOT_FOUND", None),
        ("wallet/rebuild".to_owned(), json!({ "swap": "yes" }), 400, "VALIDATION_FAILED", Some("swap")),
        ("wallet/verify".to_owned(), json!({ "swap": true }), 400, "VALIDATION_FAILED", Some("swap")),
        ("wallet/pause".to_owned(), json!({ "tenantId": "x" }), 400, "VALIDATION_FAILED", Some("tenantId")),
        ("wallet/try".to_owned(), json!({}), 400, "VALIDATION_FAILED", Some("tenantId")),
        ("wallet/runs/x/swap".to_owned(), json!({}), 400, "VALIDATION_FAILED", Some("runId")),
        (format!("wallet/runs/{}/swap", Uuid::new_v4()), json!({}), 404, "PROJECTION_RUN_NOT_FOUND", None),
        (format!("audit/runs/{}/swap", first.id()), json!({}), 404, "PROJECTION_RUN_NOT_FOUND", None),
        (format!("wallet/runs/{}/swap", first.id()), json!({}), 409, "PROJECTION_RUN_NOT_SWAPPABLE", None),
    ] {
        let refused = client.post(&format!("{PROJECTIONS}/{path}"), &body).await?;
        assert_eq!((refused.status, refused.code()), (status, code), "{path}: {}", refused.text);
        assert_eq!(refused.body["error"]["details"]["field"].as_str(), field, "{path}: {}", refused.text);
    }
    for (path, status) in [("nothing/runs", 404), ("wallet/runs?limit=0", 400), ("wallet/runs?cursor=x", 400), ("wallet/runs/x", 400)] {
        assert_eq!(client.get(&format!("{PROJECTIONS}/{path}")).await?.status, status, "{path}");
    }
    // Nobody of a tenant, whatever they are there.
    for client in
        [&flow.parties.staff, &flow.parties.payer, &system.client(flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Auditor])?]
    {
        assert_eq!(client.get(PROJECTIONS).await?.status, 403);
        let refused = client.post(&rebuild, &body).await?;
        assert_eq!((refused.status, refused.code()), (403, "POLICY_DENIED"), "{}", refused.text);
    }
    assert_eq!(runs().await?, before);
    // Who ordered what stands in the log of the operator's tenant, and was there before it was done.
    let log = system.log_database().await?;
    let written: Vec<(Value, Value)> =
        sqlx::query_as("SELECT payload, metadata FROM events WHERE tenant_id = $1 AND event_type = 'access.recorded' ORDER BY position")
            .bind(client.tenant_id.uuid())
            .fetch_all(&log)
            .await?;
    let (access, metadata) = &written[0];
    let recorded = &access["recorded"];
    assert_eq!((&recorded["what"], &recorded["target"]), (&json!("projection_order"), &json!(first.id())), "{access}");
    assert_eq!((&recorded["filter"]["action"], &recorded["filter"]["entityType"]), (&json!("rebuild"), &json!("wallet")), "{access}");
    assert_eq!(metadata["actor"]["roles"], json!(["platform_ops"]));
    assert_eq!(
        written.iter().filter(|(access, _)| access["recorded"]["target"] == json!(first.id())).count(),
        1,
        "a repeat is no other order"
    );
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_all_tenants_are_listed_and_driven_again() -> anyhow::Result<()> {
    // ADM-20
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let client = operator(&system)?;
    flow.create("1.00").await?;
    let log = system.log_database().await?;
    // As of a version of the program that knew more steps: put aside, and to be resolved by the next attempt.
    for n in 0..3 {
        sqlx::query(
            "INSERT INTO dead_letters (tenant_id, id, event_id, correlation_id, event_position, created_at, attempt, reaction, step, reason)
             SELECT tenant_id, gen_random_uuid(), (metadata->>'eventId')::uuid, (metadata->>'correlationId')::uuid, position, now(), 1, 'credit_legs', $2,
                    '{\"code\": \"GONE\"}'
             FROM events WHERE tenant_id = $1 AND event_type = 'escrow.created'",
        )
        .bind(flow.parties.tenant_id.uuid())
        .bind(format!("gone-{n}"))
        .execute(&log)
        .await?;
    }
    let list = async |query: &str| anyhow::Ok(expect(client.get(&format!("/v1/super/dead-letters{query}")).await?, &[200])?.body);
    let page = list("?limit=2").await?;
    let next = list(&format!("?limit=2&cursor={}", page["nextCursor"].as_str().unwrap())).await?;
    let letters: Vec<&Value> = [&page, &next].into_iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    assert_eq!(letters.iter().map(|letter| letter["step"].as_str().unwrap()).collect::<Vec<_>>(), ["gone-0", "gone-1", "gone-2"]);
    assert_eq!(letters[0]["tenantId"], json!(flow.parties.tenant_id));
    assert!(next["nextCursor"].is_null());
    assert_eq!(list(&format!("?tenantId={}", flow.parties.tenant_id)).await?["items"].as_array().unwrap().len(), 3);
    for nothing in [format!("?tenantId={}", client.tenant_id), "?reaction=no_such".to_owned(), "?resolved=true".to_owned()] {
        assert_eq!(list(&nothing).await?["items"], json!([]), "{nothing}");
    }
    for name in ["redrive", "replay"] {
        let letter = if name == "redrive" { letters[0] } else { letters[1] };
        let path = format!("/v1/super/dead-letters/{}/{name}", letter["id"].as_str().unwrap());
        let body = json!({ "reason": "repaired" });
        let denied = flow.parties.staff.post(&path, &body).await?;
        assert_eq!((denied.status, denied.code()), (403, "POLICY_DENIED"));
        let driven = expect(client.post_keyed(&path, &body, name).await?, &[200])?;
        let again = expect(client.post_keyed(&path, &body, name).await?, &[200])?;
        assert!(again.replayed && again.position == driven.position, "{}", again.text);
    }
    for _ in 0..200 {
        if list("?resolved=true").await?["items"].as_array().unwrap().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(list("").await?["items"].as_array().unwrap().iter().map(|letter| &letter["step"]).collect::<Vec<_>>(), ["gone-2"]);
    let missing = client.post(&format!("/v1/super/dead-letters/{}/redrive", Uuid::new_v4()), &json!({ "reason": "x" })).await?;
    assert_eq!((missing.status, missing.code()), (404, "DEAD_LETTER_NOT_FOUND"));
    // The letter's own tenant keeps who asked.
    let asked: Vec<Value> =
        sqlx::query_scalar("SELECT metadata FROM events WHERE tenant_id = $1 AND event_type = 'tenant.reaction_redriven'")
            .bind(flow.parties.tenant_id.uuid())
            .fetch_all(&log)
            .await?;
    assert_eq!(asked.iter().map(|metadata| &metadata["actor"]["roles"]).collect::<Vec<_>>(), [&json!(["platform_ops"]); 2]);
    // From the command line: the same list.
    let shown: Value = serde_json::from_str(&system.run(&["reactions", "list", "--json"])?)?;
    assert_eq!(shown["deadLetters"][0]["step"], "gone-2");
    system.run(&["reactions", "redrive", shown["deadLetters"][0]["id"].as_str().unwrap(), "--reason", "repaired"])?;
    Ok(())
}
