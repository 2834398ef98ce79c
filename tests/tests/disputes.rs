//! Disputes over HTTP: from the objection to the enforced decision (DSP-10..17, DSP-20..26, DSP-41).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, Flow, System, expect, send};
use serde_json::{Value, json};
use uuid::Uuid;

/// 70 bytes that begin as a PNG does, and their SHA-256.
fn png() -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[7; 54]].concat()
}
const PNG_SHA256: &str = "abc62c07cc56bd75f0b1cf71b3505ad64c8d97b4e8c62264ca95485325688f26";

/// A file of that dispute; confirmed unless told otherwise.
async fn upload(client: &Client, dispute: Uuid, confirmed: bool) -> anyhow::Result<Uuid> {
    let file = json!({ "ownerType": "dispute_evidence", "ownerId": dispute, "kind": "photo", "mime": "image/png", "size": 70 });
    let ticket = expect(client.post("/v1/assets/presign-upload", &file).await?, &[201])?;
    if confirmed {
        let plain = reqwest::Client::builder().no_proxy().build()?;
        let mut put = plain.put(ticket.body["upload"]["url"].as_str().unwrap()).body(png());
        for (name, value) in ticket.body["upload"]["headers"].as_object().unwrap() {
            put = put.header(name, value.as_str().unwrap());
        }
        assert_eq!(send(put).await?.status, 204);
        expect(client.post("/v1/assets/confirm-upload", &json!({ "assetId": ticket.id() })).await?, &[200])?;
    }
    Ok(ticket.id())
}

