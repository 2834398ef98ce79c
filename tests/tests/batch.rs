//! Many commands in one request (`POST /v1/commands`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use holdfast_tests::{Answer, Client, Flow, System};
use serde_json::{Value, json};
use uuid::Uuid;

async fn batch(client: &Client, commands: &[Value]) -> anyhow::Result<Answer> {
    Ok(client.post("/v1/commands", &json!({ "commands": commands })).await?)
}

fn statuses(answer: &Answer) -> Vec<u64> {
    answer.body["answers"].as_array().unwrap().iter().map(|answer| answer["status"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_commands_are_each_answered_once() -> anyhow::Result<()> {
    // NFR-15: a key per command, also inside a batch.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let commands: Vec<Value> = (0..1_000)
        .map(|_| json!({ "path": "/v1/escrows", "idempotencyKey": Uuid::new_v4().to_string(), "body": flow.create_body("9.00") }))
        .collect();
    let first = batch(&flow.parties.staff, &commands).await?;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(statuses(&first), vec![201; 1_000]);
    let again = batch(&flow.parties.staff, &commands).await?;
    for (first, again) in first.body["answers"].as_array().unwrap().iter().zip(again.body["answers"].as_array().unwrap()) {
        assert_eq!((&first["body"], first["replayed"].as_bool()), (&again["body"], Some(false)));
        assert_eq!(again["replayed"], true);
    }
    let mut positions: Vec<_> =
        first.body["answers"].as_array().unwrap().iter().map(|answer| answer["body"]["position"].as_i64().unwrap()).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 1_000, "every escrow has its own event");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_command_touches_no_other() -> anyhow::Result<()> {
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let other = Flow::new(&system, system.tenant("")?)?;
    let (own, foreign) = (flow.create("9.00").await?, other.create("9.00").await?);
    let command = |path: String, body: Value| json!({ "path": path, "idempotencyKey": Uuid::new_v4().to_string(), "body": body });
    let commands = [
        command("/v1/escrows".to_owned(), flow.create_body("9.00")),
        command("/v1/escrows".to_owned(), json!({ "amount": "9.00" })),
        command(format!("/v1/escrows/{foreign}/cancel"), json!({ "reason": "x" })),
        command(format!("/v1/escrows/{own}/release"), json!({})),
        command("/v1/nothing".to_owned(), json!({})),
        command("/v1/commands".to_owned(), json!({ "commands": [] })),
        command(format!("/v1/escrows/{own}/cancel?x=1"), json!({ "reason": "x" })),
        json!({ "path": format!("/v1/escrows/{own}/cancel"), "idempotencyKey": "k", "ifMatch": 7, "body": { "reason": "x" } }),
        json!({ "path": format!("/v1/escrows/{own}/cancel"), "idempotencyKey": "two words", "body": { "reason": "x" } }),
        json!({ "path": "/v1/escrows", "method": "PUT", "idempotencyKey": "k2" }),
        command(format!("/v1/escrows/{own}/cancel"), json!({ "reason": "x" })),
    ];
    let answer = batch(&flow.parties.staff, &commands).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(statuses(&answer), [201, 400, 404, 409, 404, 404, 400, 412, 400, 405, 200], "{}", answer.text);
    assert_eq!(answer.body["answers"][1]["body"]["error"]["details"]["field"], "contractId", "{}", answer.text);
    assert_eq!(other.escrow(foreign).await?["status"], "created");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_the_wrong_shape_changes_nothing() -> anyhow::Result<()> {
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let good = || json!({ "path": "/v1/escrows", "idempotencyKey": Uuid::new_v4().to_string(), "body": flow.create_body("9.00") });
    let wrong = [
        (json!({}), "commands"),
        (json!({ "commands": [] }), "commands"),
        (json!({ "commands": vec![json!({ "path": "/", "idempotencyKey": "k" }); 1_001] }), "commands"),
        (json!({ "commands": [good(), { "path": "/v1/escrows" }] }), "commands[1].idempotencyKey"),
        (json!({ "commands": [good(), { "path": "v1/escrows", "idempotencyKey": "k" }] }), "commands[1].path"),
        (json!({ "commands": [good(), { "path": "/v1/escrows", "idempotencyKey": "k\n" }] }), "commands[1].idempotencyKey"),
        (json!({ "commands": [good(), { "path": "/v1/escrows", "idempotencyKey": "k", "method": "GET" }] }), "commands[1].method"),
        (json!({ "commands": [good()], "tenantId": Uuid::new_v4() }), "tenantId"),
    ];
    for (body, field) in wrong {
        let answer = flow.parties.staff.post("/v1/commands", &body).await?;
        assert_eq!((answer.status, answer.body["error"]["details"]["field"].as_str()), (400, Some(field)), "{}", answer.text);
    }
    let huge = json!({ "commands": [good()], "x": "x".repeat(1024 * 1024) });
    assert_eq!(flow.parties.staff.post("/v1/commands", &huge).await?.status, 413);
    let nobody = Client::new(&system.base_url, flow.parties.tenant_id, "x");
    assert_eq!(batch(&nobody, &[good()]).await?.status, 401);
    let escrows = flow.parties.staff.get("/v1/escrows").await?;
    assert_eq!(escrows.body["items"].as_array().map(Vec::len), Some(0), "{}", escrows.text);
    Ok(())
}
