//! Every documented route of escrows answers as documented, by its long path and by its short one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use futures::future::join_all;
use holdfast_tests::{Flow, System, expect};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn from_creation_to_settlement_by_the_long_paths() -> anyhow::Result<()> {
    // ESC-10..16, ESC-19..21, ESC-55, ESC-61, ESC-69, LED-43.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let people = &flow.parties;
    flow.fill("500.00").await?;
    flow.wallet_has("500.00").await?;
    let created = expect(people.staff.post("/v1/escrows", &flow.create_body("200.00")).await?, &[201])?;
    let id = created.id();
    assert_eq!((&created.body["status"], &created.body["events"][0]["type"]), (&json!("created"), &json!("escrow.created")));
    let list = people.staff.get_at(&format!("/v1/escrows?payerId={}", people.payer_id), created.position.unwrap()).await?;
    assert_eq!((&list.body["items"][0]["id"], &list.body["items"][0]["lockedAmount"]), (&json!(id), &json!("0.00")), "ESC-11");
    let shown = people.payer.get(&format!("/v1/escrows/{id}")).await?;
    assert!(shown.body["allowedActions"].as_array().unwrap().contains(&json!("fund")), "ESC-12: {}", shown.text);
    assert_eq!(people.staff.get(&format!("/v1/escrows/{}", Uuid::new_v4())).await?.code(), "ESCROW_NOT_FOUND");

    let funding = flow.act(&people.payer, id, "fund", &json!({ "source": "wallet" })).await?;
    assert_eq!(funding.body["status"], "funding_pending", "ESC-13");
    flow.wait_for(id, |escrow| escrow["status"] == "funded").await?;
    assert_eq!(flow.act(&people.staff, id, "lock", &json!({})).await?.body["status"], "locked", "ESC-14");
    let again = people.staff.post(&format!("/v1/escrows/{id}/lock"), &json!({})).await?;
    assert_eq!((again.status, again.code()), (409, "INVALID_ESCROW_TRANSITION"));
    assert_eq!((&again.body["error"]["details"]["status"], &again.body["error"]["details"]["action"]), (&json!("locked"), &json!("lock")));
    assert_eq!(flow.act(&people.staff, id, "start", &json!({})).await?.body["status"], "in_progress", "ESC-19");
    let body = json!({ "assetIds": [Uuid::new_v4()], "note": "as agreed" });
    assert_eq!(flow.act(&people.payee, id, "submit-delivery", &body).await?.body["status"], "delivery_submitted", "ESC-20");
    let denied = people.payee.post(&format!("/v1/escrows/{id}/approve"), &json!({})).await?;
    assert_eq!(denied.status, 403, "ESC-21: never the talent");
    assert_eq!(flow.act(&people.staff, id, "approve", &json!({})).await?.body["status"], "releasable", "ESC-21");
    let part = json!({ "amount": "50.00", "currency": "EUR", "reason": "a quarter" });
    assert_eq!(flow.act(&people.platform, id, "release-partial", &part).await?.body["status"], "partial_released", "ESC-16");
    let much = json!({ "amount": "151.00", "currency": "EUR" });
    assert_eq!(people.platform.post(&format!("/v1/escrows/{id}/release"), &much).await?.code(), "AMOUNT_EXCEEDS_ESCROW");
    let rest = flow.act(&people.platform, id, "release", &json!({ "amount": "150.00", "currency": "EUR" })).await?;
    assert_eq!((&rest.body["ok"], &rest.body["status"]), (&json!(true), &json!("released")), "ESC-15");
    let closed = flow.wait_for(id, |escrow| escrow["status"] == "closed").await?;
    assert_eq!(
        (&closed["outcome"], &closed["releasedAmount"], &closed["lockedAmount"]),
        (&json!("settled"), &json!("200.00"), &json!("0.00"))
    );
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_short_paths_run_the_same_handlers() -> anyhow::Result<()> {
    // ESC-17, ESC-18, ESC-22..28, LED-45, LED-69, CNF-47.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let people = &flow.parties;
    flow.fill("500.00").await?;
    flow.wallet_has("500.00").await?;
    let create = || async { anyhow::Ok(expect(people.staff.post("/escrow/create", &flow.create_body("100.00")).await?, &[201])?.id()) };
    let named = |id: Uuid, more: Value| {
        let mut body = json!({ "escrowId": id });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let funded = || async {
        let id = create().await?;
        expect(people.payer.post("/escrow/fund", &named(id, json!({ "source": "wallet" }))).await?, &[200])?;
        flow.wait_for(id, |escrow| escrow["status"] == "funded").await?;
        anyhow::Ok(id)
    };
    let settled = funded().await?;
    flow.deliver(settled).await?;
    flow.act(&people.staff, settled, "approve", &json!({})).await?;
    expect(people.platform.post("/escrow/release", &named(settled, json!({}))).await?, &[200])?;
    flow.wait_for(settled, |escrow| escrow["status"] == "closed").await?;
    let ledger = expect(people.payee.get(&format!("/escrow/{settled}/ledger")).await?, &[200])?;
    assert!(ledger.text.contains("100.00"), "ESC-28: {}", ledger.text);

    let refunded = funded().await?;
    let late = people.platform.post("/escrow/refund", &named(settled, json!({ "reason": "cancellation" }))).await?;
    assert_eq!((late.status, late.code()), (409, "INVALID_ESCROW_TRANSITION"), "ESC-22: {}", late.text);
    expect(people.platform.post("/escrow/refund", &named(refunded, json!({ "reason": "cancellation" }))).await?, &[200])?;
    flow.wait_for(refunded, |escrow| escrow["outcome"] == "refunded" && escrow["status"] == "closed").await?;

    let disputed = funded().await?;
    let raised = expect(people.payer.post("/escrow/dispute", &named(disputed, json!({ "reason": "nobody came" }))).await?, &[200])?;
    assert!(raised.body["disputeId"].is_string(), "ESC-17, ESC-27: {}", raised.text);
    let cancelled = create().await?;
    let answer = flow.act(&people.staff, cancelled, "cancel", &json!({ "reason": "not needed" })).await?;
    assert_eq!(answer.body["status"], "cancelled", "ESC-18");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_transitions_at_once_one_wins_and_the_audit_log_says_before_and_after() -> anyhow::Result<()> {
    // ESC-03, ESC-04, ESC-58, ESC-62, ESC-63, ESC-64, ESC-85, LED-10, LED-66, LED-67.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let people = &flow.parties;
    let id = flow.approved("80.00").await?;
    let accounts = expect(people.staff.get(&format!("/v1/escrow-accounts?escrowId={id}")).await?, &[200])?;
    assert!(accounts.text.contains("80.00"), "ESC-03: {}", accounts.text);
    let denied = people.payee.post(&format!("/v1/escrows/{id}/release"), &json!({})).await?;
    assert_eq!((denied.status, denied.code()), (403, "POLICY_DENIED"), "ESC-62");
    let path = format!("/v1/escrows/{id}/release");
    let body = json!({});
    let answers = join_all((0..8).map(|_| people.platform.post(&path, &body))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((won, answers.iter().filter(|answer| answer.status == 409).count()), (1, 7), "ESC-58");
    let closed = flow.wait_for(id, |escrow| escrow["status"] == "closed").await?;
    let transactions = expect(people.staff.get(&format!("/v1/escrow-transactions?escrowId={id}")).await?, &[200])?;
    let kinds: Vec<_> = transactions.body["items"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "release").count(), 1, "ESC-04: {}", transactions.text);
    assert_eq!(closed["releasedAmount"], "80.00");
    let audit = expect(people.staff.get(&format!("/v1/audit?entityId={id}&limit=200")).await?, &[200])?;
    let rows = audit.body["items"].as_array().unwrap();
    let release = rows.iter().find(|row| row["action"] == "escrow.released").unwrap();
    assert_eq!((&release["change"]["before"]["status"], &release["change"]["after"]["status"]), (&json!("releasable"), &json!("released")));
    assert!(rows.iter().any(|row| row["action"] == "escrow.created"), "ESC-63");
    system.verify()?;
    Ok(())
}
