//! Castings and bookings over HTTP: from the brief to the delivered work (JOB-10..33, MNY-05, MNY-14, MNY-17, MNY-18, MNY-24).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_tests::{Answer, Client, Flow, System, expect, send};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Refunds need nobody's answer, so that a cancellation is over at once.
const SETTINGS: &str = "automaticRefundLimitMinor = 100000000\n";

/// A tenant with a published job and the people around it.
struct Stage {
    flow: Flow,
    job: Uuid,
}

impl Stage {
    async fn new(system: &System) -> anyhow::Result<Self> {
        Self::with(system, SETTINGS).await
    }

    async fn with(system: &System, settings: &str) -> anyhow::Result<Self> {
        let flow = Flow::new(system, system.tenant(settings)?)?;
        let body = json!({
            "title": "Runway show, Milan", "brief": { "roles": [{ "name": "model", "count": 2 }] }, "location": "Milan",
            "startTs": "2030-05-01T09:00:00Z", "endTs": "2030-05-02T18:00:00Z",
        });
        let job = expect(flow.parties.staff.post("/v1/jobs", &body).await?, &[201])?.id();
        expect(flow.parties.staff.post(&format!("/v1/jobs/{job}/publish"), &json!({})).await?, &[200])?;
        Ok(Self { flow, job })
    }

    fn staff(&self) -> &Client {
        &self.flow.parties.staff
    }

    fn talent(&self) -> &Client {
        &self.flow.parties.payee
    }

    fn brand(&self) -> &Client {
        &self.flow.parties.payer
    }

    fn talent_id(&self) -> PartyId {
        self.flow.parties.payee_id
    }

    fn booking_body(&self, day: i64) -> Value {
        json!({
            "talentId": self.talent_id(), "payerId": self.flow.parties.payer_id, "schedule": slot(day), "location": "Stage 1",
            "terms": { "usage": "1 year" }, "price": "1000.00", "currency": "EUR",
        })
    }

    async fn try_book(&self, body: &Value) -> anyhow::Result<Answer> {
        Ok(self.staff().post(&format!("/v1/jobs/{}/bookings", self.job), body).await?)
    }

    async fn book(&self, day: i64) -> anyhow::Result<Uuid> {
        Ok(expect(self.try_book(&self.booking_body(day)).await?, &[201])?.id())
    }

    async fn try_hold(&self, day: i64) -> anyhow::Result<Answer> {
        let Value::Object(slot) = slot(day) else { unreachable!() };
        let body = json!({ "talentId": self.talent_id(), "fromTs": slot["from"], "toTs": slot["to"] });
        Ok(self.staff().post(&format!("/v1/jobs/{}/holds", self.job), &body).await?)
    }

    async fn ask(&self, client: &Client, booking: Uuid, action: &str, body: Value) -> anyhow::Result<Answer> {
        Ok(client.post(&format!("/v1/bookings/{booking}/{action}"), &body).await?)
    }

    async fn act(&self, client: &Client, booking: Uuid, action: &str, body: Value) -> anyhow::Result<Answer> {
        expect(self.ask(client, booking, action, body).await?, &[200]).with_context(|| action.to_owned())
    }

    async fn seen_by(&self, client: &Client, booking: Uuid, at: &Answer) -> anyhow::Result<Value> {
        let answer = client.get_at(&format!("/v1/bookings/{booking}"), at.position.unwrap_or_default()).await?;
        Ok(expect(answer, &[200])?.body)
    }

