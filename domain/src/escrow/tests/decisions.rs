//! How disputes end: ESC-44..48, ESC-65, MNY-29..34.

use chrono::TimeDelta;

use super::case::*;
use crate::escrow::{DeadlineAction, Decision, DecisionKind, EscrowCommand, EscrowError, EscrowFact, EscrowStatus, Outcome, ReleaseMode};
use crate::kernel::{DomainError, PartyId, Role};
use crate::tenant::PenaltyBeneficiary;

fn code(refusal: &EscrowError) -> &'static str {
    refusal.describe().1
}

/// All 10,000 contested by the payer after delivery.
fn contested() -> Case {
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(None));
    case
}

#[test]
fn a_decision_comes_first_and_its_money_with_it() {
    // ESC-44, ESC-45, ESC-46
    let cases = [
        (decide(Decision::Release), vec!["dispute_resolved", "released"], EscrowStatus::ResolvedRelease, Outcome::Settled),
        (decide(Decision::Refund), vec!["dispute_resolved", "refunded"], EscrowStatus::ResolvedRefund, Outcome::Refunded),
        (split("6000", "4000", "0"), vec!["dispute_resolved", "released", "refunded"], EscrowStatus::ResolvedSplit, Outcome::Split),
        (split("0", "9000", "1000"), vec!["dispute_resolved", "refunded", "penalty_taken"], EscrowStatus::ResolvedSplit, Outcome::Split),
        (split("0", "0", "10000"), vec!["dispute_resolved", "penalty_taken"], EscrowStatus::ResolvedSplit, Outcome::Split),
    ];
    for (command, expected, status, outcome) in cases {
        let mut case = contested();
        let events = case.ok(&platform(), command);
        assert_eq!(names(&events), expected);
        case.is(status, "0", "0");
        assert_eq!(case.escrow.outcome(), Some(outcome));
        assert_eq!(case.escrow.next_deadline(), None);
        let closed = case.land_all();
        assert!(matches!(closed.last().unwrap().fact, EscrowFact::Closed { outcome: said } if said == outcome));
    }
}

#[test]
fn a_split_with_one_part_only_is_that_decision() {
    // MNY-29
    for (command, kind, status) in [
        (split("10000", "0", "0"), DecisionKind::Release, EscrowStatus::ResolvedRelease),
        (split("0", "10000", "0"), DecisionKind::Refund, EscrowStatus::ResolvedRefund),
    ] {
        let mut case = contested();
        let events = case.ok(&platform(), command);
        assert!(matches!(events[0].fact, EscrowFact::DisputeResolved { kind: said, .. } if said == kind));
        assert_eq!(case.escrow.status(), status);
    }
}

#[test]
fn a_decision_disposes_of_exactly_what_is_contested() {
    // MNY-29, DSP-15
    let mut case = contested();
    for (release, refund, penalty) in [("5000", "4999.99", "0"), ("5000", "5000", "0.01"), ("11000", "-1000", "0"), ("0", "0", "0")] {
        let refusal = case.refused(&platform(), split(release, refund, penalty));
        assert_eq!(refusal, EscrowError::DecisionAmountInvalid { contested: eur("10000") });
        assert_eq!(code(&refusal), "DECISION_AMOUNT_INVALID");
    }
    let yen = crate::kernel::Money::zero("JPY".parse().unwrap());
    let mixed = Decision::Split { release: eur("10000"), refund: yen, penalty: eur("0") };
    assert_eq!(code(&case.refused(&platform(), decide(mixed))), "CURRENCY_MISMATCH");
}

#[test]
fn beside_an_open_part_the_status_stays_and_the_outcome_counts_at_the_end() {
    // MNY-29
    let mut case = Case::created().to(EscrowStatus::Releasable);
    case.ok(&payer(), contest(Some("4000")));
    let events = case.ok(&platform(), split("2000", "1500", "500"));
    case.is(EscrowStatus::Releasable, "6000", "0");
    assert!(events.iter().all(|event| event.to == EscrowStatus::Releasable));
    assert_eq!(case.escrow.outcome(), None);
    case.ok(&platform(), release_all());
    assert_eq!((case.escrow.status(), case.escrow.outcome()), (EscrowStatus::Released, Some(Outcome::Split)));
}

