//! The whole story from a booking to a decided dispute and credits, three times: as it comes, with every event reacted
//! to again and again, and with the answers of the database lost in the middle of every step. It leaves the same each time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::*;
use holdfast_commands::Writers;
use holdfast_commands::reaction::{DeadLetterFilter, Reactor, dead_letters};
use holdfast_domain::booking::{Accept, Agreement, Booking, BookingCommand, BookingParties, CreateBooking, Evidence, OtpProof, Slot};
use holdfast_domain::contract::{Contract, ContractCommand, Signature, SignatureMethod, document_hash};
use holdfast_domain::dispute::{CaseDecision, Dispute, DisputeCommand};
use holdfast_domain::escrow::{DisputeKind, Escrow, EscrowCommand, FundingSource};
use holdfast_domain::kernel::*;
use holdfast_domain::wallet::{OwnerType, Wallet, WalletCommand, WalletOwner, wallet_id};
use holdfast_eventlog::EventLog;
use holdfast_eventlog::subscription::{Consumer as _, FeedEvent};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

/// How the events between two requests are reacted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Every event three times, by two processes in turn.
    Repeating,
    /// Every event again and again while answers of the database are lost, each time a later one.
    Lossy,
}

struct Stage {
    world: World,
    weather: Weather,
    /// Serves requests from outside.
    door: Writers,
    reactors: [Writers; 2],
    proxy: Proxy,
    admin: PgPool,
}

impl Stage {
    async fn set(weather: Weather) -> Self {
        let world = World::new().await;
        let proxy = world.proxy().await;
        let reactors = match weather {
            Weather::Fair | Weather::Repeating => [world.process().await, world.process().await],
            Weather::Lossy => [world.process_behind(&proxy).await, world.process_behind(&proxy).await],
        };
        let admin = PgPoolOptions::new().max_connections(1).connect_with(world.admin.clone()).await.unwrap();
        Self { door: world.process().await, world, weather, reactors, proxy, admin }
    }

    async fn ask<A: TenantAggregate>(&self, id: Uuid, command: A::Command, actor: Actor) {
        self.world.send::<A>(&self.door, id, command, actor, None).await.unwrap();
        self.settle().await;
    }

    async fn settle(&self) {
        let pool = self.world.pool("holdfast_reactor").await;
        let log = EventLog::new(pool.clone());
        let reactors = self.reactors.clone().map(|writers| Reactor::new(log.clone(), pool.clone(), writers));
        loop {
            let at = reactors[0].checkpoints().await.unwrap().get(&self.world.tenant_id).copied().unwrap_or(0);
            let Some(event) = log.read(self.world.tenant_id, at, 1).await.unwrap().into_iter().next() else { return };
            let event = [Arc::new(FeedEvent::new(event))];
            let storms = match self.weather {
                Weather::Fair => 0,
                Weather::Repeating => 2,
                Weather::Lossy => 4,
            };
            for storm in 0..storms {
                if self.weather == Weather::Lossy {
                    self.proxy.lose_answer(1 + storm);
                }
                let reactor = &reactors[usize::try_from(storm % 2).unwrap()];
                // What was not answered is done again later; only then it must work.
                let done = reactor.consume(self.world.tenant_id, at, &event).await;
                assert!(done.is_ok() || self.weather == Weather::Lossy, "{done:?}");
                self.proxy.lose_answer(0);
                self.set_back(at).await;
            }
            reactors[0].consume(self.world.tenant_id, at, &event).await.unwrap();
        }
    }

    async fn set_back(&self, position: i64) {
        sqlx::query("UPDATE subscription_checkpoints SET position = $1 WHERE subscription = 'reactor'")
            .bind(position)
            .execute(&self.admin)
            .await
            .unwrap();
    }
}

/// What a history leaves: events by name, and the balance of every code in minor units.
#[derive(Debug, PartialEq)]
struct Left {
    events: BTreeMap<String, usize>,
    book: BTreeMap<String, i128>,
    parked: usize,
}

fn sealed(subject: Uuid) -> Personal<String> {
    let sealed = Sealed { subject: PartyId(subject), key_id: Uuid::from_u128(1), nonce: "bm9uY2U=".to_owned(), ciphertext: String::new() };
    Personal::from_sealed(sealed)
}

fn day(days: i64) -> DateTime<Utc> {
    "2031-05-05T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(days)
}

