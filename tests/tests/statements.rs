//! Wallets, their statements, and transfers with two people, over HTTP (LED-16..20, MNY-51, MNY-52, MNY-55).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use chrono::Utc;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, Flow, System, expect};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

/// The wallet of an owner, as the staff sees it.
async fn wallet(flow: &Flow, owner: PartyId) -> anyhow::Result<Value> {
    let answer = expect(flow.parties.staff.get(&format!("/v1/wallets?ownerId={owner}")).await?, &[200])?;
    Ok(answer.body["items"][0].clone())
}

async fn filled(flow: &Flow, amount: &str) -> anyhow::Result<String> {
    flow.fill(amount).await?;
    flow.wallet_has(amount).await?;
    Ok(wallet(flow, flow.parties.payer_id).await?["id"].as_str().unwrap().to_owned())
}

async fn act(flow: &Flow, wallet_id: &str, action: &str) -> anyhow::Result<Answer> {
    let body = if action == "close" { json!({}) } else { json!({ "reason": "a test" }) };
    Ok(flow.parties.staff.post(&format!("/v1/wallets/{wallet_id}/{action}"), &body).await?)
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

fn this_month() -> String {
    Utc::now().format("%Y-%m").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_51_a_frozen_wallet_takes_credits_and_gives_nothing() -> anyhow::Result<()> {
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let id = filled(&flow, "100.00").await?;
    let held = flow.create("30.00").await?;
    flow.fund(held).await?;
    expect(act(&flow, &id, "freeze").await?, &[200])?;
    flow.fill("5.00").await?;
    flow.wait_for_wallet("0.00").await?;
    for _ in 0..200 {
        if wallet(&flow, flow.parties.payer_id).await?["frozen"] == "75.00" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let frozen = wallet(&flow, flow.parties.payer_id).await?;
    assert_eq!((&frozen["status"], &frozen["available"], &frozen["held"]), (&json!("frozen"), &json!("0.00"), &json!("75.00")));
    // Debits and new holds are refused, freezing twice too.
    let purchase = json!({ "ownerId": flow.parties.payer_id, "units": 1, "price": { "amount": "1.00", "currency": "EUR" } });
    let refused = flow.parties.staff.post("/v1/credits/purchase", &purchase).await?;
    assert_eq!((refused.status, refused.code()), (409, "WALLET_FROZEN"), "{}", refused.text);
    let escrow = flow.create("1.00").await?;
    flow.act(&flow.parties.payer, escrow, "fund", &json!({ "source": "wallet" })).await?;
    flow.wait_for(escrow, |escrow| escrow["funding"]["fundingFailure"] == "WALLET_FROZEN").await?;
    let twice = act(&flow, &id, "freeze").await?;
    assert_eq!((twice.status, twice.code()), (409, "INVALID_WALLET_TRANSITION"), "{}", twice.text);
    // Exactly what the freeze holds comes back.
    expect(act(&flow, &id, "unfreeze").await?, &[200])?;
    flow.wait_for_wallet("75.00").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_52_a_closed_wallet_that_is_credited_is_open_again_and_frozen() -> anyhow::Result<()> {
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let id = filled(&flow, "10.00").await?;
    let full = act(&flow, &id, "close").await?;
    assert_eq!((full.status, full.code()), (409, "WALLET_NOT_EMPTY"), "{}", full.text);
    let purchase = json!({ "ownerId": flow.parties.payer_id, "units": 1, "price": { "amount": "10.00", "currency": "EUR" } });
    expect(flow.parties.staff.post("/v1/credits/purchase", &purchase).await?, &[200])?;
    expect(act(&flow, &id, "close").await?, &[200])?;
    flow.fill("3.00").await?;
    for _ in 0..400 {
        if wallet(&flow, flow.parties.payer_id).await?["status"] == "frozen" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let reopened = wallet(&flow, flow.parties.payer_id).await?;
    assert_eq!((&reopened["status"], &reopened["frozen"]), (&json!("frozen"), &json!("3.00")));
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_55_the_running_month_is_provisional_and_its_lines_make_the_difference() -> anyhow::Result<()> {
    // LED-09, LED-17, LED-19, LED-20, LED-74. Complete months and rebuilds: projections/tests/statements.rs.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let id = filled(&flow, "100.00").await?;
    let escrow = flow.create("40.00").await?;
    flow.fund(escrow).await?;
    let released = flow.create("10.00").await?;
    flow.fund(released).await?;
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let staff = &flow.parties.staff;
    let month = this_month();
    let path = format!("/v1/statements/{id}.{month}");
    let early = staff.get(&path).await?;
    assert_eq!((early.status, early.code()), (404, "STATEMENT_NOT_FOUND"), "{}", early.text);
    let shown = expect(staff.get(&format!("{path}?provisional=true")).await?, &[200])?.body;
    assert_eq!((&shown["provisional"], &shown["period"], &shown["opening"]["total"]), (&json!(true), &json!(month), &json!("0.00")));
    assert_eq!(shown["closing"], json!({ "available": "50.00", "held": "0.00", "pending": "0.00", "total": "50.00" }));
    let mut lines = Vec::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let cursor = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let page = expect(staff.get(&format!("{path}?provisional=true&limit=3{cursor}")).await?, &[200])?.body;
        lines.extend(page["lines"]["items"].as_array().unwrap().clone());
        next = page["lines"]["nextCursor"].as_str().map(str::to_owned);
    }
    let credited = |line: &Value| if line["direction"] == "credit" { decimal(&line["amount"]) } else { -decimal(&line["amount"]) };
    assert_eq!(lines.iter().map(credited).sum::<Decimal>(), decimal(&shown["closing"]["total"]) - decimal(&shown["opening"]["total"]));
    assert_eq!(lines.last().unwrap()["balance"], shown["closing"]["total"]);
    assert_eq!(decimal(&shown["totalIn"]) - decimal(&shown["totalOut"]), decimal(&shown["closing"]["total"]));
    // Balances of any moment.
    for line in &lines {
        let at = expect(staff.get(&format!("/v1/wallets/{id}/balance?atPosition={}", line["position"])).await?, &[200])?.body;
        let last = lines.iter().rfind(|other| other["position"] == line["position"]).unwrap();
        assert_eq!(decimal(&at["available"]) + decimal(&at["held"]), decimal(&last["balance"]), "{line}");
    }
    let before = expect(staff.get(&format!("/v1/wallets/{id}/balance?asOf=2020-01-01T00:00:00Z")).await?, &[200])?.body;
    assert_eq!(before["available"], "0.00");
    for wrong in ["asOf=2999-01-01T00:00:00Z", "atPosition=-1", "asOf=2020-01-01T00:00:00Z&atPosition=1", "asOf=yesterday"] {
        let answer = staff.get(&format!("/v1/wallets/{id}/balance?{wrong}")).await?;
        assert_eq!((answer.status, answer.code()), (400, "VALIDATION_FAILED"), "{wrong}");
    }
    // The same as a table and as a document.
    let csv = expect(staff.get(&format!("{path}?provisional=true&format=csv")).await?, &[200])?;
    assert!(csv.headers["content-type"].to_str()?.starts_with("text/csv"));
    let rows: Vec<&str> = csv.text.lines().collect();
    assert_eq!(rows.len(), lines.len() + 3, "{}", csv.text);
    assert!(rows[0].starts_with("recordedAt,valueAt") && rows[1].contains(",opening,") && rows.last().unwrap().contains(",closing,"));
    let pdf = expect(staff.get(&format!("{path}?provisional=true&format=pdf")).await?, &[200])?;
    assert_eq!(pdf.headers["content-type"], "application/pdf");
    assert!(pdf.text.starts_with("%PDF-"));
    // Lists have complete months only; the owner sees its own.
    let none = expect(staff.get(&format!("/v1/statements?walletId={id}")).await?, &[200])?;
    assert_eq!(none.body["items"], json!([]));
    let nothing = staff.get("/v1/statements").await?;
    assert_eq!((nothing.status, nothing.code()), (400, "VALIDATION_FAILED"));
    expect(flow.parties.payer.get(&format!("{path}?provisional=true")).await?, &[200])?;
    let foreign = flow.parties.payee.get(&format!("{path}?provisional=true")).await?;
    assert_eq!((foreign.status, foreign.code()), (404, "STATEMENT_NOT_FOUND"));
    for wrong in ["nonsense".to_owned(), format!("{id}.2026-13"), format!("{}.{month}", Uuid::new_v4())] {
        let answer = staff.get(&format!("/v1/statements/{wrong}?provisional=true")).await?;
        assert_eq!((answer.status, answer.code()), (404, "STATEMENT_NOT_FOUND"), "{wrong}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transfer_needs_a_second_person() -> anyhow::Result<()> {
    // LED-18, LED-57, IDN-70.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("[transfer]\napprovalAboveMinor = 5000\n")?)?;
    let from = filled(&flow, "200.00").await?;
    let other = Flow { parties: holdfast_tests::Parties::new(&system, flow.parties.tenant_id)?, currency: "EUR".to_owned() };
    let to = filled(&other, "1.00").await?;
    let finance = |_: u8| system.client(flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::PlatformFinance]);
    let (anna, ben) = (finance(1)?, finance(2)?);
    let body =
        |amount: &str| json!({ "fromWalletId": from, "toWalletId": to, "amount": amount, "currency": "EUR", "reason": "correction" });
    let transfer = async |who: &Client, amount: &str| anyhow::Ok(expect(who.post("/v1/ledger/transfer", &body(amount)).await?, &[200])?);
    let answer_to = async |who: &Client, id: &str, verb: &str| {
        let body = if verb == "approve" { json!({}) } else { json!({ "reason": "twice" }) };
        who.post(&format!("/v1/ledger/transfers/{id}/{verb}"), &body).await
    };
    // Up to the limit at once.
    let small = transfer(&anna, "50.00").await?;
    assert_eq!(small.body["transferId"], Value::Null);
    other.wait_for_wallet("51.00").await?;
    // Above it nothing moves.
    let large = transfer(&anna, "50.01").await?;
    let id = large.body["transferId"].as_str().unwrap().to_owned();
    let waiting = anna.get_at("/v1/ledger/transfers?status=requested", large.position.unwrap()).await?;
    assert_eq!((&waiting.body["items"][0]["id"], &waiting.body["items"][0]["amount"]), (&json!(id), &json!("50.01")), "{}", waiting.text);
    assert_eq!(wallet(&flow, flow.parties.payer_id).await?["available"], "150.00");
    let own = answer_to(&anna, &id, "approve").await?;
    assert_eq!((own.status, own.code()), (403, "FOUR_EYES_REQUIRED"), "{}", own.text);
    let staff = answer_to(&flow.parties.staff, &id, "approve").await?;
    assert_eq!((staff.status, staff.code()), (403, "POLICY_DENIED"), "{}", staff.text);
    expect(answer_to(&ben, &id, "approve").await?, &[200])?;
    other.wait_for_wallet("101.01").await?;
    let again = answer_to(&ben, &id, "approve").await?;
    assert_eq!((again.status, again.code()), (404, "TRANSFER_NOT_FOUND"), "{}", again.text);
    // Rejected: over. Funds are looked at when it is approved.
    let rejected = transfer(&anna, "60.00").await?.body["transferId"].as_str().unwrap().to_owned();
    expect(answer_to(&ben, &rejected, "reject").await?, &[200])?;
    let (first, second) = (transfer(&anna, "99.99").await?, transfer(&anna, "99.99").await?);
    expect(answer_to(&ben, first.body["transferId"].as_str().unwrap(), "approve").await?, &[200])?;
    let short = answer_to(&ben, second.body["transferId"].as_str().unwrap(), "approve").await?;
    assert_eq!((short.status, short.code()), (422, "INSUFFICIENT_FUNDS"), "{}", short.text);
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    let all = anna.get("/v1/ledger/transfers").await?;
    let statuses: Vec<_> = all.body["items"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["requested", "approved", "rejected", "approved"]);
    other.wait_for_wallet("201.00").await?;
    system.verify()?;
    Ok(())
}