#[test]
fn a_penalty_goes_whole_to_its_beneficiary_up_to_a_cap() {
    // MNY-30
    for (beneficiary, party) in [
        (PenaltyBeneficiary::Payer, "payer"),
        (PenaltyBeneficiary::Payee, "payee"),
        (PenaltyBeneficiary::Tenant, "tenant"),
        (PenaltyBeneficiary::Platform, "platform"),
    ] {
        let mut case = Case::with(|settings| {
            settings.escrow.penalty.beneficiary = beneficiary;
            settings.escrow.penalty.cap_bp = 500;
        })
        .to(EscrowStatus::DeliverySubmitted);
        case.ok(&payer(), contest(None));
        let refusal = case.refused(&platform(), split("0", "9499.99", "500.01"));
        assert_eq!(refusal, EscrowError::PenaltyAboveCap { cap: eur("500") });
        assert_eq!(code(&refusal), "PENALTY_ABOVE_CAP");
        let events = case.ok(&platform(), split("0", "9500", "500"));
        assert_eq!(legs(&events), [(party, "500.00".to_owned())]);
    }
}

#[test]
fn the_tenant_decides_where_it_is_no_party() {
    // MNY-33, ESC-65
    let mut case = contested();
    for actor in [payer(), talent(), system()] {
        assert_eq!(code(&case.refused(&actor, decide(Decision::Release))), "POLICY_DENIED");
    }
    let forced = |events: &[crate::escrow::EscrowEvent]| matches!(events[0].fact, EscrowFact::DisputeResolved { forced: true, .. });
    assert!(!forced(&case.clone().ok(&tenant(), decide(Decision::Release))));
    assert!(forced(&case.ok(&platform(), decide(Decision::Release))), "the platform took it over");
}

#[test]
fn nobody_decides_on_their_own_side() {
    // MNY-33
    for (payer_id, payee_id) in [(PartyId(TENANT.0), PAYEE), (PAYER, PartyId(TENANT.0))] {
        let mut case = Case::unopened(settings());
        let create = crate::escrow::CreateEscrow { payer_id, payee_id, ..Case::create(eur("100")) };
        case.ok(&tenant(), EscrowCommand::Create(create));
        let wallet_id = crate::wallet::wallet_id(TENANT, crate::wallet::OwnerType::User, payer_id, eur("1").currency());
        let hold_id = crate::kernel::HoldId(uuid::Uuid::from_u128(1));
        case.ok(&system(), EscrowCommand::AcceptFunding { attempt: 0, wallet_id, hold_id, amount: eur("100") });
        case.ok(&system(), contest(None));
        for decision in [Decision::Release, Decision::Refund, Decision::Redo, Decision::Dismiss] {
            assert_eq!(case.refused(&tenant(), decide(decision)), EscrowError::ConflictOfInterest);
        }
        assert_eq!(code(&case.refused(&tenant(), split("50", "50", "0"))), "CONFLICT_OF_INTEREST");
        let events = case.ok(&platform(), decide(Decision::Refund));
        assert!(matches!(events[0].fact, EscrowFact::DisputeResolved { forced: false, .. }), "there was nobody else");
    }
    let payer_at_the_platform = user(PAYER, &[Role::TrustSafety]);
    assert_eq!(contested().refused(&payer_at_the_platform, decide(Decision::Refund)), EscrowError::ConflictOfInterest);
    let mut own_case = Case::created().to(EscrowStatus::InProgress);
    own_case.ok(&tenant(), contest(None));
    assert_eq!(own_case.refused(&tenant(), decide(Decision::Refund)), EscrowError::ConflictOfInterest, "who raised it");
}

#[test]
fn a_tenant_does_not_award_itself_a_penalty() {
    // MNY-33
    let mut case = Case::with(|settings| settings.escrow.penalty.beneficiary = PenaltyBeneficiary::Tenant).to(EscrowStatus::InProgress);
    case.ok(&payer(), contest(None));
    assert_eq!(case.refused(&tenant(), split("0", "9000", "1000")), EscrowError::ConflictOfInterest);
    case.clone().ok(&tenant(), split("1000", "9000", "0"));
    case.ok(&platform(), split("0", "9000", "1000"));
}

#[test]
fn nothing_is_decided_without_a_case() {
    let mut case = Case::created().to(EscrowStatus::Releasable);
    for command in [decide(Decision::Release), split("1", "1", "1"), decide(Decision::Redo), decide(Decision::Dismiss)] {
        assert_eq!(code(&case.refused(&platform(), command)), "INVALID_ESCROW_TRANSITION");
    }
    assert_eq!(code(&case.refused(&talent(), EscrowCommand::Concede { dispute_id: None, refund: eur("1") })), "INVALID_ESCROW_TRANSITION");
    assert_eq!(code(&case.refused(&payer(), EscrowCommand::WithdrawDispute { dispute_id: None })), "INVALID_ESCROW_TRANSITION");
}