    /// Waits until the booking shows what is wanted, to the payer's side.
    async fn wait_for(&self, booking: Uuid, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..400 {
            last = self.brand().get(&format!("/v1/bookings/{booking}")).await?.body;
            if wanted(&last) {
                return Ok(last);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("it did not happen: {last}")
    }

    /// Accepted, with its escrow there; gives the escrow.
    async fn accepted(&self, day: i64) -> anyhow::Result<(Uuid, Uuid)> {
        let booking = self.book(day).await?;
        let accepted = self.act(self.talent(), booking, "accept", json!({})).await?;
        let seen = self.seen_by(self.brand(), booking, &accepted).await?;
        let escrow: Uuid = seen["payment"]["escrowId"].as_str().context("an escrow")?.parse()?;
        self.flow.wait_for(escrow, |escrow| escrow["status"] == "created").await?;
        Ok((booking, escrow))
    }

    /// Paid for; gives the escrow.
    async fn confirmed(&self, day: i64) -> anyhow::Result<(Uuid, Uuid)> {
        let (booking, escrow) = self.accepted(day).await?;
        self.flow.fill("1000.00").await?;
        self.flow.wallet_has("1000.00").await?;
        self.flow.fund(escrow).await?;
        self.wait_for(booking, |booking| booking["status"] == "confirmed").await?;
        Ok((booking, escrow))
    }

    async fn code(&self, booking: Uuid) -> anyhow::Result<String> {
        let seen = self.wait_for(booking, |booking| booking["completionCode"]["code"].is_string()).await?;
        Ok(seen["completionCode"]["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Eight hours, `day` days from now, at full quarters.
fn slot(day: i64) -> Value {
    let from = start_of(day);
    json!({ "from": from, "to": from + TimeDelta::hours(8) })
}

fn start_of(day: i64) -> DateTime<Utc> {
    Utc::now().duration_trunc(TimeDelta::days(1)).unwrap() + TimeDelta::days(day) + TimeDelta::hours(9)
}

async fn patch(client: &Client, path: &str, body: &Value) -> anyhow::Result<Answer> {
    Ok(send(client.request(Method::PATCH, path).json(body)).await?)
}

async fn put(client: &Client, path: &str, body: &Value) -> anyhow::Result<Answer> {
    Ok(send(client.request(Method::PUT, path).json(body)).await?)
}

async fn delete(client: &Client, path: &str) -> anyhow::Result<Answer> {
    Ok(send(client.request(Method::DELETE, path)).await?)
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_casting_from_the_brief_to_the_selection() -> anyhow::Result<()> {
    // JOB-10..19, JOB-40..43, JOB-80
    let system = System::start().await?;
    let flow = Flow::new(&system, system.tenant("")?)?;
    let (staff, talent) = (&flow.parties.staff, &flow.parties.payee);
    let other_id = PartyId(Uuid::new_v4());
    let other = system.client(flow.parties.tenant_id, other_id, &[Role::Talent])?;

    let created = expect(staff.post("/v1/jobs", &json!({ "title": "Autumn 100% show" })).await?, &[201])?;
    let job = created.id();
    let path = |rest: &str| format!("/v1/jobs/{job}{rest}");
    refused(&talent.get_at(&path(""), created.position.unwrap()).await?, 404, "JOB_NOT_FOUND");
    refused(&talent.post(&path("/submissions"), &json!({})).await?, 409, "JOB_NOT_PUBLISHED");
    let incomplete = staff.post(&path("/publish"), &json!({})).await?;
    refused(&incomplete, 422, "JOB_INCOMPLETE");
    assert_eq!(incomplete.body["error"]["details"]["missing"], json!(["brief", "startTs", "endTs"]));
    let fraction = patch(staff, &path(""), &json!({ "brief": { "hours": 7.5 } })).await?;
    refused(&fraction, 422, "JOB_INVALID");
    let update = json!({ "brief": { "roles": [{ "count": 1 }] }, "startTs": "2030-05-01T09:00:00Z", "endTs": "2030-05-02T18:00:00Z" });
    expect(patch(staff, &path(""), &update).await?, &[200])?;
    let published = expect(staff.post(&path("/publish"), &json!({})).await?, &[200])?;

    let board = talent.get_at("/v1/jobs?q=100%25&from=2030-05-02T00:00:00Z&sort=start_ts:asc", published.position.unwrap()).await?;
    assert_eq!(board.body["items"][0]["id"], json!(job), "{}", board.text);
    assert_eq!(board.body["items"][0]["submissions"], Value::Null, "how many applied is the casting's own business");
    assert_eq!(talent.get("/v1/jobs?q=100_").await?.body["items"], json!([]), "it is no pattern");

    let applied = expect(talent.post(&path("/submissions"), &json!({ "notes": "I can fly" })).await?, &[201])?;
    let mine = applied.body["submissionId"].as_str().unwrap().to_owned();
    refused(&talent.post(&path("/submissions"), &json!({})).await?, 409, "ALREADY_SUBMITTED");
    refused(&talent.post(&path("/submissions"), &json!({ "talentId": other_id })).await?, 403, "POLICY_DENIED");
    let added = expect(staff.post(&path("/submissions"), &json!({ "talentId": other_id })).await?, &[201])?;
    let theirs = added.body["submissionId"].as_str().unwrap().to_owned();

    let both = expect(staff.post(&path("/shortlist"), &json!({ "submissionIds": [mine, theirs] })).await?, &[200])?;
    assert_eq!((&both.body["shortlisted"], &both.body["unchanged"]), (&json!(2), &json!(0)));
    let again = expect(staff.post(&path("/shortlist"), &json!({ "submissionIds": [mine] })).await?, &[200])?;
    assert_eq!((&again.body["shortlisted"], &again.body["unchanged"]), (&json!(0), &json!(1)));
    refused(&staff.post(&path("/shortlist"), &json!({ "submissionIds": [Uuid::new_v4()] })).await?, 404, "SUBMISSION_NOT_FOUND");

    let move_mine = path(&format!("/submissions/{mine}"));
    refused(&patch(staff, &move_mine, &json!({ "status": "audition_scheduled" })).await?, 400, "VALIDATION_FAILED");
    expect(
        patch(staff, &move_mine, &json!({ "status": "audition_scheduled", "mode": "remote", "at": "2030-04-01T10:00:00Z" })).await?,
        &[200],
    )?;
    expect(patch(staff, &move_mine, &json!({ "status": "audition_attended", "outcome": "passed", "notes": "a natural" })).await?, &[200])?;
    let selected = expect(patch(staff, &move_mine, &json!({ "status": "selected" })).await?, &[200])?;
    refused(&patch(staff, &move_mine, &json!({ "status": "shortlisted" })).await?, 409, "INVALID_SUBMISSION_TRANSITION");
    refused(
        &patch(talent, &path(&format!("/submissions/{theirs}")), &json!({ "status": "withdrawn" })).await?,
        404,
        "SUBMISSION_NOT_FOUND",
    );
    expect(patch(&other, &path(&format!("/submissions/{theirs}")), &json!({ "status": "withdrawn" })).await?, &[200])?;

    let pipeline = staff.get_at(&path("/submissions?status=selected"), selected.position.unwrap()).await?.body;
    assert_eq!(
        (pipeline["items"][0]["notes"].as_str(), pipeline["items"][0]["audition"]["outcome"].as_str()),
        (Some("a natural"), Some("passed"))
    );
    let own = talent.get(&path("/submissions")).await?.body;
    assert_eq!(own["items"].as_array().map(Vec::len), Some(1), "{own}");
    assert_eq!(own["items"][0]["notes"], Value::Null, "what staff note is not for the talent");

    expect(staff.post(&path("/close"), &json!({ "reason": "cast" })).await?, &[200])?;
    refused(&patch(staff, &path(""), &json!({ "title": "Later" })).await?, 409, "JOB_CLOSED");
    refused(&staff.post(&path("/publish"), &json!({})).await?, 409, "INVALID_JOB_TRANSITION");
    refused(&staff.post(&path("/submissions"), &json!({ "talentId": Uuid::new_v4() })).await?, 409, "JOB_NOT_PUBLISHED");
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_18_from_the_hold_to_the_delivery_and_mny_24_the_money_clears_after_48_hours() -> anyhow::Result<()> {
    // JOB-20..33, JOB-44..48, JOB-60, JOB-61, JOB-64, JOB-68, MNY-18, MNY-24
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let hold = expect(stage.try_hold(10).await?, &[201])?;
    let held = stage.staff().get_at(&format!("/v1/holds?talentId={}", stage.talent_id()), hold.position.unwrap()).await?.body;
    assert_eq!(held["items"][0]["id"], json!(hold.id()), "{held}");
    refused(&stage.talent().get(&format!("/v1/bookings/{}", hold.id())).await?, 404, "BOOKING_NOT_FOUND");

    let mut body = stage.booking_body(11);
    body["holdId"] = json!(hold.id());
    refused(&stage.try_book(&body).await?, 409, "HOLD_DIFFERS");
    body["schedule"] = slot(10);
    let created = expect(stage.try_book(&body).await?, &[201])?;
    let booking = created.id();
    assert_eq!(booking, hold.id(), "a hold and its booking are one");
    let seen = stage.seen_by(stage.talent(), booking, &created).await?;
    assert_eq!(
        (seen["status"].as_str(), seen["location"].as_str(), &seen["allowedActions"]),
        (Some("pending"), Some("Stage 1"), &json!(["accept"]))
    );
    assert_eq!(
        (seen["pricingSnapshot"]["providerShare"].as_str(), seen["pricingSnapshot"]["platformShare"].as_str()),
        (Some("950.00"), Some("50.00"))
    );

    refused(&stage.ask(stage.talent(), booking, "start", json!({})).await?, 409, "INVALID_BOOKING_TRANSITION");
    let accepted = stage.act(stage.talent(), booking, "accept", json!({})).await?;
    let seen = stage.seen_by(stage.brand(), booking, &accepted).await?;
    assert_eq!((seen["status"].as_str(), seen["payment"]["status"].as_str()), (Some("awaiting_payment"), Some("awaiting")));
    let escrow: Uuid = seen["payment"]["escrowId"].as_str().unwrap().parse()?;
    let made = stage.flow.wait_for(escrow, |escrow| escrow["status"] == "created").await?;
    assert_eq!((&made["bookingId"], made["lockedAmount"].as_str()), (&json!(booking), Some("0.00")));
    assert_eq!(made["contractId"], seen["agreement"]["contractId"]);

    stage.flow.fill("1000.00").await?;
    stage.flow.wallet_has("1000.00").await?;
    stage.flow.fund(escrow).await?;
    stage.wait_for(booking, |booking| booking["status"] == "confirmed" && booking["payment"]["status"] == "secured").await?;
    let first = stage.code(booking).await?;
    stage.act(stage.talent(), booking, "start", json!({})).await?;
    stage.flow.wait_for(escrow, |escrow| escrow["status"] == "in_progress").await?;
    let second = stage.wait_for(booking, |booking| booking["completionCode"]["number"] == 2).await?["completionCode"]["code"].clone();
    let for_talent = stage.talent().get(&format!("/v1/bookings/{booking}")).await?.body;
    assert_eq!(for_talent["completionCode"], Value::Null, "the provider is given the code by the customer");
    let for_staff = stage.staff().get(&format!("/v1/bookings/{booking}")).await?.body;
    assert_eq!(for_staff["completionCode"], Value::Null, "here the brand pays, not the tenant");

    refused(&stage.ask(stage.talent(), booking, "complete", json!({ "otp": "00000000" })).await?, 422, "OTP_INVALID");
    refused(&stage.ask(stage.talent(), booking, "complete", json!({ "otp": first })).await?, 422, "OTP_EXPIRED");
    let done = json!({ "otp": second, "note": "went well", "gps": "45.46,9.19" });
    let completed = stage.act(stage.talent(), booking, "complete", done).await?;
    let seen = stage.seen_by(stage.brand(), booking, &completed).await?;
    let at = |field: &str| seen[field].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(at("eligibleForReleaseAt") - at("completedAt"), TimeDelta::hours(48));
    assert_eq!((seen["payoutStatus"].as_str(), seen["completionCode"].clone()), (Some("not_completed_yet"), Value::Null));

    let delivered = stage.flow.wait_for(escrow, |escrow| escrow["status"] == "delivery_submitted").await?;
    let line = delivered["events"].as_array().unwrap().iter().find(|event| event["type"] == "escrow.delivery_submitted").unwrap();
    assert_eq!((&line["actorId"], line["actorRoles"].clone()), (&json!(stage.talent_id()), json!(["talent"])), "in the provider's name");
    assert_eq!(line["details"]["artifacts"][0]["kind"], "attendance", "{line}");

    stage.flow.act(&stage.flow.parties.platform, escrow, "approve", &json!({})).await?;
    stage.flow.act(&stage.flow.parties.platform, escrow, "release", &json!({})).await?;
    stage.flow.wait_for(escrow, |escrow| escrow["status"] == "closed").await?;
    let wallet = stage.talent().get("/v1/wallets").await?.body;
    assert_eq!(
        (wallet["items"][0]["pending"].as_str(), wallet["items"][0]["available"].as_str()),
        (Some("950.00"), Some("0.00")),
        "{wallet}"
    );
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_18_a_service_is_delivered_without_being_started() -> anyhow::Result<()> {
    // JOB-48, MNY-18
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let (booking, escrow) = stage.confirmed(3).await?;
    stage.act(stage.brand(), booking, "otp", json!({})).await?;
    let seen = stage.wait_for(booking, |booking| booking["completionCode"]["number"] == 2).await?;
    let spoken = seen["completionCode"]["code"].as_str().unwrap().to_lowercase();
    stage.act(stage.talent(), booking, "complete", json!({ "otp": format!("{} {}", &spoken[..4], &spoken[4..]) })).await?;
    let delivered = stage.flow.wait_for(escrow, |escrow| escrow["status"] == "delivery_submitted").await?;
    let names: Vec<_> = delivered["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert!(names.contains(&json!("escrow.work_started")), "the start is made up for: {names:?}");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_simultaneous_bookings_one_wins() -> anyhow::Result<()> {
    // JOB-20, JOB-23, CNF-53
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    for day in 1..=25 {
        // A booking, a booking that begins later the same day, and a hold.
        let (first, mut second) = (stage.booking_body(day), stage.booking_body(day));
        second["schedule"]["from"] = json!(start_of(day) + TimeDelta::hours(4));
        let answers = tokio::try_join!(stage.try_book(&first), stage.try_book(&second), stage.try_hold(day))?;
        let answers = [answers.0, answers.1, answers.2];
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        ensure!(won == 1, "day {day}: {:?}", answers.iter().map(|answer| (answer.status, answer.code())).collect::<Vec<_>>());
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            refused(lost, 409, "AVAILABILITY_CONFLICT");
            let details = &lost.body["error"]["details"];
            assert_eq!((&details["talentId"], &details["date"]), (&json!(stage.talent_id()), &json!(start_of(day).date_naive())));
        }
    }
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_let_go_of_is_free_again() -> anyhow::Result<()> {
    // JOB-21, JOB-27, JOB-44, JOB-69
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let booking = stage.book(5).await?;
    refused(&stage.try_hold(5).await?, 409, "AVAILABILITY_CONFLICT");
    let other = stage.book(6).await?;
    let onto = json!({ "schedule": slot(5) });
    refused(&patch(stage.staff(), &format!("/v1/bookings/{other}"), &onto).await?, 409, "AVAILABILITY_CONFLICT");
    stage.act(stage.staff(), booking, "cancel", json!({ "reason": "rain" })).await?;
    expect(patch(stage.staff(), &format!("/v1/bookings/{other}"), &onto).await?, &[200])?;

    let hold = expect(stage.try_hold(6).await?, &[201])?.id();
    let release = format!("/v1/jobs/{}/holds/{hold}", stage.job);
    refused(&delete(stage.staff(), &format!("/v1/jobs/{}/holds/{hold}", Uuid::new_v4())).await?, 404, "HOLD_NOT_FOUND");
    let released = delete(stage.staff(), &release).await?;
    assert_eq!((released.status, released.text.as_str(), released.position.is_some()), (204, "", true));
    refused(&delete(stage.staff(), &release).await?, 409, "INVALID_BOOKING_TRANSITION");

    let Value::Object(slot) = slot(6) else { unreachable!() };
    let short = json!({ "talentId": stage.talent_id(), "fromTs": slot["from"], "toTs": slot["to"], "expiresAt": Utc::now() + TimeDelta::seconds(2) });
    expect(stage.staff().post(&format!("/v1/jobs/{}/holds", stage.job), &short).await?, &[201])?;
    refused(&stage.try_hold(6).await?, 409, "AVAILABILITY_CONFLICT");
    for _ in 0..200 {
        if stage.try_hold(6).await?.status == 201 {
            system.verify()?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the hold did not expire")
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_05_a_booking_has_one_escrow() -> anyhow::Result<()> {
    // MNY-05
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let (booking, escrow) = stage.accepted(4).await?;
    let mut body = stage.flow.create_body("1000.00");
    body["bookingId"] = json!(booking);
    let second = stage.staff().post("/v1/escrows", &body).await?;
    refused(&second, 409, "ESCROW_EXISTS");
    assert_eq!(second.body["error"]["details"]["escrowId"], json!(escrow));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_14_a_booking_that_is_called_off_gives_the_money_back() -> anyhow::Result<()> {
    // JOB-27, JOB-49, MNY-14
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let (booking, escrow) = stage.confirmed(4).await?;
    let platform = &stage.flow.parties.platform;
    stage.act(platform, booking, "cancel", json!({ "reason": "called off" })).await?;
    stage.flow.wait_for(escrow, |escrow| escrow["outcome"] == "refunded").await?;
    stage.flow.wait_for_wallet("1000.00").await?;
    refused(&stage.ask(stage.talent(), booking, "start", json!({})).await?, 409, "INVALID_BOOKING_TRANSITION");

    let (unpaid, unfunded) = stage.accepted(4).await?;
    stage.act(stage.staff(), unpaid, "cancel", json!({ "reason": "called off" })).await?;
    stage.flow.wait_for(unfunded, |escrow| escrow["status"] == "cancelled").await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escrow_that_ends_takes_its_booking_along() -> anyhow::Result<()> {
    // MNY-14, MNY-17: nobody paid in time.
    let system = System::start().await?;
    let stage = Stage::with(&system, "[escrow]\nfundingHours = \"0.001\"\n").await?;
    let booking = stage.book(4).await?;
    stage.act(stage.talent(), booking, "accept", json!({})).await?;
    let seen = stage.wait_for(booking, |booking| booking["status"] == "cancelled").await?;
    assert_eq!(seen["cancellation"]["cause"], "escrow_ended");
    stage.book(4).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_booked_as_fast_as_a_day() -> anyhow::Result<()> {
    // CNF-53: 2,976 quarters in one append.
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let mut month = stage.booking_body(40);
    month["schedule"]["to"] = json!(start_of(40) + TimeDelta::days(31));
    let booking = expect(stage.try_book(&month).await?, &[201])?.id();
    refused(&stage.try_hold(60).await?, 409, "AVAILABILITY_CONFLICT");
    expect(patch(stage.staff(), &format!("/v1/bookings/{booking}"), &json!({ "schedule": slot(45) })).await?, &[200])?;
    expect(stage.try_hold(60).await?, &[201])?;
    refused(&stage.try_hold(45).await?, 409, "AVAILABILITY_CONFLICT");
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mny_17_the_money_waits_for_the_booked_time_and_moves_with_it() -> anyhow::Result<()> {
    // MNY-17, JOB-69
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let (booking, escrow) = stage.confirmed(7).await?;
    let due = |day: i64| start_of(day) + TimeDelta::hours(24);
    let next = |escrow: &Value| escrow["nextDeadline"]["at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    let funded = stage.flow.escrow(escrow).await?;
    assert_eq!((next(&funded), funded["nextDeadline"]["action"].as_str()), (Some(due(7)), Some("refund")));
    expect(patch(stage.staff(), &format!("/v1/bookings/{booking}"), &json!({ "schedule": slot(9) })).await?, &[200])?;
    stage.flow.wait_for(escrow, |escrow| next(escrow) == Some(due(9))).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_confirm_by_hand() -> anyhow::Result<()> {
    // JOB-26, JOB-46, JOB-47
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let (booking, escrow) = stage.accepted(2).await?;
    refused(&stage.ask(stage.talent(), booking, "confirm", json!({})).await?, 403, "POLICY_DENIED");
    expect(patch(stage.staff(), &format!("/v1/bookings/{booking}"), &json!({ "status": "confirmed" })).await?, &[200])?;
    refused(&stage.ask(stage.talent(), booking, "start", json!({})).await?, 409, "ESCROW_NOT_FUNDED");
    stage.flow.fill("1000.00").await?;
    stage.flow.wallet_has("1000.00").await?;
    stage.flow.fund(escrow).await?;
    stage.wait_for(booking, |booking| booking["payment"]["status"] == "secured").await?;
    stage.act(stage.talent(), booking, "start", json!({})).await?;

    let without = stage.book(3).await?;
    let confirmed = stage.act(stage.staff(), without, "confirm", json!({})).await?;
    let seen = stage.seen_by(stage.brand(), without, &confirmed).await?;
    assert_eq!((seen["payment"]["status"].as_str(), &seen["agreement"]), (Some("none"), &Value::Null));
    stage.act(stage.staff(), without, "start", json!({})).await?;
    let code = stage.wait_for(without, |booking| booking["completionCode"]["number"] == 2).await?["completionCode"]["code"].clone();
    let done = stage.act(stage.talent(), without, "complete", json!({ "otp": code })).await?;
    let due = stage.staff().get_at("/v1/bookings?payoutDue=true", done.position.unwrap()).await?.body;
    assert_eq!(due["items"], json!([]));
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_sheet_reaches_the_talent_when_it_is_published() -> anyhow::Result<()> {
    // JOB-05, JOB-28..30, JOB-50
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let booking = stage.book(2).await?;
    let path = format!("/v1/bookings/{booking}/callsheet");
    let content = json!({
        "title": "Runway", "location": "Via Roma 1", "schedule": [{ "time": "07:30", "what": "Hair" }], "sections": [],
        "contacts": [{ "name": "Ada", "role": "Producer", "reach": "+39 000" }],
    });
    let unknown = put(stage.staff(), &path, &json!({ "content": { "mood": "good" } })).await?;
    refused(&unknown, 400, "VALIDATION_FAILED");
    refused(&stage.staff().post(&format!("{path}/publish"), &json!({})).await?, 409, "CALL_SHEET_UNCHANGED");
    let saved = expect(put(stage.staff(), &path, &json!({ "content": content })).await?, &[200])?;
    refused(&stage.talent().get_at(&path, saved.position.unwrap()).await?, 404, "CALL_SHEET_NOT_FOUND");
    assert_eq!(stage.staff().get(&path).await?.body["status"], "draft");
    let published = expect(stage.staff().post(&format!("{path}/publish"), &json!({})).await?, &[200])?;
    let seen = stage.talent().get_at(&path, published.position.unwrap()).await?;
    assert_eq!((seen.body["version"].as_u64(), &seen.body["content"]), (Some(1), &content), "{}", seen.text);
    expect(put(stage.staff(), &path, &json!({ "content": { "title": "Later" } })).await?, &[200])?;
    assert_eq!(stage.talent().get(&path).await?.body["content"]["title"], "Runway");
    let pdf = stage.talent().get(&format!("{path}.pdf")).await?;
    assert_eq!((pdf.status, pdf.text.starts_with("%PDF")), (200, true));
    system.read_models_at_heads(Duration::from_secs(10)).await?;
    system.verify()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own_bookings_and_staff_see_all() -> anyhow::Result<()> {
    // JOB-22, JOB-24
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let booking = stage.book(2).await?;
    let tenant_id = stage.flow.parties.tenant_id;
    let stranger = system.client(tenant_id, PartyId(Uuid::new_v4()), &[Role::Talent])?;
    let last = expect(stage.try_hold(3).await?, &[201])?;
    for (client, expected) in [(stage.staff(), 1), (stage.talent(), 1), (stage.brand(), 1), (&stranger, 0)] {
        let list = client.get_at("/v1/bookings", last.position.unwrap()).await?.body;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(expected), "{list}");
    }
    refused(&stranger.get(&format!("/v1/bookings/{booking}")).await?, 404, "BOOKING_NOT_FOUND");
    refused(&stage.ask(&stranger, booking, "accept", json!({})).await?, 404, "BOOKING_NOT_FOUND");
    let filters = format!(
        "status=pending&jobId={}&payoutStatus=not_completed_yet&disputeStatus=none&from={}",
        stage.job,
        Utc::now().to_rfc3339().replace('+', "%2B")
    );
    let list = stage.staff().get(&format!("/v1/bookings?{filters}")).await?;
    assert_eq!(list.body["items"][0]["id"], json!(booking), "{}", list.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_booked_is_refused_by_name_and_a_repeat_is_answered_again() -> anyhow::Result<()> {
    // JOB-23, CNF-55, MNY-02, NFR-15
    let system = System::start().await?;
    let stage = Stage::new(&system).await?;
    let with = |field: &str, value: Value| {
        let mut body = stage.booking_body(2);
        body[field] = value;
        body
    };
    let wrong = [
        (with("paymentMode", json!("direct")), 422, "PAYMENT_MODE_NOT_AVAILABLE", "paymentMode"),
        (with("price", json!("0")), 422, "AMOUNT_INVALID", "price"),
        (with("payerId", json!(stage.talent_id())), 422, "PARTIES_INVALID", "payerId"),
        (with("terms", json!({ "rate": 0.5 })), 422, "TERMS_INVALID", "terms"),
        (with("schedule", json!({ "from": "2040-01-01T09:10:00Z", "to": "2040-01-01T10:00:00Z" })), 422, "SCHEDULE_INVALID", "schedule"),
    ];
    for (body, status, code, field) in wrong {
        let answer = stage.try_book(&body).await?;
        refused(&answer, status, code);
        assert_eq!(answer.body["error"]["details"]["field"], field);
    }
    let no_template = with("terms", json!({ "templateId": Uuid::new_v4() }));
    refused(&stage.try_book(&no_template).await?, 404, "TEMPLATE_NOT_FOUND");
    let nowhere = stage.staff().post(&format!("/v1/jobs/{}/bookings", Uuid::new_v4()), &stage.booking_body(2)).await?;
    refused(&nowhere, 404, "JOB_NOT_FOUND");

    let path = format!("/v1/jobs/{}/bookings", stage.job);
    let first = expect(stage.staff().post_keyed(&path, &stage.booking_body(2), "book-1").await?, &[201])?;
    let again = expect(stage.staff().post_keyed(&path, &stage.booking_body(2), "book-1").await?, &[200, 201])?;
    assert_eq!((again.id(), again.replayed), (first.id(), true));
    let accept = format!("/v1/bookings/{}/accept", first.id());
    expect(stage.talent().post_keyed(&accept, &json!({}), "yes").await?, &[200])?;
    assert!(expect(stage.talent().post_keyed(&accept, &json!({}), "yes").await?, &[200])?.replayed);
    Ok(())
}
