//! The HTTP edge on real databases: what only shows when a client misbehaves or repeats itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use holdfast_domain::kernel::Role;
use serde_json::{Value, json};
use support::{Answer, Edge};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

fn new_escrow() -> Value {
    json!({ "contractId": Uuid::new_v4(), "payerId": Uuid::new_v4(), "payeeId": Uuid::new_v4(), "amount": "100.00", "currency": "EUR" })
}

async fn create(edge: &Edge, key: &str, body: &Value) -> Answer {
    edge.post("/v1/escrows", Role::TenantAdmin, Some(key), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_the_first_answer_and_another_one_is_refused() {
    let edge = Edge::start().await;
    let body = new_escrow();
    let first = create(&edge, "k1", &body).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(first.header("x-position"), Some(first.body["position"].to_string()));
    assert_eq!(first.header("etag"), Some(format!("\"{}\"", first.body["version"])));

    let again = create(&edge, "k1", &body).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed").as_deref(), Some("true"));

    let other = create(&edge, "k1", &new_escrow()).await;
    assert_eq!((other.status, other.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
    for name in ["stored", "sent"] {
        assert_eq!(other.body["error"]["details"][name].as_str().unwrap().len(), 8);
    }
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_final_for_its_key() {
    let edge = Edge::start().await;
    let escrow = create(&edge, "k1", &new_escrow()).await.id();
    for replayed in [None, Some("true".to_owned())] {
        let lock = edge.post(&format!("/v1/escrows/{escrow}/lock"), Role::TenantAdmin, Some("k2"), &json!({})).await;
        assert_eq!((lock.status, lock.code()), (409, "INVALID_ESCROW_TRANSITION"));
        assert_eq!(lock.body["error"]["details"], json!({ "status": "created", "action": "lock", "retryWithNewKey": true }));
        assert_eq!(lock.header("idempotency-replayed"), replayed);
    }
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_names_the_version_that_was_seen() {
    let edge = Edge::start().await;
    let escrow = create(&edge, "k1", &new_escrow()).await.id();
    let path = format!("/v1/escrows/{escrow}/cancel");
    let reason = json!({ "reason": "changed our minds" });
    let stale = edge
        .send(edge.request("POST", &path, Role::TenantAdmin).header("Idempotency-Key", "k2").header("If-Match", "\"7\"").json(&reason))
        .await;
    assert_eq!((stale.status, stale.code()), (412, "VERSION_CONFLICT"));
    assert_eq!(stale.body["error"]["details"]["actual"], 1);
    let current = edge
        .send(edge.request("POST", &path, Role::TenantAdmin).header("Idempotency-Key", "k3").header("If-Match", "1").json(&reason))
        .await;
    assert_eq!((current.status, &current.body["status"]), (200, &"cancelled".into()));
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_never_a_500_and_names_the_field() {
    let edge = Edge::start().await;
    let with = |field: &str, value: Value| {
        let mut body = new_escrow();
        body[field] = value;
        body
    };
    let cases = [
        (with("amount", json!(100)), 400, "VALIDATION_FAILED", "amount"),
        (with("amount", json!("0")), 422, "AMOUNT_INVALID", "amount"),
        (with("amount", json!("1.001")), 422, "AMOUNT_PRECISION", "amount"),
        (with("currency", json!("XAU")), 400, "VALIDATION_FAILED", "currency"),
        (with("payerId", json!("me")), 400, "VALIDATION_FAILED", "payerId"),
        (with("tenantId", json!(Uuid::new_v4())), 400, "VALIDATION_FAILED", "tenantId"),
        (with("rules", json!({ "escrow": "off" })), 400, "VALIDATION_FAILED", "rules.escrow"),
        (json!([]), 400, "VALIDATION_FAILED", "body"),
        (json!({}), 400, "VALIDATION_FAILED", "contractId"),
    ];
    for (body, status, code, field) in cases {
        let answer = create(&edge, "k", &body).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{body}");
        assert_eq!(answer.body["error"]["details"]["field"], field, "{body}");
    }
    // What was refused before the domain has not used up its key.
    assert_eq!(create(&edge, "k", &new_escrow()).await.status, 201);
    let raw = |text: String| {
        edge.request("POST", "/v1/escrows", Role::TenantAdmin)
            .header("Idempotency-Key", "r")
            .header("Content-Type", "application/json")
            .body(text)
    };
    for text in ["{".to_owned(), "\u{0}".to_owned(), "nul".to_owned(), "[".repeat(60_000)] {
        assert_eq!(edge.send(raw(text)).await.status, 400);
    }
    assert_eq!(edge.send(raw(format!("{{\"x\":\"{}\"}}", "x".repeat(70_000)))).await.status, 413);
    let form = edge.request("POST", "/v1/escrows", Role::TenantAdmin).header("Idempotency-Key", "r").body("a=b");
    assert_eq!(edge.send(form).await.code(), "UNSUPPORTED_MEDIA_TYPE");
    for path in [
        "/v1/escrows/x",
        "/v1/escrows?limit=0",
        "/v1/escrows?limit=x",
        "/v1/escrows?cursor=%00",
        "/v1/escrows?sort=id",
        "/v1/escrows?a=b",
        "/v1/wallets?currency=EURO",
        "/v1/audit?from=today",
    ] {
        let answer = edge.get(path, Role::TenantAdmin).await;
        assert_eq!((answer.status, answer.code()), (400, "VALIDATION_FAILED"), "{path}");
    }
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_does_not_stop_its_command() {
    let edge = Edge::start().await;
    for n in 0..20 {
        let mut connection = TcpStream::connect(edge.address).await.unwrap();
        let body = new_escrow().to_string();
        let request = format!(
            "POST /v1/escrows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIdempotency-Key: gone-{n}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            edge.token(Role::TenantAdmin),
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(n % 5)).await;
        drop(connection);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The server and its connections are whole: the pool still serves.
    for n in 0..20 {
        assert_eq!(create(&edge, &format!("after-{n}"), &new_escrow()).await.status, 201);
    }
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_given_up() {
    let edge = Edge::start().await;
    let mut connection = TcpStream::connect(edge.address).await.unwrap();
    let head = format!(
        "POST /v1/escrows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIdempotency-Key: slow\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{",
        edge.token(Role::TenantAdmin)
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let mut answer = vec![0; 1024];
    let read = tokio::time::timeout(Duration::from_secs(20), connection.read(&mut answer)).await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(9));
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("REQUEST_TIMEOUT"), "{answer}");
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_knows_the_databases_and_the_read_models() {
    let edge = Edge::start().await;
    let answer = edge.get("/readyz", Role::Viewer).await;
    let checks = answer.body["checks"].as_array().unwrap();
    let states: Vec<_> = checks.iter().map(|check| (check["name"].as_str().unwrap(), check["ok"].as_bool().unwrap())).collect();
    assert_eq!((answer.status, states), (200, vec![("read_database", true), ("projector_lag", true)]), "{}", answer.body);
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_put_aside_can_be_tried_again() {
    let edge = Edge::start().await;
    let path = format!("/v1/admin/dead-letters/{}/redrive", Uuid::new_v4());
    let answer = edge.post(&path, Role::Superadmin, Some("k1"), &json!({ "reason": "fixed" })).await;
    assert_eq!((answer.status, answer.code()), (404, "DEAD_LETTER_NOT_FOUND"));
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reads_what_one_has_written_and_waits_no_longer_than_promised() {
    let edge = Edge::start().await;
    let created = create(&edge, "k1", &new_escrow()).await;
    let (id, position) = (created.id(), created.body["position"].as_i64().unwrap());
    let path = format!("/v1/escrows/{id}");
    let seen = edge.send(edge.request("GET", &path, Role::TenantAdmin).header("X-Min-Position", position.to_string())).await;
    assert_eq!((seen.status, &seen.body["status"]), (200, &"created".into()), "{}", seen.body);
    assert!(seen.header("x-position").unwrap().parse::<i64>().unwrap() >= position);
    let actions = seen.body["allowedActions"].as_array().unwrap();
    assert!(actions.contains(&"cancel".into()) && !actions.contains(&"meet_deadline".into()), "{actions:?}");

    let behind = edge.send(edge.request("GET", &path, Role::TenantAdmin).header("X-Min-Position", "99999")).await;
    assert_eq!((behind.status, behind.code()), (503, "PROJECTION_BEHIND"));
    assert!(behind.header("retry-after").is_some());
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_see_their_own_and_nothing_else() {
    let edge = Edge::start().await;
    let body = new_escrow();
    let created = create(&edge, "k1", &body).await;
    let position = created.body["position"].to_string();
    let payer: Uuid = body["payerId"].as_str().unwrap().parse().unwrap();
    let path = format!("/v1/escrows/{}", created.id());
    for (party, status) in [(payer, 200), (Uuid::new_v4(), 404)] {
        for path in [path.clone(), format!("{path}/events"), format!("/escrow/{}/ledger", created.id())] {
            let request = edge.request_as("GET", &path, party, Role::Payer).header("X-Min-Position", &position);
            let answer = edge.send(request).await;
            assert_eq!(answer.status, status, "{path}");
        }
        let list = edge.send(edge.request_as("GET", "/v1/escrows", party, Role::Payer)).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), usize::from(status == 200));
    }
    let other = edge.send(edge.request_as("GET", &format!("/v1/wallets?ownerId={}", Uuid::new_v4()), payer, Role::Payer)).await;
    assert_eq!((other.status, other.code()), (403, "POLICY_DENIED"));
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_in_by_receipt_goes_into_an_escrow_and_a_dispute_names_its_id() {
    let edge = Edge::start().await;
    let mut body = new_escrow();
    let payer: Uuid = Uuid::new_v4();
    body["payerId"] = json!(payer);
    let receipt = json!({ "bankReference": "FT-1", "amount": "100", "currency": "EUR", "receivedAt": "2026-01-01T00:00:00Z", "payerId": payer, "remitterName": "Ada" });
    let recorded = edge.post("/v1/bank-receipts", Role::PlatformFinance, Some("r1"), &receipt).await;
    assert_eq!(recorded.status, 201, "{}", recorded.body);
    edge.until("/v1/wallets", |answer| answer.body["items"][0]["available"] == "100.00").await;
    let id = create(&edge, "k1", &body).await.id();
    let funded =
        edge.send(edge.request_as("POST", &format!("/v1/escrows/{id}/fund"), payer, Role::Payer).header("Idempotency-Key", "f1")).await;
    assert_eq!((funded.status, &funded.body["status"]), (200, &"funding_pending".into()), "{}", funded.body);
    edge.until(&format!("/v1/escrows/{id}"), |answer| answer.body["status"] == "funded").await;
    let provider = edge.request_as("POST", "/escrow/fund", payer, Role::Payer).header("Idempotency-Key", "f2");
    let provider = edge.send(provider.json(&json!({ "escrowId": id, "source": "provider" }))).await;
    assert_eq!((provider.status, provider.code()), (422, "PROVIDER_NOT_AVAILABLE"));
    let raise = || edge.request_as("POST", "/escrow/dispute", payer, Role::Payer).header("Idempotency-Key", "d1");
    let disputed = edge.send(raise().json(&json!({ "escrowId": id, "reason": "not what was agreed" }))).await;
    assert_eq!(disputed.status, 200, "{}", disputed.body);
    let again = edge.send(raise().json(&json!({ "escrowId": id, "reason": "not what was agreed" }))).await;
    assert!(disputed.body["disputeId"].is_string());
    assert_eq!(disputed.body, again.body);
    let balance = edge.get("/api/v2/enterprise/ledger/balance", Role::Auditor).await;
    assert_eq!(balance.body["balanced"], true);
    edge.stop().await;
}
