//! Creation and money in: ESC-30..32, ESC-37, MNY-02, MNY-05, MNY-07, MNY-10..12, MNY-15, MNY-17.

use uuid::Uuid;

use super::case::*;
use crate::escrow::{
    DeadlineAction, Escrow, EscrowCommand, EscrowError, EscrowFact, EscrowStatus, FundingFailure, FundingSource, RefundReason,
};
use crate::kernel::{BookingId, Claim, ClaimChange, ContractId, DomainError, HoldId, MilestoneId, PartyId, TenantAggregate, WalletId};

fn fund(source: FundingSource) -> EscrowCommand {
    EscrowCommand::Fund { source }
}

#[test]
fn creation_copies_the_tenants_rules_and_sets_the_funding_deadline() {
    // ESC-30, ESC-06, MNY-17
    let case = Case::created();
    let terms = case.escrow.terms().unwrap();
    assert_eq!(terms.rules.split, case.settings.escrow.split);
    let deadline = case.escrow.next_deadline().unwrap();
    assert_eq!((deadline.at - case.now).num_hours(), 168);
    assert_eq!(deadline.action, DeadlineAction::Cancel);
    assert!(Escrow::depends_on_settings(&EscrowCommand::Create(Case::create(eur("1")))));
    assert!(!Escrow::depends_on_settings(&EscrowCommand::Lock));
}

#[test]
fn an_amount_must_be_above_zero() {
    // MNY-02
    for amount in ["0", "-1"] {
        let refusal = Case::unopened(settings()).refused(&tenant(), EscrowCommand::Create(Case::create(eur(amount))));
        assert_eq!(refusal, EscrowError::AmountInvalid);
        assert_eq!(refusal.describe().1, "AMOUNT_INVALID");
    }
}

#[test]
fn rules_may_be_made_stricter_but_never_weaker() {
    // ESC-76
    let create = |delivery_required, partial_release_allowed| {
        EscrowCommand::Create(crate::escrow::CreateEscrow { delivery_required, partial_release_allowed, ..Case::create(eur("10")) })
    };
    let mut strict = Case::unopened(settings());
    strict.ok(&tenant(), create(Some(true), Some(false)));
    assert!(!strict.escrow.terms().unwrap().rules.partial_release_allowed);

    let refusal = Case::unopened(settings()).refused(&tenant(), create(Some(false), None));
    assert_eq!(refusal, EscrowError::RuleNotStricter { rule: "deliveryRequired" });
    assert_eq!(refusal.describe().1, "RULE_NOT_STRICTER");

    let mut settings = settings();
    settings.escrow.partial_release_allowed = false;
    let refusal = Case::unopened(settings).refused(&tenant(), create(None, Some(true)));
    assert_eq!(refusal, EscrowError::RuleNotStricter { rule: "partialReleaseAllowed" });
}

#[test]
fn one_live_escrow_per_milestone_booking_or_order() {
    // MNY-05
    let mut create = Case::create(eur("10"));
    let claimed = |create: &crate::escrow::CreateEscrow| {
        let events = Case::unopened(settings()).ok(&tenant(), EscrowCommand::Create(create.clone()));
        Escrow::claims(&events[0])
    };
    let take = |id: Uuid| ClaimChange::Take(Claim { kind: "escrow_reference", value: id.to_string() });
    let (contract, milestone, booking) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    create.reference.contract_id = ContractId(contract);
    create.reference.milestone_id = None;
    assert_eq!(claimed(&create), [take(contract)], "a contract alone is a reference too");
    create.reference.milestone_id = Some(MilestoneId(milestone));
    create.reference.booking_id = Some(BookingId(booking));
    assert_eq!(claimed(&create), [take(milestone), take(booking)]);

    let holder = Uuid::from_u128(9);
    let refusal = Escrow::claim_taken(&Claim { kind: "escrow_reference", value: milestone.to_string() }, holder);
    assert_eq!(refusal.describe().1, "ESCROW_EXISTS");
    assert_eq!(refusal.details(), serde_json::json!({ "escrowId": holder }));
}

#[test]
fn only_cancelled_frees_the_reference() {
    // MNY-05
    let mut case = Case::created();
    let taken = Escrow::claims(&case.log[0]);
    let events = case.ok(&tenant(), cancel());
    let given_back: Vec<_> = Escrow::claims(&events[0]);
    assert_eq!(taken.len(), 1);
    let (ClaimChange::Take(taken), ClaimChange::GiveBack(back)) = (&taken[0], &given_back[0]) else { panic!("{given_back:?}") };
    assert_eq!(taken, back);

    let mut refunded = Case::created().to(EscrowStatus::Funded);
    refunded.ok(&platform(), EscrowCommand::Refund { reason: RefundReason::Cancellation });
    refunded.land_all();
    assert_eq!(refunded.log.iter().map(Escrow::claims).map(|claims| claims.len()).sum::<usize>(), 1);
}

