//! Events pushed to frontends (docs/push.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::try_join_all;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Client, EventStream, Flow, Pushed, System, expect};
use serde_json::json;
use uuid::Uuid;

/// The tenant's own creation, which a projection may not have reached yet when a stream begins.
const CREATED: Option<i64> = Some(1);

fn about(pushed: &Pushed) -> Uuid {
    pushed.data["aggregateId"].as_str().unwrap().parse().unwrap()
}

fn is(name: &'static str, id: Uuid) -> impl Fn(&Pushed) -> bool {
    move |pushed| pushed.name == name && about(pushed) == id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_events_come_in_order_and_no_other_tenants() -> anyhow::Result<()> {
    // ANA-57, NFR-40
    let system = System::start().await?;
    let (a, b) = (Flow::new(&system, system.tenant("")?)?, Flow::new(&system, system.tenant("")?)?);
    let mut ours = a.parties.staff.stream("", CREATED).await?;
    let mut theirs = b.parties.staff.stream("", CREATED).await?;
    a.fill("100.00").await?;
    a.wallet_has("100.00").await?;
    let escrow = a.create("40.00").await?;
    a.act(&a.parties.payer, escrow, "fund", &json!({ "source": "wallet" })).await?;
    let seen = ours.until(is("escrow.funded", escrow)).await?;
    assert!(seen.windows(2).all(|pair| pair[0].position < pair[1].position), "{seen:?}");
    for name in ["wallet.opened", "escrow.created", "escrow.funding_requested"] {
        assert!(seen.iter().any(|pushed| pushed.name == name), "no {name}: {seen:?}");
    }
    let funded = seen.last().unwrap();
    let data = &funded.data;
    assert_eq!((data["type"].as_str(), data["aggregateType"].as_str()), (Some("escrow.funded"), Some("escrow")), "{data}");
    assert_eq!(data["position"].as_i64(), funded.position);
    assert!(data["sequence"].is_i64() && data["recordedAt"].is_string(), "{data}");
    let keys: BTreeSet<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["position", "type", "aggregateType", "aggregateId", "sequence", "recordedAt"]), "no payload");
    // Whoever hears of it finds it.
    assert_eq!(a.escrow(escrow).await?["status"], "funded");
    let other = b.create("1.00").await?;
    let seen = theirs.until(is("escrow.created", other)).await?;
    assert_eq!(seen.len(), 1, "{seen:?}");
    Ok(())
}

