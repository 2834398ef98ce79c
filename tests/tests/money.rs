//! Money over HTTP, to the cent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use futures::future::try_join_all;
use holdfast_tests::{Flow, System};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_sponsorship_of_1000_pays_950_and_50() -> anyhow::Result<()> {
    // C-PF2, ESC-66, LED-41, LED-42.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let id = flow.approved("1000.00").await?;
    let released = flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    let escrow = flow.wait_for(id, |escrow| escrow["status"] == "closed").await?;
    assert_eq!(
        (escrow["outcome"].as_str(), escrow["releasedAmount"].as_str(), escrow["inTransit"].as_str()),
        (Some("settled"), Some("1000.00"), Some("0.00"))
    );
    let wallet = flow.parties.payee.get_at("/v1/wallets", released.position.unwrap()).await?;
    assert_eq!(wallet.body["items"][0]["available"], "950.00", "{}", wallet.text);
    let health = flow.parties.staff.get("/api/v2/enterprise/ledger/balance").await?;
    assert_eq!(health.status, 200, "{}", health.text);
    let accounts = health.text.replace(' ', "");
    assert!(accounts.contains("R400") && accounts.contains("\"50.00\""), "{accounts}");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_releases_down_to_one_unit_end_at_the_one_shot_split() -> anyhow::Result<()> {
    // MNY-03, MNY-23: 7500/1900/600 over 1.00, released in seven uneven parts.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("[escrow.split]\npayeeBp = 7500\ntenantBp = 1900\nplatformBp = 600\n")?)?;
    let id = flow.approved("1.00").await?;
    for amount in ["0.07", "0.01", "0.01", "0.50", "0.01", "0.39"] {
        flow.act(&flow.parties.platform, id, "release-partial", &json!({ "amount": amount, "currency": "EUR" })).await?;
    }
    let escrow = flow.wait_for(id, |escrow| escrow["openAmount"] == "0.01").await?;
    for party in escrow["parties"].as_array().unwrap() {
        let left: f64 = party["left"].as_str().unwrap().parse()?;
        assert!(left >= 0.0, "{party}");
    }
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    let escrow = flow.wait_for(id, |escrow| escrow["status"] == "closed").await?;
    let released: Vec<_> = escrow["parties"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|party| party["entitlement"] != "0.00")
        .map(|party| party["released"].clone())
        .collect();
    assert_eq!(released, ["0.75", "0.19", "0.06"]);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_never_spend_more_than_the_wallet_has() -> anyhow::Result<()> {
    // LED-68.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    flow.fill("100.00").await?;
    flow.wallet_has("100.00").await?;
    let ids = try_join_all((0..64).map(|_| flow.create("9.00"))).await?;
    let from_wallet = json!({ "source": "wallet" });
    try_join_all(ids.iter().map(|id| flow.act(&flow.parties.payer, *id, "fund", &from_wallet))).await?;
    let mut funded = 0;
    for id in ids {
        let escrow = flow.wait_for(id, |escrow| escrow["status"] == "funded" || !escrow["funding"]["fundingFailure"].is_null()).await?;
        funded += usize::from(escrow["status"] == "funded");
    }
    assert_eq!(funded, 11);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_that_is_not_one_changes_nothing_and_says_why() -> anyhow::Result<()> {
    // MNY-02, NFR-07, NFR-08.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    for (amount, currency, status, code) in [
        (json!("0"), "EUR", 422, "AMOUNT_INVALID"),
        (json!("-1.00"), "EUR", 422, "AMOUNT_INVALID"),
        (json!("1.234"), "EUR", 422, "AMOUNT_PRECISION"),
        (json!("1.5"), "JPY", 422, "AMOUNT_PRECISION"),
        (json!(10), "EUR", 400, "VALIDATION_FAILED"),
        (json!("ten"), "EUR", 422, "AMOUNT_INVALID"),
        (json!("99999999999999999999999999"), "EUR", 422, "AMOUNT_INVALID"),
        (json!("1.00"), "XXX", 400, "VALIDATION_FAILED"),
        (json!("1e3"), "EUR", 422, "AMOUNT_INVALID"),
    ] {
        let mut body = flow.create_body("1.00");
        body["amount"] = amount.clone();
        body["currency"] = json!(currency);
        let answer = flow.parties.staff.post("/v1/escrows", &body).await?;
        assert!((400..=422).contains(&answer.status), "{amount} {currency}: {} {}", answer.status, answer.text);
        assert_eq!((answer.status, answer.code()), (status, code), "{amount} {currency}: {}", answer.text);
        assert!(answer.body["error"]["requestId"].is_string());
    }
    let mut body = flow.create_body("1.00");
    body["surprise"] = json!(true);
    let answer = flow.parties.staff.post("/v1/escrows", &body).await?;
    assert_eq!((answer.status, answer.code()), (400, "VALIDATION_FAILED"));
    assert!(answer.text.contains("surprise"), "{}", answer.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_over_http() -> anyhow::Result<()> {
    // NFR-15; protocols 3.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let body = flow.create_body("5.00");
    let first = flow.parties.staff.post_keyed("/v1/escrows", &body, "one").await?;
    let again = flow.parties.staff.post_keyed("/v1/escrows", &body, "one").await?;
    assert_eq!((first.status, first.replayed), (201, false));
    assert_eq!((again.status, again.replayed, &again.text), (201, true, &first.text));
    let other = flow.parties.staff.post_keyed("/v1/escrows", &flow.create_body("6.00"), "one").await?;
    assert_eq!((other.status, other.code()), (422, "IDEMPOTENCY_KEY_REUSED"), "{}", other.text);
    let none = holdfast_tests::send(flow.parties.staff.request(reqwest::Method::POST, "/v1/escrows").json(&body)).await?;
    assert_eq!((none.status, none.code()), (400, "IDEMPOTENCY_KEY_REQUIRED"), "{}", none.text);
    // The same key of another actor is another key.
    let theirs = system.client(
        flow.parties.tenant_id,
        holdfast_domain::kernel::PartyId(uuid::Uuid::new_v4()),
        &[holdfast_domain::kernel::Role::TenantAdmin],
    )?;
    let theirs = theirs.post_keyed("/v1/escrows", &flow.create_body("7.00"), "one").await?;
    assert_eq!(theirs.status, 201, "{}", theirs.text);
    // At once: one is executed, the others are told to wait or get the same answer.
    let body = flow.create_body("8.00");
    let answers = try_join_all((0..16).map(|_| flow.parties.staff.post_keyed("/v1/escrows", &body, "storm"))).await?;
    let ids: std::collections::BTreeSet<_> = answers.iter().filter(|answer| answer.status == 201).map(holdfast_tests::Answer::id).collect();
    assert_eq!(ids.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "IDEMPOTENCY_KEY_IN_FLIGHT"), "{answers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bank_receipts_are_idempotent_by_reference_and_name_escrows_that_exist() -> anyhow::Result<()> {
    // Postings rows 1, 2, 28; MNY-10, MNY-12.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let escrow = flow.create("10.00").await?;
    let receipt = |amount: &str, escrow: uuid::Uuid| {
        json!({
            "bankReference": "FT-1", "amount": amount, "currency": "EUR", "receivedAt": "2026-01-01T00:00:00Z",
            "payerId": flow.parties.payer_id, "escrowId": escrow, "remitterName": "Anna Example",
        })
    };
    let platform = &flow.parties.platform;
    let nowhere = platform.post("/v1/bank-receipts", &receipt("12.00", uuid::Uuid::new_v4())).await?;
    assert_eq!((nowhere.status, nowhere.code()), (404, "ESCROW_NOT_FOUND"), "{}", nowhere.text);
    let first = platform.post("/v1/bank-receipts", &receipt("12.00", escrow)).await?;
    let again = platform.post("/v1/bank-receipts", &receipt("12.00", escrow)).await?;
    assert_eq!((first.status, again.status, first.id()), (201, 201, again.id()));
    let other = platform.post("/v1/bank-receipts", &receipt("13.00", escrow)).await?;
    assert_eq!((other.status, other.code()), (409, "BANK_RECEIPT_DIFFERS"), "{}", other.text);
    flow.wait_for(escrow, |escrow| escrow["status"] == "funded").await?;
    flow.wait_for_wallet("2.00").await?;
    // Who sent it is personal: no plaintext in the log.
    let log = system.log_database().await?;
    let plain: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE payload::text LIKE '%Anna%' OR metadata::text LIKE '%Anna%'")
        .fetch_one(&log)
        .await?;
    assert_eq!(plain, 0);
    system.verify()?;
    Ok(())
}