#[test]
fn a_stream_without_events_is_not_found_and_one_with_events_is_not_created_again() {
    let refusal = Case::unopened(settings()).refused(&tenant(), EscrowCommand::Lock);
    assert_eq!((&refusal, refusal.describe().1), (&EscrowError::NotFound, "ESCROW_NOT_FOUND"));
    assert_eq!(Case::unopened(settings()).refused(&system(), Case::created().hold(0, eur("1"))), EscrowError::NotFound);
    let refusal = Case::created().refused(&tenant(), EscrowCommand::Create(Case::create(eur("10"))));
    assert_eq!(refusal.details(), serde_json::json!({ "status": "created", "action": "create" }));
}

#[test]
fn funding_from_the_wallet() {
    // ESC-31, ESC-32, MNY-07
    let mut case = Case::created();
    let deadline = case.escrow.next_deadline();
    let events = case.ok(&payer(), fund(FundingSource::Wallet));
    let EscrowFact::FundingRequested { attempt, wallet_id, hold_id, missing, payer_id, .. } = events[0].fact else { panic!() };
    assert_eq!((attempt, wallet_id, missing, payer_id), (1, payer_wallet(eur("1")), eur("10000"), PAYER));
    assert_eq!(case.escrow.next_deadline(), deadline, "the funding deadline runs from creation");

    let accept = EscrowCommand::AcceptFunding { attempt, wallet_id, hold_id, amount: missing };
    assert_eq!(names(&case.ok(&system(), accept.clone())), ["funded"]);
    case.is(EscrowStatus::Funded, "10000", "0");
    assert_eq!(case.escrow.next_deadline().unwrap().action, DeadlineAction::Refund);
    assert!(case.ok(&system(), accept).is_empty(), "a repeated report does nothing");
}

#[test]
fn while_a_wallet_has_not_answered_it_is_not_asked_again() {
    // MNY-07: two holds for one escrow
    let mut case = Case::created();
    case.ok(&payer(), fund(FundingSource::Wallet));
    let refusal = case.refused(&payer(), fund(FundingSource::Wallet));
    assert_eq!(refusal.describe().1, "INVALID_ESCROW_TRANSITION");
    // A transfer that was announced binds nobody.
    let mut case = Case::created();
    case.ok(&payer(), fund(FundingSource::BankTransfer));
    assert_eq!(names(&case.ok(&payer(), fund(FundingSource::Wallet))), ["funding_requested"]);
}

#[test]
fn too_little_in_the_wallet_brings_it_back_to_created() {
    // MNY-07
    let mut case = Case::created();
    case.ok(&payer(), fund(FundingSource::Wallet));
    let fail = |attempt| EscrowCommand::FailFunding { attempt, reason: FundingFailure::InsufficientFunds };
    assert_eq!(names(&case.ok(&system(), fail(1))), ["funding_failed"]);
    assert_eq!(case.escrow.status(), EscrowStatus::Created);
    assert_eq!(case.escrow.funding().unwrap().failure, Some(FundingFailure::InsufficientFunds));
    assert!(case.ok(&system(), fail(1)).is_empty(), "said twice");
    case.ok(&payer(), fund(FundingSource::Wallet));
    assert_eq!(case.escrow.funding().unwrap().failure, None);
    assert!(case.ok(&system(), fail(1)).is_empty(), "an answer to an earlier attempt");
    assert_eq!(names(&case.ok(&system(), fail(2))), ["funding_failed"]);
}

#[test]
fn a_hold_of_an_earlier_attempt_is_given_back() {
    // MNY-07, MNY-12
    let mut case = Case::created();
    case.ok(&payer(), fund(FundingSource::Wallet));
    case.ok(&system(), EscrowCommand::FailFunding { attempt: 1, reason: FundingFailure::WalletFrozen });
    let late = case.hold(1, eur("10000"));
    assert_eq!(names(&case.ok(&system(), late.clone())), ["funding_returned"]);
    assert!(case.ok(&system(), late).is_empty());
    case.ok(&payer(), fund(FundingSource::Wallet));
    let late = case.hold(1, eur("10000"));
    assert_eq!(names(&case.ok(&system(), late)), ["funding_returned"]);
    assert_eq!(case.escrow.status(), EscrowStatus::FundingPending);
}

#[test]
fn too_little_arrives_and_the_rest_is_asked_for() {
    // MNY-10
    let mut case = Case::created();
    case.ok(&payer(), fund(FundingSource::BankTransfer));
    assert_eq!(names(&case.receive(eur("4000"))), ["funding_short"]);
    let funding = case.escrow.funding().unwrap();
    assert_eq!((funding.received, funding.missing, case.escrow.status()), (eur("4000"), eur("6000"), EscrowStatus::FundingPending));
    let events = case.ok(&payer(), fund(FundingSource::Wallet));
    assert!(matches!(&events[0].fact, EscrowFact::FundingRequested { attempt: 2, missing, .. } if *missing == eur("6000")));
    let rest = case.hold(2, eur("6000"));
    assert_eq!(names(&case.ok(&system(), rest)), ["funded"]);
}