async fn booked(stage: &Stage, payer: PartyId, talent: PartyId, days: i64) -> BookingParties {
    let parties =
        BookingParties { booking_id: BookingId(Uuid::now_v7()), job_id: JobId(Uuid::now_v7()), talent_id: talent, payer_id: Some(payer) };
    let slot = Slot { from: day(days), to: day(days) + TimeDelta::hours(4) };
    let create = CreateBooking {
        booking_id: parties.booking_id,
        job_id: parties.job_id,
        talent_id: talent,
        payer_id: payer,
        slot,
        location: None,
        terms: serde_json::json!({}),
        price: eur("1000.00"),
    };
    let id = parties.booking_id.uuid();
    stage.ask::<Booking>(id, BookingCommand::Create(Box::new(create)), staff()).await;
    let contract = parties.contract_id(stage.world.tenant_id).uuid();
    let agreement = Agreement {
        title: "Agreement".into(),
        template_id: None,
        template_version: 0,
        body: sealed(contract),
        hash: document_hash("text"),
    };
    stage.ask::<Booking>(id, BookingCommand::Accept(Box::new(Accept { slot, agreement })), user(talent, &[Role::Talent])).await;
    parties
}

async fn signed(stage: &Stage, parties: &BookingParties) {
    let contract = parties.contract_id(stage.world.tenant_id).uuid();
    let events = stage.world.stream_events("contract", contract).await;
    let signers: Vec<(SignerId, PartyId)> = events
        .iter()
        .filter(|event| event.event_type == "contract.signer_added")
        .map(|event| {
            let payload: serde_json::Value = serde_json::from_str(&event.payload).unwrap();
            let signer = &payload["fact"]["signer_added"]["signer"];
            (serde_json::from_value(signer["signerId"].clone()).unwrap(), serde_json::from_value(signer["partyId"].clone()).unwrap())
        })
        .collect();
    assert_eq!(signers.len(), 2, "the auto-generated contract has both sides as signers (CTR-46)");
    for (signer_id, party_id) in signers {
        let signature = Signature {
            typed_name: sealed(party_id.uuid()),
            consent: "I agree".into(),
            ip: None,
            user_agent: None,
            document_hash: document_hash("text"),
            method: SignatureMethod::InApp,
        };
        let role = if Some(party_id) == parties.payer_id { Role::Payer } else { Role::Talent };
        stage.ask::<Contract>(contract, ContractCommand::Sign { signer_id, signature: Box::new(signature) }, user(party_id, &[role])).await;
    }
}

async fn worked(stage: &Stage, parties: &BookingParties) {
    let booking = parties.booking_id.uuid();
    let talent = user(parties.talent_id, &[Role::Talent]);
    stage.ask::<Booking>(booking, BookingCommand::Start, talent.clone()).await;
    let number = stage.world.stream_events("booking", booking).await.iter().filter(|event| event.payload.contains("\"otp\"")).count();
    let proof = Some(OtpProof { number: u32::try_from(number).unwrap() });
    stage.ask::<Booking>(booking, BookingCommand::Complete { proof, evidence: Box::new(Evidence::default()) }, talent).await;
}