#[test]
fn redo_begins_a_new_round_at_most_twice() {
    // ESC-47, MNY-31
    let mut case = contested();
    for round in [2, 3] {
        let events = case.ok(&tenant(), decide(Decision::Redo));
        assert!(matches!(events[0].fact, EscrowFact::RedoOrdered { round: said, .. } if said == round));
        case.is(EscrowStatus::InProgress, "10000", "0");
        assert_eq!(case.escrow.round(), round);
        assert_eq!(case.escrow.dispute_window_ends_at(), None, "window and approval are gone");
        assert!(!case.escrow.is_approved() && case.escrow.dispute().is_none());
        assert_eq!((case.escrow.sla_due_at().unwrap() - case.now).num_hours(), 720);
        case.ok(&talent(), deliver());
        case.ok(&payer(), contest(None));
    }
    let refusal = case.refused(&tenant(), decide(Decision::Redo));
    assert_eq!((code(&refusal), refusal.details()), ("REDO_LIMIT_REACHED", serde_json::json!({ "limit": 2 })));
}

#[test]
fn redo_releases_an_approved_open_part_first() {
    // MNY-31
    let mut approved = Case::created().to(EscrowStatus::Releasable);
    approved.ok(&payer(), contest(Some("4000")));
    let events = approved.ok(&tenant(), decide(Decision::Redo));
    assert_eq!(names(&events), ["partially_released", "redo_ordered"]);
    assert!(matches!(events[0].fact, EscrowFact::PartiallyReleased { mode: ReleaseMode::Decision, amount, .. } if amount == eur("6000")));
    approved.is(EscrowStatus::InProgress, "4000", "0");

    let mut unapproved = Case::created().to(EscrowStatus::DeliverySubmitted);
    unapproved.ok(&payer(), contest(Some("4000")));
    assert_eq!(names(&unapproved.ok(&tenant(), decide(Decision::Redo))), ["redo_ordered"]);
    unapproved.is(EscrowStatus::InProgress, "10000", "0");
}

#[test]
fn dismissal_returns_to_the_state_before_and_moves_its_deadline() {
    // ESC-48, MNY-32
    use EscrowStatus::*;
    for status in [Funded, Locked, InProgress, DeliverySubmitted, Releasable, PartialReleased] {
        let mut case = Case::created().to(status);
        let before = case.escrow.deadlines().progress.unwrap();
        case.ok(&payer(), contest(None));
        case.wait(100);
        assert_eq!(names(&case.clone().ok(&platform(), decide(Decision::Dismiss))), ["dispute_dismissed"]);
        case.ok(&tenant(), decide(Decision::Dismiss));
        assert_eq!(case.escrow.status(), status);
        let after = case.escrow.deadlines().progress.unwrap();
        assert_eq!((after.at, after.action), (before.at + TimeDelta::hours(100), before.action));
        assert_eq!(case.escrow.deadlines().dispute, None);
    }
}

#[test]
fn a_resumed_deadline_is_at_least_a_day_ahead() {
    // MNY-32
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.wait(47).ok(&payer(), contest(None));
    case.wait(1).ok(&tenant(), decide(Decision::Dismiss));
    assert_eq!(case.escrow.auto_release_at(), Some(case.now + TimeDelta::hours(24)));
}

#[test]
fn dismissed_money_joins_the_open_part() {
    // MNY-32
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(Some("4000")));
    case.ok(&tenant(), EscrowCommand::Approve { note: None });
    let progress = case.escrow.deadlines().progress;
    case.ok(&tenant(), decide(Decision::Dismiss));
    case.is(EscrowStatus::Releasable, "10000", "0");
    assert_eq!(case.escrow.deadlines().progress, progress, "it was never paused");
}

#[test]
fn dismissed_after_the_open_part_was_released() {
    // MNY-32
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(Some("4000")));
    case.ok(&tenant(), EscrowCommand::Approve { note: None });
    case.ok(&platform(), release_all());
    case.is(EscrowStatus::Disputed, "0", "4000");
    case.ok(&tenant(), decide(Decision::Dismiss));
    case.is(EscrowStatus::PartialReleased, "4000", "0");
    assert_eq!(case.escrow.next_deadline().unwrap().action, DeadlineAction::Settle);
}