/// Reads until the escrow that says that all is said.
async fn all_until(stream: &mut EventStream, last: Uuid) -> anyhow::Result<BTreeSet<(String, Uuid)>> {
    let seen = stream.until(is("escrow.created", last)).await?;
    Ok(seen.iter().map(|pushed| (pushed.name.clone(), about(pushed))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_hear_of_their_own_and_staff_of_what_it_may_look_at() -> anyhow::Result<()> {
    // ANA-57, ESC-50, IDN-65
    let system = System::start().await?;
    let mine = Flow::new(&system, system.tenant("")?)?;
    let tenant_id = mine.parties.tenant_id;
    let mut payee = mine.parties.payee.stream("", CREATED).await?;
    let mut payer = mine.parties.payer.stream("", CREATED).await?;
    let mut staff = mine.parties.staff.stream("", CREATED).await?;
    let billing = system.client(tenant_id, PartyId(Uuid::new_v4()), &[Role::BillingAdmin])?;
    let mut billing = billing.stream("", CREATED).await?;
    let body = json!({
        "contractId": Uuid::new_v4(), "payerId": Uuid::new_v4(), "payeeId": Uuid::new_v4(), "amount": "5.00", "currency": "EUR",
    });
    let other = mine.parties.staff.post("/v1/escrows", &body).await?.id();
    let body = json!({
        "title": "Casting", "brief": { "roles": [{ "name": "model", "count": 2 }] }, "location": "Milan",
        "startTs": "2030-05-01T09:00:00Z", "endTs": "2030-05-02T18:00:00Z",
    });
    let job = expect(mine.parties.staff.post("/v1/jobs", &body).await?, &[201])?.id();
    mine.fill("10.00").await?;
    mine.wallet_has("10.00").await?;
    let escrow = mine.create("10.00").await?;
    let heard = all_until(&mut staff, escrow).await?;
    let named = |name: &str, id| (name.to_owned(), id);
    for expected in [named("escrow.created", other), named("job.created", job), named("escrow.created", escrow)] {
        assert!(heard.contains(&expected), "{heard:?}");
    }
    // A draft is not shown to talents, another's escrow to no party, a payer's wallet not to the payee.
    assert_eq!(all_until(&mut payee, escrow).await?, BTreeSet::from([named("escrow.created", escrow)]));
    let heard = all_until(&mut payer, escrow).await?;
    assert!(
        heard.iter().any(|(name, _)| name == "wallet.credited") && !heard.iter().any(|(_, id)| *id == other || *id == job),
        "{heard:?}"
    );
    // Published, talents see it.
    expect(mine.parties.staff.post(&format!("/v1/jobs/{job}/publish"), &json!({})).await?, &[200])?;
    payee.until(is("job.published", job)).await?;
    // Billing looks at wallets and credits.
    let filled = billing.until(|pushed| pushed.name == "wallet.credited").await?;
    assert!(filled.iter().all(|pushed| pushed.data["aggregateType"] == "wallet"), "{filled:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_misses_nothing_and_hears_nothing_twice() -> anyhow::Result<()> {
    // ANA-57: while others write.
    const ESCROWS: usize = 120;
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let staff = &flow.parties.staff;
    let mut whole = staff.stream("", CREATED).await?;
    let begun = whole.position;
    let load = async {
        for _ in 0..ESCROWS / 6 {
            try_join_all((0..6).map(|_| flow.create("1.00"))).await?;
        }
        let last = flow.create("2.00").await?;
        anyhow::Ok(last)
    };
    let reading = async {
        let (mut heard, mut position, mut connections) = (Vec::new(), begun, 0);
        while heard.len() <= ESCROWS {
            let mut stream = staff.stream("", Some(position)).await?;
            connections += 1;
            for _ in 0..7.min(ESCROWS + 1 - heard.len()) {
                heard.push(stream.next().await?.expect("closed"));
            }
            position = stream.position;
        }
        anyhow::Ok((heard, connections))
    };
    let (last, (heard, connections)) = tokio::try_join!(load, reading)?;
    assert!(connections > 10, "{connections}");
    let expected = whole.until(is("escrow.created", last)).await?;
    assert_eq!(expected.len(), ESCROWS + 1);
    assert_eq!(heard, expected);
    // Much later, from the beginning, and by the parameter that a browser's own EventSource can give.
    let mut again = staff.stream(&format!("lastEventId={begun}"), None).await?;
    assert_eq!(again.until(is("escrow.created", last)).await?, expected);
    // The header is newer than the address.
    let mut newest = staff.stream("lastEventId=0", Some(expected[ESCROWS - 1].position.unwrap())).await?;
    assert_eq!(newest.next().await?.as_ref(), expected.last());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_narrowed_by_name_and_by_aggregate_and_bad_wishes_are_named() -> anyhow::Result<()> {
    // ANA-57, NFR-08
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let staff = &flow.parties.staff;
    let first = flow.create("1.00").await?;
    let mut of_one = staff.stream(&format!("aggregate={first}"), Some(0)).await?;
    let mut cancelled = staff.stream("types=escrow.cancelled,escrow.closed", Some(0)).await?;
    let second = flow.create("1.00").await?;
    for id in [second, first] {
        flow.act(staff, id, "cancel", &json!({ "reason": "not needed" })).await?;
    }
    assert_eq!(of_one.until(is("escrow.cancelled", first)).await?.iter().filter(|pushed| about(pushed) != first).count(), 0);
    let heard = cancelled.until(is("escrow.cancelled", first)).await?;
    assert_eq!(heard[0].name, "escrow.cancelled");
    assert_eq!(about(&heard[0]), second);
    let beyond = (cancelled.position + 1_000).to_string();
    let wrong = [
        ("types=escrow.exploded", None, "types"),
        ("types=", None, "types"),
        ("aggregate=7", None, "aggregate"),
        ("tenant=1", None, "tenant"),
        ("lastEventId=x", None, "lastEventId"),
        ("", Some("-1"), "Last-Event-ID"),
        ("", Some("now"), "Last-Event-ID"),
        ("", Some(beyond.as_str()), "Last-Event-ID"),
    ];
    for (query, last, field) in wrong {
        let answer = staff.refused_stream(query, last).await?;
        assert_eq!((answer.status, answer.code()), (400, "VALIDATION_FAILED"), "{query} {last:?}: {}", answer.text);
        assert_eq!(answer.body["error"]["details"]["field"], field, "{}", answer.text);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_twenty_first_stream_of_a_user_is_refused() -> anyhow::Result<()> {
    // ANA-57, NFR-07
    let system = System::start().await?;
    let tenant_id = system.tenant("")?;
    let user = PartyId(Uuid::new_v4());
    let client = system.client(tenant_id, user, &[Role::Viewer])?;
    let mut open = try_join_all((0..20).map(|_| client.stream("", None))).await?;
    let elsewhere = system.client(tenant_id, user, &[Role::Viewer])?;
    let refused = elsewhere.refused_stream("", None).await?;
    assert_eq!((refused.status, refused.code()), (429, "TOO_MANY_STREAMS"), "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    system.client(tenant_id, PartyId(Uuid::new_v4()), &[Role::Viewer])?.stream("", None).await?;
    assert!(metrics(&system).await?.contains("holdfast_streams_open 2"), "20 or 21, when the other one has gone");
    // Who closes one has a place again.
    open.pop();
    for _ in 0..200 {
        if client.stream("", None).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a closed stream keeps its place");
}

async fn metrics(system: &System) -> anyhow::Result<String> {
    Ok(reqwest::get(format!("{}/metrics", system.base_url)).await?.text().await?)
}

/// `bye` with its reason, and then nothing more.
async fn ends(stream: &mut EventStream) -> anyhow::Result<String> {
    let bye = stream.until(|pushed| pushed.name == "bye").await?.pop().unwrap();
    assert_eq!(stream.next().await?, None);
    Ok(bye.data["reason"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token() -> anyhow::Result<()> {
    // ANA-57, IDN-50
    let system = System::start().await?;
    let tenant_id = system.tenant("")?;
    let client = system.client_for(tenant_id, PartyId(Uuid::new_v4()), &[Role::Viewer], 2)?;
    let mut stream = client.stream("", None).await?;
    assert_eq!(ends(&mut stream).await?, "token_expired");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_sessions_streams_end_and_other_sessions_go_on() -> anyhow::Result<()> {
    // ANA-57, IDN-11: within a minute, with the intervals that are the default.
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let user = PartyId(Uuid::new_v4());
    let session = || system.client(flow.parties.tenant_id, user, &[Role::Viewer]);
    let (lost, kept): (Client, Client) = (session()?, session()?);
    let mut of_lost = try_join_all((0..3).map(|_| lost.stream("", None))).await?;
    let mut of_kept = kept.stream("", None).await?;
    let body = json!({ "sessionId": lost.session_id()?, "reason": "device_lost" });
    assert_eq!(flow.parties.staff.post("/v1/admin/sessions/revoke", &body).await?.status, 200);
    let ended = try_join_all(of_lost.iter_mut().map(ends));
    let reasons = tokio::time::timeout(Duration::from_secs(60), ended).await??;
    assert_eq!(reasons, ["session_revoked"; 3]);
    let refused = lost.refused_stream("", None).await?;
    assert_eq!((refused.status, refused.code()), (401, "SESSION_REVOKED"), "{}", refused.text);
    let escrow = flow.create("1.00").await?;
    of_kept.until(is("escrow.created", escrow)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_says_goodbye() -> anyhow::Result<()> {
    // ANA-57, NFR-108
    let mut system = System::start().await?;
    let client = system.client(system.tenant("")?, PartyId(Uuid::new_v4()), &[Role::Viewer])?;
    let mut streams = try_join_all((0..3).map(|_| client.stream("", None))).await?;
    system.terminate()?;
    for stream in &mut streams {
        assert_eq!(ends(stream).await?, "shutdown");
    }
    assert!(system.has_ended(Duration::from_secs(20)).await?, "streams keep the process from ending");
    // The next process takes over where this one has stopped.
    let position = streams[0].position;
    system.serve().await?;
    client.stream("", Some(position)).await?;
    Ok(())
}
