//! From command to command over reactions and deadlines, against a real Postgres.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use futures::future::join_all;
use holdfast_commands::reaction::{DeadLetterFilter, Reactor, dead_letters};
use holdfast_commands::{Clock, IdempotencyKey, KeyOwner, Refusal, Request, Writers};
use holdfast_domain::escrow::*;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::*;
use holdfast_domain::tenant::{Hours, TenantSettings};
use holdfast_domain::wallet::{OwnerType, Wallet, WalletFact};
use holdfast_eventlog::EventLog;
use uuid::Uuid;

struct Parties {
    payer: PartyId,
    payee: PartyId,
}

impl Parties {
    fn new() -> Self {
        Self { payer: PartyId(Uuid::new_v4()), payee: PartyId(Uuid::new_v4()) }
    }

    fn payer(&self) -> Actor {
        user(self.payer, &[Role::Payer])
    }

    fn payee(&self) -> Actor {
        user(self.payee, &[Role::Talent])
    }
}

async fn create(world: &World, writers: &Writers, parties: &Parties, amount: Money) -> Uuid {
    let id = Uuid::now_v7();
    let reference = Reference { contract_id: ContractId(Uuid::new_v4()), milestone_id: None, booking_id: None, sponsorship_order_id: None };
    let create = CreateEscrow {
        escrow_id: EscrowId(id),
        reference,
        payer_id: parties.payer,
        payee_id: parties.payee,
        amount,
        delivery_required: None,
        partial_release_allowed: None,
        share: None,
        starts_at: None,
    };
    world.send::<Escrow>(writers, id, EscrowCommand::Create(create), staff(), None).await.unwrap();
    id
}

/// Up to delivery submitted.
async fn delivered(world: &World, writers: &Writers, parties: &Parties, amount: Money) -> Uuid {
    let id = create(world, writers, parties, amount).await;
    world.send::<Escrow>(writers, id, EscrowCommand::Fund { source: FundingSource::Wallet }, parties.payer(), None).await.unwrap();
    world.settle(writers).await;
    world.send::<Escrow>(writers, id, EscrowCommand::StartWork, staff(), None).await.unwrap();
    let artifacts = vec![Artifact { asset_id: AssetId(Uuid::new_v4()), kind: ArtifactKind::Deliverable }];
    world
        .send::<Escrow>(writers, id, EscrowCommand::SubmitDelivery { artifacts, note: None, gps: None }, parties.payee(), None)
        .await
        .unwrap();
    id
}

/// Up to released by the platform.
async fn released(world: &World, writers: &Writers, parties: &Parties, amount: Money) -> Uuid {
    let id = delivered(world, writers, parties, amount).await;
    world.send::<Escrow>(writers, id, EscrowCommand::Approve { note: None }, staff(), None).await.unwrap();
    world.send::<Escrow>(writers, id, EscrowCommand::Release { amount: None, reason: None }, platform(), None).await.unwrap();
    id
}

async fn names(world: &World, id: Uuid) -> Vec<String> {
    world.stream_events("escrow", id).await.into_iter().map(|event| event.event_type).collect()
}