fn codes(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_objection_to_the_enforced_decision() -> anyhow::Result<()> {
    // DSP-10..15, DSP-20..25, DSP-30, DSP-32, DSP-33, DSP-38, DSP-41, DSP-45, MNY-25, MNY-26, MNY-29
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let (payer, payee, staff, platform) = (&flow.parties.payer, &flow.parties.payee, &flow.parties.staff, &flow.parties.platform);
    let stranger = system.client(flow.parties.tenant_id, PartyId(Uuid::new_v4()), &[Role::Payer])?;
    let escrow = flow.delivered("1000.00").await?;

    // Raised by its reference; the same key gives the same answer, another one names the open case.
    let body = json!({ "refType": "escrow", "refId": escrow, "reason": "Ann says it is blurred", "disputeType": "delivery_rejected" });
    assert_eq!(codes(&stranger.post("/v1/disputes", &body).await?), (404, "ESCROW_NOT_FOUND"));
    let raised = expect(payer.post_keyed("/v1/disputes", &body, "raise-1").await?, &[200])?;
    let id: Uuid = raised.body["disputeId"].as_str().unwrap().parse()?;
    let again = payer.post_keyed("/v1/disputes", &body, "raise-1").await?;
    assert_eq!((again.replayed, again.body["disputeId"].as_str()), (true, Some(id.to_string().as_str())));
    let twice = payee.post("/v1/disputes", &body).await?;
    assert_eq!(codes(&twice), (409, "DISPUTE_ALREADY_OPEN"));
    assert_eq!(twice.body["error"]["details"]["disputeId"], id.to_string());
    let case = flow.wait_for_case(id, |_| true).await?;
    assert_eq!((&case["status"], &case["stage"], &case["disputeStatus"]), (&json!("opened"), &json!("opened"), &json!("open")));
    assert_eq!((&case["contestedAmount"], &case["reason"]), (&json!("1000.00"), &json!("Ann says it is blurred")));

    // Only parties and staff see it.
    assert_eq!(codes(&stranger.get(&format!("/v1/disputes/{id}")).await?), (404, "DISPUTE_NOT_FOUND"));
    assert_eq!(stranger.get("/v1/disputes").await?.body["items"], json!([]));
    for party in [payer, payee] {
        assert_eq!(party.get(&format!("/v1/disputes?refType=escrow&refId={escrow}")).await?.body["items"][0]["id"], id.to_string());
    }

    // Evidence: a confirmed file of this case, once.
    let file = upload(payer, id, true).await?;
    let evidence = json!({ "assetId": file, "note": "taken at noon by Ann" });
    assert_eq!(codes(&flow.ask_case(&stranger, id, "evidence", &evidence).await?), (404, "DISPUTE_NOT_FOUND"));
    let added = expect(flow.ask_case(payer, id, "evidence", &evidence).await?, &[200])?;
    assert_eq!(added.body["status"], "evidence");
    assert_eq!(codes(&flow.ask_case(payee, id, "evidence", &evidence).await?), (409, "EVIDENCE_EXISTS"));
    let nothing = json!({ "assetId": Uuid::new_v4() });
    assert_eq!(codes(&flow.ask_case(payee, id, "evidence", &nothing).await?), (422, "ASSET_NOT_FOUND"));
    let unconfirmed = upload(payee, id, false).await?;
    assert_eq!(codes(&flow.ask_case(payee, id, "evidence", &json!({ "assetId": unconfirmed })).await?), (409, "ASSET_NOT_READY"));

    // A resolver who is no party; a decision only under review.
    let refund = json!({ "decision": "refund" });
    assert_eq!(codes(&flow.ask_case(staff, id, "decision", &refund).await?), (409, "INVALID_DISPUTE_TRANSITION"));
    let party = json!({ "assigneeId": flow.parties.payer_id });
    assert_eq!(codes(&flow.ask_case(staff, id, "assign", &party).await?), (403, "CONFLICT_OF_INTEREST"));
    let unassigned = platform.get_at("/v1/disputes?assignee=none&closed=false&sort=created_at:asc", added.position.unwrap()).await?;
    assert_eq!(unassigned.body["items"][0]["id"], id.to_string());
    let resolver = Uuid::new_v4();
    let assigned = expect(flow.ask_case(staff, id, "assign", &json!({ "assigneeId": resolver })).await?, &[200])?;
    assert_eq!((&assigned.body["status"], assigned.body["events"].as_array().unwrap().len()), (&json!("review"), 2));
    let mine = platform.get_at(&format!("/v1/disputes?assignee={resolver}&status=review"), assigned.position.unwrap()).await?;
    assert_eq!(mine.body["items"][0]["id"], id.to_string());
    expect(flow.ask_case(staff, id, "request-decision", &json!({})).await?, &[200])?;

    // The decision disposes of exactly what is contested; then it is enforced.
    let split = |release: &str, refund: &str| json!({ "decision": "split", "split": { "release": release, "refund": refund, "penalty": "0", "currency": "EUR" }, "rationale": "half" });
    let wrong = flow.ask_case(staff, id, "decision", &split("1.00", "1.00")).await?;
    assert_eq!(codes(&wrong), (422, "DECISION_AMOUNT_INVALID"));
    assert_eq!(wrong.body["error"]["details"]["contested"]["amount"], "1000.00");
    assert_eq!(codes(&flow.ask_case(payer, id, "decision", &refund).await?), (403, "POLICY_DENIED"));
    let decided = expect(flow.ask_case(staff, id, "decision", &split("600.00", "400.00")).await?, &[200])?;
    assert_eq!(decided.body["status"], "decided");
    let case = flow.wait_for_case(id, |case| case["status"] == "closed").await?;
    assert_eq!(
        (&case["resolution"], &case["disputeStatus"], &case["refundAmount"]),
        (&json!("split"), &json!("resolved_refunded"), &json!("400.00"))
    );
    assert_eq!(case["outcome"]["releaseAmount"], "600.00");
    let escrow = flow.wait_for(escrow, |escrow| escrow["status"] == "closed").await?;
    assert_eq!(
        (&escrow["outcome"], &escrow["releasedAmount"], &escrow["refundedAmount"]),
        (&json!("split"), &json!("600.00"), &json!("400.00"))
    );

    // Everything that was done stands in order, with who did it, and nothing takes more evidence.
    let done: Vec<_> = case["actions"].as_array().unwrap().iter().map(|action| action["type"].as_str().unwrap()).collect();
    let expected = ["opened", "evidence_added", "assigned", "review_started", "decision_requested", "decided", "enforced", "closed"];
    assert_eq!(done, expected.map(|name| format!("dispute.{name}")));
    assert_eq!(case["actions"][5]["details"]["rationale"], "half");
    let piece = &case["evidence"][0];
    assert_eq!((&piece["number"], &piece["sha256"], &piece["note"]), (&json!(1), &json!(PNG_SHA256), &json!("taken at noon by Ann")));
    assert_eq!(piece["submittedBy"], flow.parties.payer_id.to_string());
    assert_eq!(codes(&flow.ask_case(payer, id, "evidence", &json!({ "assetId": file })).await?), (409, "EVIDENCE_CLOSED"));
    assert_eq!(payer.get(&format!("/v1/disputes/{id}")).await?.body["allowedActions"], json!([]));

    // What people wrote is nowhere in the log, and evidence stays.
    let log = system.log_database().await?;
    let plain: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE payload::text LIKE '%Ann%'").fetch_one(&log).await?;
    assert_eq!(plain, 0);
    let delete =
        payer.request(reqwest::Method::DELETE, &format!("/v1/assets/{file}")).header("Content-Type", "application/json").body("{}");
    assert_eq!(send(delete).await?.status, 409);
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_ends_in_time_and_an_undecided_case_is_the_platforms() -> anyhow::Result<()> {
    // DSP-13, DSP-17, DSP-42, MNY-17
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("[escrow]\nevidenceHours = \"0.0006\"\ndecisionHours = \"0.0006\"\n")?)?;
    let escrow = flow.started("50.00").await?;
    let id = flow.dispute(&flow.parties.payer, escrow, &json!({})).await?;
    let case = flow.wait_for_case(id, |case| case["evidenceOpen"] == false).await?;
    assert!(case["evidenceDueAt"].is_string());
    let late = flow.ask_case(&flow.parties.payer, id, "evidence", &json!({ "assetId": Uuid::new_v4() })).await?;
    assert!(["EVIDENCE_CLOSED", "ASSET_NOT_FOUND"].contains(&late.code()), "{}", late.text);
    let case = flow.wait_for_case(id, |case| !case["escalatedAt"].is_null()).await?;
    assert_eq!((&case["status"], &case["contestedAmount"]), (&json!("opened"), &json!("50.00")), "a deadline moves no money");
    let queue = flow.parties.platform.get("/v1/disputes?escalated=true").await?;
    assert_eq!(queue.body["items"][0]["id"], id.to_string());
    let resolver = json!({ "assigneeId": Uuid::new_v4() });
    assert_eq!(codes(&flow.ask_case(&flow.parties.staff, id, "assign", &resolver).await?), (403, "POLICY_DENIED"));
    flow.decide(id, &json!({ "decision": "refund" })).await?;
    flow.wait_for_case(id, |case| case["status"] == "closed").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_taken_to_the_platform() -> anyhow::Result<()> {
    // DSP-17
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let escrow = flow.started("50.00").await?;
    let id = flow.dispute(&flow.parties.payee, escrow, &json!({ "disputeType": "unfair_rejection" })).await?;
    let why = json!({ "reason": "we know them both" });
    assert_eq!(codes(&flow.ask_case(&flow.parties.payer, id, "escalate", &why).await?), (403, "POLICY_DENIED"));
    expect(flow.ask_case(&flow.parties.staff, id, "escalate", &why).await?, &[200])?;
    assert_eq!(codes(&flow.ask_case(&flow.parties.staff, id, "escalate", &why).await?), (409, "DISPUTE_ESCALATED"));
    // The escrow learns it too: nobody gets round the platform.
    flow.wait_for(escrow, |escrow| escrow["dispute"]["escalated"] == true).await?;
    assert_eq!(codes(&flow.ask_case(&flow.parties.staff, id, "close", &json!({})).await?), (403, "POLICY_DENIED"));
    expect(flow.ask_case(&flow.parties.platform, id, "close", &json!({ "note": "no ground" })).await?, &[200])?;
    let case = flow.wait_for_case(id, |case| case["status"] == "closed").await?;
    assert_eq!((&case["resolution"], &case["disputeStatus"]), (&json!("rejected"), &json!("resolved_rejected")));
    flow.wait_for(escrow, |escrow| escrow["status"] == "in_progress").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_holds_money_is_disputed() -> anyhow::Result<()> {
    // DSP-10, MNY-26
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    for (ref_type, status, code) in [
        ("payment", 422, "REF_TYPE_NOT_AVAILABLE"),
        ("payout", 422, "REF_TYPE_NOT_AVAILABLE"),
        ("booking", 404, "BOOKING_NOT_FOUND"),
        ("escrow", 404, "ESCROW_NOT_FOUND"),
        ("house", 400, "VALIDATION_FAILED"),
    ] {
        let answer =
            flow.parties.payer.post("/v1/disputes", &json!({ "refType": ref_type, "refId": Uuid::new_v4(), "reason": "no" })).await?;
        assert_eq!(codes(&answer), (status, code), "{ref_type}: {}", answer.text);
    }
    let id = Uuid::new_v4();
    for (action, body) in [("concede", json!({ "amount": "1", "currency": "EUR" })), ("close", json!({})), ("escalate", json!({}))] {
        assert_eq!(codes(&flow.ask_case(&flow.parties.payer, id, action, &body).await?), (404, "DISPUTE_NOT_FOUND"), "{action}");
    }
    // Work that a milestone of no contract of ours stands for.
    let mut body = flow.create_body("10.00");
    body["milestoneId"] = json!(Uuid::new_v4());
    assert_eq!(codes(&flow.parties.staff.post("/v1/escrows", &body).await?), (404, "CONTRACT_NOT_FOUND"));
    Ok(())
}

/// Small, seeded, the same everywhere.
struct Lots(u64);

impl Lots {
    fn pick(&mut self, of: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % of
    }
}

/// Everything that could move an escrow's money but must not while it is frozen.
fn attempts() -> Vec<(&'static str, Value)> {
    let one = json!({ "amount": "1.00", "currency": "EUR" });
    vec![
        ("release", json!({})),
        ("release", json!({ "amount": "100.00", "currency": "EUR" })),
        ("release-partial", one),
        ("refund", json!({ "reason": "cancellation" })),
        ("refund", json!({ "reason": "sla_breach" })),
        ("cancel", json!({ "reason": "no" })),
        ("approve", json!({})),
        ("lock", json!({})),
        ("start", json!({})),
        ("make-releasable", json!({})),
        ("fund", json!({ "source": "wallet" })),
        ("submit-delivery", json!({ "assetIds": [Uuid::nil()] })),
        ("decline-refund", json!({ "reason": "no" })),
        ("dispute", json!({ "reason": "more" })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_interleaving_over_http_moves_frozen_money() -> anyhow::Result<()> {
    // MNY-35, DSP-31, ESC-56: commands of all hats, all at once, while every clock runs out.
    const SECONDS: u64 = 6;
    let system = System::start().await?;
    let hours = |name: &str| format!("{name} = \"0.0005\"\n");
    let clocks: String = ["autoReleaseHours", "disputeWindowHours", "slaHours", "evidenceHours", "decisionHours"].map(hours).concat();
    let flow = Flow::new(&system, system.tenant(&format!("[escrow]\n{clocks}"))?)?;
    let mut cases = Vec::new();
    for _ in 0..3 {
        let escrow = flow.started("100.00").await?;
        let raised = flow.act(&flow.parties.payer, escrow, "dispute", &json!({ "reason": "no" })).await;
        // The shortest clock may have disputed it already: that freezes it as well.
        let dispute = match raised {
            Ok(answer) => answer.body["disputeId"].as_str().unwrap().parse()?,
            Err(_) => flow.wait_for(escrow, |escrow| !escrow["dispute"].is_null()).await?["dispute"]["id"].as_str().unwrap().parse()?,
        };
        flow.wait_for_case(dispute, |_| true).await?;
        cases.push((escrow, dispute));
    }
    let clients = [&flow.parties.payer, &flow.parties.payee, &flow.parties.staff, &flow.parties.platform];
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let runs = (0..4_u64).map(|seed| {
        let (mut lots, cases) = (Lots(seed), &cases);
        async move {
            let (mut asked, attempts) = (0, attempts());
            while Instant::now() < until {
                let (action, body) = &attempts[lots.pick(attempts.len())];
                let path = format!("/v1/escrows/{}/{action}", cases[lots.pick(cases.len())].0);
                let answer = clients[lots.pick(clients.len())].post(&path, body).await?;
                assert!(answer.status >= 400 && answer.status < 500, "{action} went through: {} {}", answer.status, answer.text);
                asked += 1;
            }
            anyhow::Ok(asked)
        }
    });
    let asked: u32 = futures::future::try_join_all(runs).await?.into_iter().sum();
    assert!(asked > 50, "only {asked} asked");

    // The evidence and decision clocks ran out meanwhile, and not a cent has left L215.
    let log = system.log_database().await?;
    let ids: Vec<Uuid> = cases.iter().map(|(escrow, _)| *escrow).collect();
    let leaving = "SELECT count(*) FROM events WHERE aggregate_id = ANY($1) AND event_type IN \
        ('escrow.released', 'escrow.partially_released', 'escrow.refunded', 'escrow.penalty_taken', 'escrow.dispute_dismissed', \
         'escrow.redo_ordered', 'escrow.dispute_resolved')";
    let left: i64 = sqlx::query_scalar(leaving).bind(&ids).fetch_one(&log).await?;
    assert_eq!(left, 0);
    system.read_models_at_heads(Duration::from_secs(20)).await?;
    for (escrow, dispute) in &cases {
        let account = flow.parties.staff.get(&format!("/v1/escrow-accounts?escrowId={escrow}")).await?;
        assert_eq!(
            (&account.body["items"][0]["balance"], &account.body["items"][0]["lockedBalance"]),
            (&json!("100.00"), &json!("100.00"))
        );
        let case = flow.case(*dispute).await?;
        assert!(case["escalatedAt"].is_string(), "{case}");
        // Only a decision moves it.
        flow.decide(*dispute, &json!({ "decision": "refund" })).await?;
        flow.wait_for_case(*dispute, |case| case["status"] == "closed").await?;
        flow.wait_for(*escrow, |escrow| escrow["status"] == "closed" && escrow["refundedAmount"] == "100.00").await?;
    }
    system.read_models_at_heads(Duration::from_secs(20)).await?;
    let account = flow.parties.staff.get(&format!("/v1/escrow-accounts?escrowId={}", ids[0])).await?;
    assert!(account.body["items"].as_array().unwrap().iter().all(|item| item["lockedBalance"] == "0.00" || item["lockedBalance"] == "0"));
    system.verify()?;
    Ok(())
}