#[test]
fn what_has_arrived_stays_on_hold_when_the_next_attempt_fails_until_the_funding_deadline() {
    // MNY-10, MNY-17
    let mut case = Case::created();
    case.receive(eur("4000"));
    case.ok(&payer(), fund(FundingSource::Wallet));
    case.ok(&system(), EscrowCommand::FailFunding { attempt: 0, reason: FundingFailure::InsufficientFunds });
    assert_eq!(case.escrow.status(), EscrowStatus::FundingPending);
    assert_eq!(case.escrow.funding().unwrap().received, eur("4000"));
    let events = case.meet_next();
    let EscrowFact::Cancelled { returned, .. } = &events[0].fact else { panic!("{events:?}") };
    assert_eq!(returned.iter().map(|part| part.held).collect::<Vec<_>>(), [eur("4000")]);
    assert_eq!(case.escrow.funding().unwrap().received, eur("0"));
}

#[test]
fn a_receipt_funds_an_escrow_that_nobody_has_asked_to_fund() {
    // ESC-32: from created too
    assert_eq!(names(&Case::created().receive(eur("10000"))), ["funded"]);
    let mut short = Case::created();
    assert_eq!(names(&short.receive(eur("1"))), ["funding_short"]);
    assert_eq!(short.escrow.status(), EscrowStatus::FundingPending);
    assert_eq!(short.escrow.funding().unwrap().attempt, 1);
}

#[test]
fn too_much_arrives_and_exactly_the_amount_is_taken() {
    // MNY-10
    let mut case = Case::created();
    case.receive(eur("4000"));
    let events = case.receive(eur("9000"));
    let EscrowFact::Funded { amount, parts } = &events[0].fact else { panic!("{events:?}") };
    assert_eq!(*amount, eur("10000"));
    let captured: Vec<_> = parts.iter().map(|part| (part.leg, part.held, part.captured)).collect();
    assert_eq!(captured, [(0, eur("4000"), eur("4000")), (1, eur("9000"), eur("6000"))]);
}

#[test]
fn money_with_no_taker_is_given_back() {
    // MNY-11, MNY-12
    let mut cancelled = Case::created();
    cancelled.ok(&tenant(), cancel());
    assert_eq!(names(&cancelled.receive(eur("10000"))), ["funding_returned"]);
    assert_eq!(cancelled.escrow.status(), EscrowStatus::Cancelled);
    let mut twice = Case::created().to(EscrowStatus::Funded);
    assert_eq!(names(&twice.receive(eur("10000"))), ["funding_returned"]);
    twice.is(EscrowStatus::Funded, "10000", "0");
}

#[test]
fn money_of_another_payer_or_currency_is_given_back() {
    // MNY-08, MNY-12: a refund would hand it to somebody else
    let mut case = Case::created();
    let (wallet_id, hold_id) = (WalletId(Uuid::from_u128(5)), HoldId(Uuid::from_u128(6)));
    let foreign = EscrowCommand::AcceptFunding { attempt: 0, wallet_id, hold_id, amount: eur("10000") };
    assert_eq!(names(&case.ok(&system(), foreign)), ["funding_returned"]);
    let yen = crate::kernel::Money::try_from_minor(10_000, "JPY".parse().unwrap()).unwrap();
    let other = case.hold(0, yen);
    assert_eq!(names(&case.ok(&system(), other)), ["funding_returned"]);
    assert_eq!(case.escrow.status(), EscrowStatus::Created);
}

#[test]
fn only_the_payer_funds_and_only_the_machinery_reports() {
    // ESC-50f
    let mut case = Case::created();
    for actor in [talent(), tenant(), platform()] {
        let refusal = case.refused(&actor, fund(FundingSource::Wallet));
        assert_eq!(refusal.describe().1, "POLICY_DENIED");
        assert_eq!(refusal.details(), serde_json::json!({ "action": "fund" }));
        let report = case.hold(0, eur("10000"));
        assert_eq!(case.refused(&actor, report).describe().1, "POLICY_DENIED");
    }
    let mut own = Case::unopened(settings());
    let create = crate::escrow::CreateEscrow { payer_id: PartyId(TENANT.0), ..Case::create(eur("10")) };
    own.ok(&tenant(), EscrowCommand::Create(create));
    own.ok(&tenant(), fund(FundingSource::Wallet));
}

#[test]
fn an_unfunded_escrow_is_cancelled_by_hand_by_refund_or_by_its_deadline() {
    // ESC-37, MNY-15, MNY-17
    for status in [EscrowStatus::Created, EscrowStatus::FundingPending] {
        let mut by_hand = Case::created().to(status);
        assert_eq!(names(&by_hand.ok(&tenant(), cancel())), ["cancelled"]);
        let mut by_refund = Case::created().to(status);
        assert_eq!(names(&by_refund.ok(&platform(), EscrowCommand::Refund { reason: RefundReason::Cancellation })), ["cancelled"]);
        let mut by_deadline = Case::created().to(status);
        assert_eq!(names(&by_deadline.meet_next()), ["cancelled"]);
        assert_eq!(by_deadline.escrow.outcome(), Some(crate::escrow::Outcome::Cancelled));
        assert_eq!(by_deadline.escrow.next_deadline(), None);
    }
}
