//! Money cases MNY-01..36 over HTTP: one test per case that has a face to the caller, named after it. What only bookings or
//! contracts can show is in their files; what only payments and payouts can show is said where it is left out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, Flow, System, bank_reference, expect};
use serde_json::{Value, json};
use uuid::Uuid;

async fn world(settings: &str) -> anyhow::Result<(System, Flow)> {
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant(settings)?)?;
    Ok((system, flow))
}

/// The tenant of MNY-04: 9000/800/200 and 18 % on fees.
const TAXED: &str =
    "[escrow.split]\npayeeBp = 9000\ntenantBp = 800\nplatformBp = 200\n[escrow.tax]\nfeeTaxBp = 1800\ntenantRegistered = true\n";

fn eur(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

fn split(release: &str, refund: &str, penalty: &str) -> Value {
    json!({ "decision": "split", "split": { "release": release, "refund": refund, "penalty": penalty, "currency": "EUR" } })
}

async fn ask(client: &Client, escrow: Uuid, action: &str, body: &Value) -> anyhow::Result<Answer> {
    Ok(client.post(&format!("/v1/escrows/{escrow}/{action}"), body).await?)
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text);
}

/// What each party has got of the escrow: payee, tenant, platform, tax.
fn paid(escrow: &Value) -> Vec<&str> {
    escrow["parties"].as_array().unwrap().iter().take(4).map(|party| party["released"].as_str().unwrap()).collect()
}

/// Open, contested, released, refunded.
fn amounts(escrow: &Value) -> [&str; 4] {
    ["openAmount", "contestedAmount", "releasedAmount", "refundedAmount"].map(|name| escrow[name].as_str().unwrap())
}

async fn payee_wallet(flow: &Flow) -> anyhow::Result<Value> {
    let path = format!("/v1/wallets?ownerId={}&ownerType=talent", flow.parties.payee_id);
    Ok(flow.parties.staff.get(&path).await?.body["items"][0].clone())
}

async fn closed(flow: &Flow, escrow: Uuid) -> anyhow::Result<Value> {
    flow.wait_for(escrow, |escrow| escrow["status"] == "closed").await
}