async fn story(weather: Weather) -> Left {
    let stage = Stage::set(weather).await;
    let (payer, talent) = (PartyId(Uuid::new_v4()), PartyId(Uuid::new_v4()));
    let tenant_id = stage.world.tenant_id;
    stage.world.fill(&stage.door, payer, eur("5000.00")).await;
    stage.settle().await;

    // One booking that is worked, disputed and decided.
    let parties = booked(&stage, payer, talent, 0).await;
    let escrow = parties.escrow_id(tenant_id).uuid();
    stage.ask::<Escrow>(escrow, EscrowCommand::Fund { source: FundingSource::Wallet }, user(payer, &[Role::Payer])).await;
    signed(&stage, &parties).await;
    worked(&stage, &parties).await;
    let dispute = EscrowCommand::Dispute { amount: None, kind: DisputeKind::DeliveryRejected, reason: sealed(payer.uuid()) };
    stage.ask::<Escrow>(escrow, dispute, user(payer, &[Role::Payer])).await;
    let case = derived_uuid(tenant_id, escrow, "dispute", 1);
    let judge = user(PartyId(Uuid::new_v4()), &[Role::TrustSafety]);
    stage.ask::<Dispute>(case, DisputeCommand::Assign { assignee_id: judge.id }, judge.clone()).await;
    let decision = CaseDecision::Split { release: eur("600.00"), refund: eur("300.00"), penalty: eur("100.00") };
    stage.ask::<Dispute>(case, DisputeCommand::Escalate { reason: None }, staff()).await;
    stage.ask::<Dispute>(case, DisputeCommand::Decide { decision, rationale: None }, judge.clone()).await;

    // What was released is disputed again, frozen where it landed, and given back (MNY-36).
    let dispute = EscrowCommand::Dispute { amount: None, kind: DisputeKind::Other, reason: sealed(payer.uuid()) };
    stage.ask::<Escrow>(escrow, dispute, user(payer, &[Role::Payer])).await;
    let case = derived_uuid(tenant_id, escrow, "dispute", 2);
    stage.ask::<Dispute>(case, DisputeCommand::Assign { assignee_id: judge.id }, judge.clone()).await;
    stage.ask::<Dispute>(case, DisputeCommand::Decide { decision: CaseDecision::Refund, rationale: None }, judge).await;

    // One that is cancelled after it was paid.
    let parties = booked(&stage, payer, talent, 7).await;
    let slot = Slot { from: day(8), to: day(8) + TimeDelta::hours(4) };
    stage.ask::<Booking>(parties.booking_id.uuid(), BookingCommand::Reschedule { slot: Some(slot), location: None }, staff()).await;
    let fund = EscrowCommand::Fund { source: FundingSource::Wallet };
    stage.ask::<Escrow>(parties.escrow_id(tenant_id).uuid(), fund, user(payer, &[Role::Payer])).await;
    stage.ask::<Booking>(parties.booking_id.uuid(), BookingCommand::Cancel { reason: "rain".into() }, staff()).await;

    // One whose contract is taken back.
    let parties = booked(&stage, payer, talent, 14).await;
    stage.ask::<Contract>(parties.contract_id(tenant_id).uuid(), ContractCommand::Void { reason: "terms".into() }, staff()).await;

    // Credits and a transfer for money of the wallet.
    let wallet = wallet_id(tenant_id, OwnerType::User, payer, "EUR".parse().unwrap()).uuid();
    let buy = WalletCommand::BuyCredits { units: 10, price: eur("50.00"), expires_at: None };
    stage.ask::<Wallet>(wallet, buy, staff()).await;
    let to = WalletOwner { owner_type: OwnerType::Talent, owner_id: talent, currency: "EUR".parse().unwrap() };
    let transfer = WalletCommand::Transfer { amount: eur("1.00"), to_wallet_id: to.wallet_id(tenant_id), to, reason: "bonus".into() };
    stage.ask::<Wallet>(wallet, transfer, platform()).await;

    let mut events = BTreeMap::new();
    for event in stage.world.events().await {
        *events.entry(event.event_type).or_insert(0) += 1;
    }
    let mut book = BTreeMap::new();
    for ((code, _, _), minor) in stage.world.book().await {
        *book.entry(code).or_insert(0) += minor;
    }
    let parked = dead_letters(&stage.world.pool("holdfast_reactor").await, &DeadLetterFilter::default(), None, 1_000).await.unwrap().len();
    Left { events, book, parked }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reaction_runs_twice_and_with_each_step_failing_and_leaves_one_effect() {
    // MNY-01, DSP-41, JOB-64, CTR-44, CTR-46, MNY-18, MNY-25, protocols 9.
    let fair = story(Weather::Fair).await;
    assert_eq!(fair.parked, 0, "nothing is refused: {fair:#?}");
    for name in [
        "booking.confirmed",
        "contract.signed",
        "escrow.contract_signed",
        "escrow.delivery_submitted",
        "dispute.closed",
        "escrow.settled_case_refunded",
    ] {
        assert!(fair.events.contains_key(name), "{name} is missing: {:#?}", fair.events);
    }
    assert_eq!(fair.events["booking.accepted"], fair.events["contract.created"]);
    assert_eq!(fair.book.get("L299").copied().unwrap_or(0), 0, "nothing is left in transit");
    assert_eq!(fair.book.get("L215").copied().unwrap_or(0), 0, "nothing is contested any more");
    assert_eq!(story(Weather::Repeating).await, fair, "run again and again");
    assert_eq!(story(Weather::Lossy).await, fair, "with lost answers");
}