fn balance(book: &std::collections::HashMap<(String, String, String), i128>, code: &str) -> i128 {
    book.iter().filter(|((account, _, _), _)| account == code).map(|(_, sum)| *sum).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sponsorship_of_1000_pays_950_to_the_organizer_and_50_to_the_platform() {
    // C-PF2, LED-41, LED-42, MNY-01, MNY-07.
    let world = World::new().await;
    let writers = world.process().await;
    let parties = Parties::new();
    world.fill(&writers, parties.payer, eur("1000.00")).await;
    let id = released(&world, &writers, &parties, eur("1000.00")).await;
    world.settle(&writers).await;
    let names = names(&world, id).await;
    assert_eq!(names.last().map(String::as_str), Some("escrow.closed"), "{names:?}");
    let book = world.book().await;
    assert_eq!(balance(&book, "A110"), 100_000);
    assert_eq!(balance(&book, "L225"), -95_000);
    assert_eq!(balance(&book, "R400"), -5_000);
    assert_eq!(balance(&book, "L210"), 0);
    assert!(book.iter().filter(|((code, _, _), _)| code == "L299").all(|(_, sum)| *sum == 0), "nothing is left in transit");
    assert_eq!(book.values().sum::<i128>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_in_the_wallet_brings_the_escrow_back_to_created() {
    // MNY-07.
    let world = World::new().await;
    let writers = world.process().await;
    let parties = Parties::new();
    let id = create(&world, &writers, &parties, eur("10.00")).await;
    world.send::<Escrow>(&writers, id, EscrowCommand::Fund { source: FundingSource::Wallet }, parties.payer(), None).await.unwrap();
    world.settle(&writers).await;
    assert_eq!(names(&world, id).await, ["escrow.created", "escrow.funding_requested", "escrow.funding_failed"]);
    world.fill(&writers, parties.payer, eur("10.00")).await;
    world.send::<Escrow>(&writers, id, EscrowCommand::Fund { source: FundingSource::Wallet }, parties.payer(), None).await.unwrap();
    world.settle(&writers).await;
    assert_eq!(names(&world, id).await.last().map(String::as_str), Some("escrow.funded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_live_escrow_per_reference() {
    // MNY-05: eight at once over two processes, one wins; a cancelled one frees the reference.
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let parties = Parties::new();
    let reference = Reference {
        contract_id: ContractId(Uuid::new_v4()),
        milestone_id: Some(MilestoneId(Uuid::new_v4())),
        booking_id: None,
        sponsorship_order_id: None,
    };
    let create = |writers| {
        let id = Uuid::now_v7();
        let create = CreateEscrow {
            escrow_id: EscrowId(id),
            reference,
            payer_id: parties.payer,
            payee_id: parties.payee,
            amount: eur("1.00"),
            delivery_required: None,
            partial_release_allowed: None,
            share: None,
            starts_at: None,
        };
        world.send::<Escrow>(writers, id, EscrowCommand::Create(create), staff(), None)
    };
    let answers = join_all((0..8).map(|n| create(if n % 2 == 0 { &a } else { &b }))).await;
    let winner = answers.iter().find_map(|answer| answer.as_ref().ok()).unwrap().id;
    for answer in &answers {
        match answer {
            Ok(accepted) => assert_eq!(accepted.id, winner),
            Err(Refusal::Rejected { rejection, .. }) => {
                assert_eq!(rejection.code, "ESCROW_EXISTS");
                assert_eq!(rejection.details["escrowId"], winner.to_string());
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    world.send::<Escrow>(&a, winner, EscrowCommand::Cancel { reason: "changed".to_owned() }, staff(), None).await.unwrap();
    create(&b).await.unwrap();
    world.assert_gapless().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_uses_a_reactions_future_key_changes_nothing() {
    // Protocol test 3: the credit still lands.
    let world = World::new().await;
    let writers = world.process().await;
    let parties = Parties::new();
    world.fill(&writers, parties.payer, eur("10.00")).await;
    let id = released(&world, &writers, &parties, eur("10.00")).await;
    let released =
        world.stream_events("escrow", id).await.into_iter().find(|event| event.event_type == "escrow.released").unwrap().decode().unwrap();
    let payee = owner(OwnerType::Talent, parties.payee);
    let wallet = payee.wallet_id(world.tenant_id).uuid();
    for owner in [KeyOwner::Actor(PartyId(Uuid::nil())), KeyOwner::Actor(staff().id)] {
        let key = IdempotencyKey { owner, key: format!("{}/credit-0/1", released.metadata.event_id), request_hash: b"x".to_vec() };
        let _ = world.send::<Wallet>(&writers, wallet, holdfast_domain::wallet::WalletCommand::Open(payee), staff(), Some(key)).await;
    }
    world.settle(&writers).await;
    assert_eq!(names(&world, id).await.last().map(String::as_str), Some("escrow.closed"));
    assert_eq!(balance(&world.book().await, "L225"), -950);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_whose_clock_is_behind_still_meets_the_deadline() {
    // Protocol test 4, ESC-60: the deadline worker runs by the database's clock, 400 ms ahead of the writer's. Further apart, nothing fires.
    let mut settings = TenantSettings::default();
    settings.escrow.auto_release_hours = Hours("0.0003".parse().unwrap()); // about one second
    settings.escrow.dispute_window_hours = Hours("0.0003".parse().unwrap());
    let world = World::with(settings).await;
    let writers = world.process_with(Clock::skewed(-400)).await;
    let parties = Parties::new();
    world.fill(&writers, parties.payer, eur("10.00")).await;
    let id = delivered(&world, &writers, &parties, eur("10.00")).await;
    world.settle(&writers).await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let worker =
        holdfast_commands::DeadlineWorker::new(world.pool("holdfast_reactor").await, writers.clone(), std::time::Duration::from_millis(20));
    let running = tokio::spawn(worker.run(shutdown.clone()));
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        world.settle(&writers).await;
        if names(&world, id).await.last().map(String::as_str) == Some("escrow.closed") {
            break;
        }
    }
    shutdown.cancel();
    running.await.unwrap();
    let events: Vec<_> = world.stream_events("escrow", id).await.iter().map(|event| event.decode().unwrap()).collect();
    let due = events.iter().find_map(|event| match &event.event {
        AnyEvent::Escrow(escrow) if event.event.name() == "escrow.delivery_submitted" => escrow.deadlines.progress,
        _ => None,
    });
    let approved = events.iter().find(|event| event.event.name() == "escrow.delivery_approved").expect("approved by silence");
    // The writer's clock says less; the decision's `now` is the deadline at least.
    assert!(approved.metadata.occurred_at >= due.unwrap().at);
    let names = names(&world, id).await;
    assert_eq!(names.last().map(String::as_str), Some("escrow.closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reaction_runs_twice_and_leaves_one_effect() {
    // Protocols 9: at least once, one effect. The checkpoint is set back and everything is reacted to again.
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let parties = Parties::new();
    world.fill(&a, parties.payer, eur("100.00")).await;
    released(&world, &a, &parties, eur("60.00")).await;
    world.settle(&a).await;
    let before = world.events().await;
    let admin = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(world.admin.clone()).await.unwrap();
    for writers in [&a, &b] {
        sqlx::query("UPDATE subscription_checkpoints SET position = 0 WHERE subscription = 'reactor'").execute(&admin).await.unwrap();
        world.settle(writers).await;
        assert_eq!(world.events().await.len(), before.len());
    }
    assert!(dead_letters(&world.pool("holdfast_reactor").await, &DeadLetterFilter::default(), None, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reactor_that_dies_before_its_checkpoint_repeats_without_harm() {
    // The commands of a batch are done, the checkpoint is lost, another process takes over.
    let world = World::new().await;
    let (a, b) = (world.process().await, world.process().await);
    let parties = Parties::new();
    world.fill(&a, parties.payer, eur("100.00")).await;
    let id = create(&world, &a, &parties, eur("60.00")).await;
    world.send::<Escrow>(&a, id, EscrowCommand::Fund { source: FundingSource::Wallet }, parties.payer(), None).await.unwrap();
    let pool = world.pool("holdfast_reactor").await;
    let log = EventLog::new(pool.clone());
    let admin = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(world.admin.clone()).await.unwrap();
    for round in 0..12 {
        let writers = if round % 2 == 0 { &a } else { &b };
        let before: Option<i64> = sqlx::query_scalar("SELECT position FROM subscription_checkpoints WHERE subscription = 'reactor'")
            .fetch_optional(&admin)
            .await
            .unwrap();
        world.catch_up(&log, &Reactor::new(log.clone(), pool.clone(), writers.clone())).await;
        if round % 3 != 2 {
            sqlx::query("UPDATE subscription_checkpoints SET position = $1 WHERE subscription = 'reactor'")
                .bind(before.unwrap_or(0))
                .execute(&admin)
                .await
                .unwrap();
        }
    }
    world.settle(&b).await;
    assert_eq!(names(&world, id).await, ["escrow.created", "escrow.funding_requested", "escrow.funded"]);
    assert_eq!(world.count("wallet.hold_captured").await, 1);
    let book = world.book().await;
    assert_eq!(balance(&book, "L200"), -4_000);
    assert_eq!(balance(&book, "L210"), -6_000);
    assert_eq!(balance(&book, "L299"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_escrows_from_one_wallet_never_take_more_than_it_has() {
    // LED-68, MNY-07: 64 payers' requests at once, money for ten.
    let world = World::new().await;
    let writers = world.process().await;
    let parties = Parties::new();
    world.fill(&writers, parties.payer, eur("100.00")).await;
    let ids = join_all((0..64).map(|_| create(&world, &writers, &parties, eur("10.00")))).await;
    let funds = ids
        .iter()
        .map(|id| world.send::<Escrow>(&writers, *id, EscrowCommand::Fund { source: FundingSource::Wallet }, parties.payer(), None));
    assert!(join_all(funds).await.iter().all(Result::is_ok));
    world.settle(&writers).await;
    assert_eq!(world.count("escrow.funded").await, 10);
    assert_eq!(world.count("escrow.funding_failed").await, 54);
    assert_eq!(balance(&world.book().await, "L200"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_money_than_needed_goes_back_and_less_waits_for_the_rest() {
    // MNY-10, MNY-12 with bank receipts that name the escrow.
    use holdfast_domain::bank_receipt::{BankReceipt, BankReceiptCommand, bank_receipt_id};
    let world = World::new().await;
    let writers = world.process().await;
    let parties = Parties::new();
    let id = create(&world, &writers, &parties, eur("100.00")).await;
    world.send::<Escrow>(&writers, id, EscrowCommand::Fund { source: FundingSource::BankTransfer }, parties.payer(), None).await.unwrap();
    for (reference, amount) in [("first", "40.00"), ("second", "75.00"), ("late", "5.00")] {
        let command = BankReceiptCommand::Record {
            bank_reference: reference.to_owned(),
            amount: eur(amount),
            received_at: chrono::Utc::now(),
            payer_id: Some(parties.payer),
            escrow_id: Some(EscrowId(id)),
            remitter: None,
        };
        for _ in 0..2 {
            world
                .send::<BankReceipt>(&writers, bank_receipt_id(world.tenant_id, reference).uuid(), command.clone(), platform(), None)
                .await
                .unwrap();
        }
        world.settle(&writers).await;
    }
    let names = names(&world, id).await;
    assert_eq!(names, ["escrow.created", "escrow.funding_requested", "escrow.funding_short", "escrow.funded", "escrow.funding_returned"]);
    let book = world.book().await;
    assert_eq!(
        (balance(&book, "L210"), balance(&book, "L200"), balance(&book, "L202"), balance(&book, "A110")),
        (-10_000, -2_000, 0, 12_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_step_is_put_aside_parks_its_chain_and_can_be_driven_again() {
    // Protocols 9.2, 9.5. A step is refused because the reactor's tenant stream cannot be read: its stored answer says so.
    let world = World::new().await;
    let writers = world.process().await;
    let parties = Parties::new();
    world.fill(&writers, parties.payer, eur("10.00")).await;
    let id = released(&world, &writers, &parties, eur("10.00")).await;
    let released =
        world.stream_events("escrow", id).await.into_iter().find(|event| event.event_type == "escrow.released").unwrap().decode().unwrap();
    let AnyEvent::Escrow(event) = &released.event else { panic!() };
    let EscrowFact::Released { legs, .. } = &event.fact else { panic!() };
    let leg = legs.iter().find(|leg| leg.wallet_id.is_some()).unwrap();
    // The system itself has already answered this step's key with a refusal.
    let key = IdempotencyKey {
        owner: KeyOwner::System("credit_legs"),
        key: format!("{}/credit-{}/1", released.metadata.event_id, leg.leg),
        request_hash: Vec::new(),
    };
    let refused = Request { if_match: None, ..world.request::<Escrow>(Uuid::new_v4(), EscrowCommand::Lock, platform(), Some(key)) };
    assert!(writers.execute(refused).await.is_err());
    world.settle(&writers).await;
    let pool = world.pool("holdfast_reactor").await;
    let letters =
        dead_letters(&pool, &DeadLetterFilter { tenant_id: Some(world.tenant_id), ..DeadLetterFilter::default() }, None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].reaction.as_str(), letters[0].attempt), ("credit_legs", 1));
    assert_eq!(names(&world, id).await.last().map(String::as_str), Some("escrow.released"), "not closed while its money is in transit");
    let command = holdfast_domain::tenant::TenantCommand::RedriveReaction { dead_letter_id: letters[0].id, reason: "repaired".to_owned() };
    world.send::<holdfast_domain::tenant::Tenant>(&writers, world.tenant_id.uuid(), command, platform(), None).await.unwrap();
    world.settle(&writers).await;
    assert!(dead_letters(&pool, &DeadLetterFilter::default(), None, 10).await.unwrap().is_empty());
    assert_eq!(names(&world, id).await.last().map(String::as_str), Some("escrow.closed"));
    assert_eq!(world.count("wallet.credited").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_flow_names_its_cause() {
    // Invariant 9, NFR-18.
    let world = World::new().await;
    let writers = world.process().await;
    let parties = Parties::new();
    world.fill(&writers, parties.payer, eur("10.00")).await;
    delivered(&world, &writers, &parties, eur("10.00")).await;
    let events: Vec<_> = world.events().await.iter().map(|event| event.decode().unwrap()).collect();
    for event in &events {
        assert_eq!(event.metadata.event_id, event.origin.event_id());
        assert_eq!(event.metadata.actor.is_system(), event.metadata.causation_id.is_some());
    }
    let captured = events
        .iter()
        .find(|event| matches!(&event.event, AnyEvent::Wallet(wallet) if matches!(wallet.fact, WalletFact::HoldCaptured { .. })))
        .unwrap();
    let requested = events.iter().find(|event| event.event.name() == "escrow.funding_requested").unwrap();
    assert_eq!(captured.metadata.correlation_id, requested.metadata.correlation_id);
    assert_eq!(captured.metadata.hops, 3);
}