async fn receive(flow: &Flow, payer: PartyId, escrow: Uuid, amount: &str) -> anyhow::Result<Answer> {
    let receipt = json!({
        "bankReference": bank_reference(), "payerId": payer, "escrowId": escrow, "amount": amount, "currency": "EUR",
        "receivedAt": "2026-01-01T00:00:00Z",
    });
    expect(flow.parties.platform.post("/v1/bank-receipts", &receipt).await?, &[200, 201])
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_01_what_leaves_the_escrow_lands_in_every_wallet_and_then_it_is_closed() -> anyhow::Result<()> {
    // MNY-01
    let (system, flow) = world(TAXED).await?;
    let id = flow.approved("10000.00").await?;
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    let escrow = closed(&flow, id).await?;
    assert_eq!((paid(&escrow), escrow["inTransit"].as_str()), (vec!["8820.00", "944.00", "200.00", "36.00"], Some("0.00")));
    let names: Vec<_> = escrow["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    let place = |name: &str| names.iter().position(|found| *found == name).unwrap();
    assert!(place("escrow.released") < place("escrow.leg_landed") && place("escrow.leg_landed") < place("escrow.closed"), "{names:?}");
    assert_eq!(payee_wallet(&flow).await?["available"], "8820.00");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_02_no_amount_of_zero_less_or_too_fine_reaches_the_domain() -> anyhow::Result<()> {
    // MNY-02
    let (system, flow) = world("").await?;
    let id = flow.delivered("10.00").await?;
    for (amount, code) in [("0", "AMOUNT_INVALID"), ("-1", "AMOUNT_INVALID"), ("0.001", "AMOUNT_PRECISION")] {
        let contest = json!({ "reason": "no", "amount": amount, "currency": "EUR" });
        refused(&ask(&flow.parties.payer, id, "dispute", &contest).await?, 422, code);
        refused(&ask(&flow.parties.platform, id, "release-partial", &eur(amount)).await?, 422, code);
    }
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_03_and_mny_23_parts_end_at_the_one_division() -> anyhow::Result<()> {
    // MNY-03, MNY-23, LED-72: the first part as in the case, the last gives exactly what is left.
    let (system, flow) = world(TAXED).await?;
    let id = flow.approved("10000.00").await?;
    flow.act(&flow.parties.platform, id, "release-partial", &eur("3333.33")).await?;
    let escrow = flow.wait_for(id, |escrow| escrow["status"] == "partial_released").await?;
    assert_eq!(paid(&escrow), ["2940.00", "314.66", "66.67", "12.00"]);
    flow.act(&flow.parties.platform, id, "release-partial", &eur("0.01")).await?;
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    assert_eq!(paid(&closed(&flow, id).await?), ["8820.00", "944.00", "200.00", "36.00"]);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_04_a_split_that_cannot_bear_its_taxes_is_refused_at_creation() -> anyhow::Result<()> {
    // MNY-04
    let (system, flow) = world("[escrow.split]\npayeeBp = 0\ntenantBp = 0\nplatformBp = 10000\n[escrow.tax]\nfeeTaxBp = 1800\n").await?;
    let answer = flow.parties.staff.post("/v1/escrows", &flow.create_body("100.00")).await?;
    refused(&answer, 422, "SPLIT_BELOW_TAX");
    let details = &answer.body["error"]["details"];
    assert_eq!((&details["party"], &details["missing"]["amount"]), (&json!("payee"), &json!("18.00")));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_05_one_live_escrow_per_reference() -> anyhow::Result<()> {
    // MNY-05
    let (system, flow) = world("").await?;
    let body = flow.create_body("10.00");
    let first = expect(flow.parties.staff.post("/v1/escrows", &body).await?, &[201])?;
    let second = flow.parties.staff.post("/v1/escrows", &body).await?;
    refused(&second, 409, "ESCROW_EXISTS");
    assert_eq!(second.body["error"]["details"]["escrowId"], first.id().to_string());
    flow.act(&flow.parties.staff, first.id(), "cancel", &json!({ "reason": "changed plans" })).await?;
    expect(flow.parties.staff.post("/v1/escrows", &body).await?, &[201])?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_07_a_wallet_with_too_little_sends_the_escrow_back_to_created() -> anyhow::Result<()> {
    // MNY-07
    let (system, flow) = world("").await?;
    flow.fill("9.99").await?;
    let id = flow.create("10.00").await?;
    flow.wallet_has("9.99").await?;
    flow.act(&flow.parties.payer, id, "fund", &json!({ "source": "wallet" })).await?;
    let escrow = flow.wait_for(id, |escrow| !escrow["funding"]["fundingFailure"].is_null()).await?;
    assert_eq!((&escrow["status"], &escrow["funding"]["fundingFailure"]), (&json!("created"), &json!("INSUFFICIENT_FUNDS")));
    flow.fill("0.01").await?;
    flow.wallet_has("10.00").await?;
    flow.fund(id).await?;
    flow.wait_for_wallet("0.00").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_08_money_of_another_currency_is_refused() -> anyhow::Result<()> {
    // MNY-08
    let (system, flow) = world("").await?;
    let id = flow.delivered("10.00").await?;
    let contest = json!({ "reason": "no", "amount": "1.00", "currency": "USD" });
    let answer = ask(&flow.parties.payer, id, "dispute", &contest).await?;
    refused(&answer, 422, "CURRENCY_MISMATCH");
    assert_eq!(answer.body["error"]["details"]["expected"], "EUR");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_09_and_mny_10_money_that_arrives_is_the_payers_first_and_funds_when_it_is_enough() -> anyhow::Result<()> {
    // MNY-09, MNY-10, by bank receipts: a provider's payments do not exist yet.
    let (system, flow) = world("").await?;
    let id = flow.create("100.00").await?;
    flow.act(&flow.parties.payer, id, "fund", &json!({ "source": "bank_transfer" })).await?;
    receive(&flow, flow.parties.payer_id, id, "40.00").await?;
    let escrow = flow.wait_for(id, |escrow| escrow["funding"]["received"] == "40.00").await?;
    assert_eq!((&escrow["status"], &escrow["funding"]["missing"]), (&json!("funding_pending"), &json!("60.00")));
    receive(&flow, flow.parties.payer_id, id, "75.00").await?;
    let escrow = flow.wait_for(id, |escrow| escrow["status"] == "funded").await?;
    assert_eq!(escrow["fundedAmount"], "100.00", "exactly the amount");
    flow.wait_for_wallet("15.00").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_11_and_mny_12_a_cancelled_escrow_gives_everything_back_and_takes_nothing_any_more() -> anyhow::Result<()> {
    // MNY-11, MNY-12: back to the wallet; back to a card comes with payments.
    let (system, flow) = world("").await?;
    let id = flow.create("100.00").await?;
    receive(&flow, flow.parties.payer_id, id, "40.00").await?;
    flow.wait_for(id, |escrow| escrow["funding"]["received"] == "40.00").await?;
    flow.act(&flow.parties.staff, id, "cancel", &json!({ "reason": "changed plans" })).await?;
    flow.wait_for_wallet("40.00").await?;
    receive(&flow, flow.parties.payer_id, id, "60.00").await?;
    flow.wait_for_wallet("100.00").await?;
    assert_eq!(flow.escrow(id).await?["status"], "cancelled");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_13_money_in_an_escrow_is_not_the_payers_to_send_elsewhere() -> anyhow::Result<()> {
    // MNY-13: only what is free on the wallet can go. Refunds of payments come with payments.
    let (system, flow) = world("").await?;
    let id = flow.started("100.00").await?;
    flow.wait_for_wallet("0.00").await?;
    let wallets = flow.parties.staff.get(&format!("/v1/wallets?ownerId={}", flow.parties.payer_id)).await?;
    let from = wallets.body["items"][0]["id"].clone();
    let transfer = json!({ "fromWalletId": from, "toWalletId": Uuid::new_v4(), "amount": "1.00", "currency": "EUR", "reason": "no" });
    let answer = flow.parties.platform.post("/v1/ledger/transfer", &transfer).await?;
    assert!((400..500).contains(&answer.status), "{}", answer.text);
    assert_eq!(flow.escrow(id).await?["openAmount"], "100.00");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_14_a_funded_escrow_is_cancelled_at_once_up_to_the_limit_and_by_the_platform_above_it() -> anyhow::Result<()> {
    // MNY-14
    let (system, flow) = world("automaticRefundLimitMinor = 10000\n").await?;
    flow.fill("200.01").await?;
    flow.wallet_has("200.01").await?;
    let (small, large) = (flow.create("100.00").await?, flow.create("100.01").await?);
    for id in [small, large] {
        flow.fund(id).await?;
        flow.act(&flow.parties.staff, id, "cancel", &json!({ "reason": "changed plans" })).await?;
    }
    assert_eq!(closed(&flow, small).await?["outcome"], "refunded");
    let asked = flow.wait_for(large, |escrow| escrow["refundRequested"] == true).await?;
    assert_eq!(asked["status"], "funded");
    refused(&ask(&flow.parties.staff, large, "start", &json!({})).await?, 409, "REFUND_REQUESTED");
    flow.act(&flow.parties.platform, large, "decline-refund", &json!({ "reason": "work is on its way" })).await?;
    flow.act(&flow.parties.staff, large, "start", &json!({})).await?;
    refused(&ask(&flow.parties.staff, large, "cancel", &json!({ "reason": "late" })).await?, 409, "WORK_STARTED");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_15_a_refund_of_an_unfunded_escrow_is_a_cancellation() -> anyhow::Result<()> {
    // MNY-15
    let (system, flow) = world("").await?;
    let id = flow.create("10.00").await?;
    flow.act(&flow.parties.platform, id, "refund", &json!({ "reason": "cancellation" })).await?;
    let escrow = flow.wait_for(id, |escrow| escrow["status"] == "cancelled").await?;
    assert_eq!((&escrow["outcome"], amounts(&escrow)), (&json!("cancelled"), ["0.00"; 4]));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_16_a_refund_goes_to_where_it_came_from() -> anyhow::Result<()> {
    // MNY-16: the wallet. Back to cards comes with payments.
    let (system, flow) = world("").await?;
    flow.fill("10.00").await?;
    let id = flow.create("10.00").await?;
    flow.wallet_has("10.00").await?;
    flow.fund(id).await?;
    flow.wait_for_wallet("0.00").await?;
    flow.act(&flow.parties.platform, id, "refund", &json!({ "reason": "cancellation" })).await?;
    assert_eq!(closed(&flow, id).await?["refundedAmount"], "10.00");
    flow.wait_for_wallet("10.00").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_17_no_state_waits_for_ever() -> anyhow::Result<()> {
    // MNY-17, CNF-59, ESC-67: not funded, not started, not delivered.
    let (system, flow) = world("[escrow]\nfundingHours = \"0.001\"\nstartHours = \"0.001\"\nslaHours = \"0.0006\"\n").await?;
    let unfunded = flow.create("10.00").await?;
    flow.fill("20.00").await?;
    flow.wallet_has("20.00").await?;
    let unstarted = flow.create("10.00").await?;
    flow.fund(unstarted).await?;
    assert_eq!(closed(&flow, unstarted).await?["outcome"], "refunded", "the start was missed");
    flow.wait_for(unfunded, |escrow| escrow["status"] == "cancelled").await?;
    let undelivered = flow.started("10.00").await?;
    let escrow = flow.wait_for(undelivered, |escrow| escrow["status"] == "disputed").await?;
    assert_eq!((&escrow["dispute"]["kind"], &escrow["dispute"]["raisedAs"]), (&json!("deadline_missed"), &json!("system")));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_19_and_mny_20_silence_settles_and_then_it_is_too_late_to_object() -> anyhow::Result<()> {
    // MNY-19, MNY-20, ESC-60
    let (system, flow) =
        world("[escrow]\nautoReleaseHours = \"0.0006\"\ndisputeWindowHours = \"0.0006\"\nsettledDisputeHours = \"0\"\n").await?;
    let id = flow.delivered("10.00").await?;
    let escrow = closed(&flow, id).await?;
    assert_eq!((&escrow["outcome"], &escrow["releasedAmount"]), (&json!("settled"), &json!("10.00")));
    assert!(escrow["events"].as_array().unwrap().iter().any(|event| event["details"]["automatic"] == true), "approved by silence");
    let late = ask(&flow.parties.payer, id, "dispute", &json!({ "reason": "late" })).await?;
    refused(&late, 409, "DISPUTE_WINDOW_CLOSED");
    assert!(late.body["error"]["details"]["settledAt"].is_string(), "{}", late.text);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_21_where_a_person_must_approve_silence_is_a_dispute() -> anyhow::Result<()> {
    // MNY-21
    let (system, flow) = world("[escrow]\napprovalMode = \"manual\"\nautoReleaseHours = \"0.0006\"\n").await?;
    let id = flow.delivered("10.00").await?;
    let escrow = flow.wait_for(id, |escrow| escrow["status"] == "disputed").await?;
    assert_eq!((&escrow["dispute"]["kind"], amounts(&escrow)), (&json!("approval_missing"), ["0.00", "10.00", "0.00", "0.00"]));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_22_a_release_takes_exactly_what_is_open() -> anyhow::Result<()> {
    // MNY-22
    let (system, flow) = world("").await?;
    let id = flow.approved("10.00").await?;
    refused(&ask(&flow.parties.platform, id, "release", &eur("9.99")).await?, 422, "AMOUNT_BELOW_REMAINDER");
    refused(&ask(&flow.parties.platform, id, "release", &eur("10.01")).await?, 422, "AMOUNT_EXCEEDS_ESCROW");
    flow.act(&flow.parties.platform, id, "release-partial", &eur("10.00")).await?;
    assert_eq!(closed(&flow, id).await?["outcome"], "settled", "a part of exactly all is a release");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_24_released_money_is_pending_until_it_clears() -> anyhow::Result<()> {
    // MNY-24; with a booking: `bookings.rs`.
    let (system, flow) = world("clearanceHours = \"0.001\"\n").await?;
    let id = flow.approved("10.00").await?;
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    closed(&flow, id).await?;
    for _ in 0..400 {
        if payee_wallet(&flow).await?["available"] == "9.50" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let wallet = payee_wallet(&flow).await?;
    assert_eq!((&wallet["available"], &wallet["pending"]), (&json!("9.50"), &json!("0.00")));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_25_the_escrow_freezes_before_anybody_is_told() -> anyhow::Result<()> {
    // MNY-25: the answer names the case, and the money is frozen already.
    let (system, flow) = world("").await?;
    let id = flow.delivered("10.00").await?;
    let raised = flow.act(&flow.parties.payer, id, "dispute", &json!({ "reason": "blurred" })).await?;
    assert_eq!(raised.body["status"], "disputed");
    refused(&ask(&flow.parties.platform, id, "release", &json!({})).await?, 409, "INVALID_ESCROW_TRANSITION");
    let dispute: Uuid = raised.body["disputeId"].as_str().unwrap().parse()?;
    assert_eq!(flow.wait_for_case(dispute, |_| true).await?["contestedAmount"], "10.00");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_26_one_case_per_holder_that_can_be_widened() -> anyhow::Result<()> {
    // MNY-26
    let (system, flow) = world("").await?;
    let id = flow.delivered("10.00").await?;
    let case = flow.dispute(&flow.parties.payer, id, &eur("4.00")).await?;
    let second = ask(&flow.parties.payee, id, "dispute", &json!({ "reason": "me too" })).await?;
    refused(&second, 409, "DISPUTE_ALREADY_OPEN");
    assert_eq!(second.body["error"]["details"]["disputeId"], case.to_string());
    expect(flow.ask_case(&flow.parties.payee, case, "widen", &eur("2.00")).await?, &[200])?;
    assert_eq!(flow.wait_for_case(case, |case| case["contestedAmount"] == "6.00").await?["caseNo"], 1);
    refused(&flow.ask_case(&flow.parties.payer, case, "widen", &eur("4.01")).await?, 422, "AMOUNT_EXCEEDS_ESCROW");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_27_and_mny_28_the_rest_beside_a_contest_goes_its_usual_way() -> anyhow::Result<()> {
    // MNY-27, MNY-28
    let (system, flow) = world("").await?;
    let working = flow.started("10.00").await?;
    let part = json!({ "reason": "no", "amount": "1.00", "currency": "EUR" });
    refused(&ask(&flow.parties.payer, working, "dispute", &part).await?, 422, "PARTIAL_DISPUTE_NOT_ALLOWED");
    let id = flow.approved("10.00").await?;
    flow.dispute(&flow.parties.payer, id, &eur("4.00")).await?;
    let escrow = flow.wait_for(id, |escrow| escrow["contestedAmount"] == "4.00").await?;
    assert_eq!((&escrow["status"], amounts(&escrow)), (&json!("releasable"), ["6.00", "4.00", "0.00", "0.00"]));
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    let escrow = flow.wait_for(id, |escrow| escrow["releasedAmount"] == "6.00").await?;
    assert_eq!(escrow["status"], "disputed", "never closed while something is contested");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_29_and_mny_30_a_decision_disposes_of_exactly_what_is_contested() -> anyhow::Result<()> {
    // MNY-29, MNY-30: the example of the case: 6,000 released, 4,000 contested.
    let (system, flow) = world(&format!("{TAXED}[escrow.penalty]\nbeneficiary = \"platform\"\ncapBp = 2000\n")).await?;
    let id = flow.approved("10000.00").await?;
    flow.act(&flow.parties.platform, id, "release-partial", &eur("6000.00")).await?;
    let case = flow.dispute(&flow.parties.payer, id, &json!({})).await?;
    flow.assign(case).await?;
    let wrong = flow.ask_case(&flow.parties.platform, case, "decision", &split("2000.00", "1500.00", "499.99")).await?;
    refused(&wrong, 422, "DECISION_AMOUNT_INVALID");
    assert_eq!(wrong.body["error"]["details"]["contested"]["amount"], "4000.00");
    let steep = flow.ask_case(&flow.parties.platform, case, "decision", &split("1000.00", "2199.99", "800.01")).await?;
    refused(&steep, 422, "PENALTY_ABOVE_CAP");
    expect(flow.ask_case(&flow.parties.platform, case, "decision", &split("2000.00", "1500.00", "500.00")).await?, &[200])?;
    flow.wait_for_case(case, |case| case["status"] == "closed").await?;
    let escrow = closed(&flow, id).await?;
    assert_eq!((&escrow["outcome"], amounts(&escrow)), (&json!("split"), ["0.00", "0.00", "8000.00", "1500.00"]));
    assert_eq!(escrow["penaltyAmount"], "500.00");
    assert_eq!(paid(&escrow), ["7056.00", "755.20", "160.00", "28.80"], "fees only on what is released");
    flow.wait_for_wallet("1500.00").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_31_a_redo_begins_a_new_round_at_most_twice() -> anyhow::Result<()> {
    // MNY-31; the half of the booking: `bookings.rs`.
    let (system, flow) = world("").await?;
    let id = flow.delivered("10.00").await?;
    for round in [2, 3] {
        let case = flow.dispute(&flow.parties.payer, id, &json!({})).await?;
        flow.decide(case, &json!({ "decision": "redo" })).await?;
        let escrow = flow.wait_for(id, |escrow| escrow["round"] == round).await?;
        assert_eq!((&escrow["status"], amounts(&escrow)), (&json!("in_progress"), ["10.00", "0.00", "0.00", "0.00"]));
        assert_eq!(flow.wait_for_case(case, |case| case["status"] == "closed").await?["disputeStatus"], "none");
        flow.act(&flow.parties.payee, id, "submit-delivery", &json!({ "assetIds": [Uuid::new_v4()] })).await?;
    }
    let case = flow.dispute(&flow.parties.payer, id, &json!({})).await?;
    flow.assign(case).await?;
    refused(&flow.ask_case(&flow.parties.platform, case, "decision", &json!({ "decision": "redo" })).await?, 422, "REDO_LIMIT_REACHED");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_32_withdrawn_or_dismissed_the_money_is_open_again_and_the_raiser_has_had_their_say() -> anyhow::Result<()> {
    // MNY-32
    let (system, flow) = world("").await?;
    let id = flow.delivered("10.00").await?;
    let case = flow.dispute(&flow.parties.payer, id, &json!({})).await?;
    refused(&flow.ask_case(&flow.parties.payee, case, "close", &json!({})).await?, 403, "POLICY_DENIED");
    expect(flow.ask_case(&flow.parties.payer, case, "close", &json!({})).await?, &[200])?;
    let over = flow.wait_for_case(case, |case| case["status"] == "closed").await?;
    assert_eq!((&over["withdrawn"], &over["resolution"]), (&json!(true), &json!("rejected")));
    let escrow = flow.wait_for(id, |escrow| escrow["status"] == "delivery_submitted").await?;
    assert_eq!(amounts(&escrow), ["10.00", "0.00", "0.00", "0.00"]);
    refused(&ask(&flow.parties.payer, id, "dispute", &json!({ "reason": "again" })).await?, 409, "DISPUTE_ALREADY_DECIDED");
    // Somebody else still may; a decider dismisses that.
    let second = flow.dispute(&flow.parties.payee, id, &json!({})).await?;
    expect(flow.ask_case(&flow.parties.platform, second, "close", &json!({ "note": "no ground" })).await?, &[200])?;
    assert_eq!(flow.wait_for_case(second, |case| case["status"] == "closed").await?["withdrawn"], false);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_33_nobody_decides_for_their_own_side() -> anyhow::Result<()> {
    // MNY-33: staff who are a party, the tenant as who gains, the tenant as the payer.
    let (system, flow) = world("[escrow.penalty]\nbeneficiary = \"tenant\"\n").await?;
    let id = flow.delivered("10.00").await?;
    let case = flow.dispute(&flow.parties.payer, id, &json!({})).await?;
    flow.assign(case).await?;
    let staff_is_payer = system.client(flow.parties.tenant_id, flow.parties.payer_id, &[Role::Ops])?;
    refused(&flow.ask_case(&staff_is_payer, case, "decision", &json!({ "decision": "refund" })).await?, 403, "CONFLICT_OF_INTEREST");
    let gains = flow.ask_case(&flow.parties.staff, case, "decision", &split("5.00", "0", "5.00")).await?;
    refused(&gains, 403, "CONFLICT_OF_INTEREST");
    expect(flow.ask_case(&flow.parties.staff, case, "decision", &split("5.00", "5.00", "0")).await?, &[200])?;
    flow.wait_for_case(case, |case| case["status"] == "closed").await?;

    // The tenant itself pays: its staff is a party, the platform decides.
    let tenant = PartyId(flow.parties.tenant_id.uuid());
    let mut body = flow.create_body("10.00");
    body["payerId"] = json!(tenant);
    let own = expect(flow.parties.staff.post("/v1/escrows", &body).await?, &[201])?.id();
    receive(&flow, tenant, own, "10.00").await?;
    flow.wait_for(own, |escrow| escrow["status"] == "funded").await?;
    let case = flow.dispute(&flow.parties.payee, own, &json!({})).await?;
    let assign = flow.ask_case(&flow.parties.staff, case, "assign", &json!({ "assigneeId": Uuid::new_v4() })).await?;
    refused(&assign, 403, "CONFLICT_OF_INTEREST");
    flow.decide(case, &json!({ "decision": "refund" })).await?;
    flow.wait_for_case(case, |case| case["status"] == "closed").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_34_the_payee_gives_in_wholly_or_in_part() -> anyhow::Result<()> {
    // MNY-34
    let (system, flow) = world("").await?;
    let id = flow.delivered("10.00").await?;
    refused(&ask(&flow.parties.platform, id, "refund", &json!({ "reason": "cancellation" })).await?, 409, "WORK_STARTED");
    let case = flow.dispute(&flow.parties.payer, id, &json!({})).await?;
    refused(&flow.ask_case(&flow.parties.payer, case, "concede", &eur("1.00")).await?, 403, "POLICY_DENIED");
    expect(flow.ask_case(&flow.parties.payee, case, "concede", &eur("4.00")).await?, &[200])?;
    let open = flow.wait_for_case(case, |case| case["contestedAmount"] == "6.00").await?;
    assert_eq!(open["status"], "opened", "nobody decides for himself that he keeps something");
    expect(flow.ask_case(&flow.parties.payee, case, "concede", &eur("6.00")).await?, &[200])?;
    let over = flow.wait_for_case(case, |case| case["status"] == "closed").await?;
    assert_eq!((&over["conceded"], &over["resolution"]), (&json!(true), &json!("refund")));
    assert_eq!(closed(&flow, id).await?["outcome"], "refunded");
    flow.wait_for_wallet("10.00").await?;
    refused(&flow.ask_case(&flow.parties.payee, case, "concede", &eur("1.00")).await?, 409, "INVALID_ESCROW_TRANSITION");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_35_every_other_command_sees_only_what_is_open() -> anyhow::Result<()> {
    // MNY-35; with all hats and clocks at once: `disputes.rs`.
    let (system, flow) = world("").await?;
    let id = flow.approved("10.00").await?;
    flow.dispute(&flow.parties.payer, id, &eur("4.00")).await?;
    let more = ask(&flow.parties.platform, id, "release-partial", &eur("6.01")).await?;
    refused(&more, 422, "AMOUNT_EXCEEDS_ESCROW");
    assert_eq!(more.body["error"]["details"]["open"]["amount"], "6.00");
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    for (client, action, body) in [
        (&flow.parties.platform, "release", json!({})),
        (&flow.parties.platform, "refund", json!({ "reason": "cancellation" })),
        (&flow.parties.staff, "cancel", json!({ "reason": "no" })),
        (&flow.parties.staff, "approve", json!({})),
    ] {
        let answer = ask(client, id, action, &body).await?;
        refused(&answer, 409, "INVALID_ESCROW_TRANSITION");
        assert_eq!(answer.body["error"]["details"]["status"], "disputed");
    }
    let escrow = flow.wait_for(id, |escrow| escrow["releasedAmount"] == "6.00").await?;
    assert_eq!(amounts(&escrow), ["0.00", "4.00", "6.00", "0.00"]);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_36_a_settled_payment_is_disputed_frozen_and_given_back() -> anyhow::Result<()> {
    // MNY-36, MNY-42: 10,000 as 8,820.00, 944.00, 200.00 and 36.00; the part that is not refunded stays with the parties.
    let (system, flow) = world(TAXED).await?;
    let id = flow.approved("10000.00").await?;
    flow.act(&flow.parties.platform, id, "release", &json!({})).await?;
    closed(&flow, id).await?;
    let answer = flow.act(&flow.parties.payer, id, "dispute", &json!({ "reason": "not what was agreed" })).await?;
    let case: Uuid = answer.body["disputeId"].as_str().unwrap().parse()?;
    let again = ask(&flow.parties.payer, id, "dispute", &json!({ "reason": "again" })).await?;
    refused(&again, 409, "DISPUTE_ALREADY_OPEN");
    let escrow = flow.wait_for(id, |escrow| escrow["settledCase"]["frozen"] == "9764.00").await?;
    assert_eq!((escrow["status"].as_str(), escrow["settledCase"]["shortfall"].as_str()), (Some("closed"), Some("0.00")));
    let payee = payee_wallet(&flow).await?;
    assert_eq!((payee["available"].as_str(), payee["held"].as_str()), (Some("0.00"), Some("8820.00")));
    system.verify()?;

    flow.wait_for_case(case, |case| case["status"] == "opened").await?;
    flow.assign(case).await?;
    let redo = flow.ask_case(&flow.parties.platform, case, "decision", &json!({ "decision": "redo" })).await?;
    refused(&redo, 409, "REDO_AFTER_SETTLEMENT");
    let decided = flow.ask_case(&flow.parties.platform, case, "decision", &split("6666.67", "3333.33", "0.00")).await?;
    expect(decided, &[200])?;
    flow.wait_for_case(case, |case| case["status"] == "closed").await?;
    flow.wallet_has("3333.33").await?;
    let escrow = flow.wait_for(id, |escrow| escrow["inTransit"] == "0.00" && escrow["dispute"].is_null()).await?;
    assert_eq!(escrow["settledCase"]["refunded"], "3333.33");
    assert_eq!(amounts(&escrow), ["0.00", "0.00", "10000.00", "0.00"], "the money had left the escrow");
    let payee = payee_wallet(&flow).await?;
    assert_eq!((payee["available"].as_str(), payee["held"].as_str()), (Some("5880.00"), Some("0.00")));
    let balance = flow.parties.staff.get("/v1/ledger/trial-balance").await?;
    let accounts = balance.body["currencies"][0]["accounts"].as_array().cloned().unwrap_or_default();
    let returned = accounts.iter().find(|account| account["code"] == "R401");
    assert_eq!(returned.and_then(|account| account["balance"].as_str()), Some("66.67"), "{}", balance.text);
    system.verify()?;
    Ok(())
}