#[test]
fn who_was_dismissed_or_withdrew_has_had_their_say_in_this_round() {
    // MNY-32
    for withdrawn in [false, true] {
        let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
        case.ok(&payer(), contest(Some("4000")));
        if withdrawn {
            let events = case.ok(&payer(), EscrowCommand::WithdrawDispute { dispute_id: None });
            assert!(matches!(events[0].fact, EscrowFact::DisputeDismissed { withdrawn: true, .. }));
        } else {
            case.ok(&tenant(), decide(Decision::Dismiss));
        }
        assert_eq!(code(&case.refused(&payer(), contest(None))), "DISPUTE_ALREADY_DECIDED");
        case.clone().ok(&talent(), contest(None));
        case.ok(&talent(), contest(None));
        assert_eq!(case.escrow.dispute().unwrap().case_no, 2);
        case.ok(&tenant(), decide(Decision::Redo));
        case.ok(&payer(), contest(None)); // a new round
    }
}

#[test]
fn the_machinery_may_ask_again_or_a_silent_escrow_would_never_end() {
    // MNY-17, MNY-32
    let mut case = Case::created().to(EscrowStatus::InProgress);
    for _ in 0..3 {
        case.meet_next();
        assert_eq!(case.escrow.status(), EscrowStatus::Disputed);
        case.ok(&tenant(), decide(Decision::Dismiss));
        assert_eq!(case.escrow.status(), EscrowStatus::InProgress);
    }
}

#[test]
fn only_the_raiser_withdraws() {
    // MNY-32
    let mut case = contested();
    for actor in [talent(), tenant(), platform()] {
        assert_eq!(code(&case.refused(&actor, EscrowCommand::WithdrawDispute { dispute_id: None })), "POLICY_DENIED");
    }
    case.ok(&payer(), EscrowCommand::WithdrawDispute { dispute_id: None });
    case.is(EscrowStatus::DeliverySubmitted, "10000", "0");
    let mut tenants = Case::created().to(EscrowStatus::InProgress);
    tenants.ok(&tenant(), contest(None));
    tenants.ok(&user(party(0xaa), &[Role::Ops]), EscrowCommand::WithdrawDispute { dispute_id: None }); // a colleague
}

#[test]
fn the_payee_concedes_all_and_the_case_is_decided_without_a_resolver() {
    // MNY-34
    let mut case = contested();
    assert_eq!(code(&case.refused(&payer(), EscrowCommand::Concede { dispute_id: None, refund: eur("1") })), "POLICY_DENIED");
    let events = case.ok(&talent(), EscrowCommand::Concede { dispute_id: None, refund: eur("10000") });
    assert_eq!(names(&events), ["dispute_resolved", "refunded"]);
    assert!(matches!(events[0].fact, EscrowFact::DisputeResolved { conceded: true, forced: false, kind: DecisionKind::Refund, .. }));
    assert_eq!(case.escrow.status(), EscrowStatus::ResolvedRefund);

    let mut after_release = Case::created().to(EscrowStatus::PartialReleased);
    after_release.ok(&payer(), contest(None));
    after_release.ok(&talent(), EscrowCommand::Concede { dispute_id: None, refund: eur("6666.67") });
    assert_eq!(after_release.escrow.status(), EscrowStatus::ResolvedSplit, "what was released stays");
}

#[test]
fn a_part_conceded_goes_back_at_once_and_the_rest_stays_in_dispute() {
    // MNY-33, MNY-34: nobody decides that he keeps something
    let mut case = contested();
    for (amount, expected) in [("0", "AMOUNT_INVALID"), ("10000.01", "DECISION_AMOUNT_INVALID")] {
        assert_eq!(code(&case.refused(&talent(), EscrowCommand::Concede { dispute_id: None, refund: eur(amount) })), expected);
    }
    let events = case.ok(&talent(), EscrowCommand::Concede { dispute_id: None, refund: eur("1500") });
    assert_eq!((names(&events), legs(&events)), (vec!["dispute_conceded", "refunded"], vec![("payer", "1500.00".to_owned())]));
    case.is(EscrowStatus::Disputed, "0", "8500");
    assert!(case.escrow.dispute().is_some());
    case.ok(&tenant(), split("8000", "500", "0"));
    assert_eq!(case.escrow.outcome(), Some(Outcome::Split));
}
