//! Approval and release: ESC-38..42, ESC-49..51, ESC-59, ESC-60, MNY-19..24, MNY-28.

use chrono::TimeDelta;

use super::case::*;
use crate::escrow::{
    DeadlineAction, DisputeKind, EscrowCommand, EscrowError, EscrowFact, EscrowStatus, Hat, MoneySource, Outcome, ReleaseMode,
};
use crate::kernel::{Actor, DomainError, Money, PartyId, Role};
use crate::tenant::{ApprovalMode, Hours};

fn approve() -> EscrowCommand {
    EscrowCommand::Approve { note: None }
}

fn code(refusal: &EscrowError) -> &'static str {
    refusal.describe().1
}

fn mode(fact: &EscrowFact) -> Option<ReleaseMode> {
    match fact {
        EscrowFact::Released { mode, .. } | EscrowFact::PartiallyReleased { mode, .. } => Some(*mode),
        _ => None,
    }
}

#[test]
fn delivery_sets_both_instants_and_approval_keeps_the_window() {
    // MNY-19
    let mut case = Case::with(|settings| settings.escrow.dispute_window_hours = Hours::whole(96)).to(EscrowStatus::DeliverySubmitted);
    let delivered = case.now;
    assert_eq!(case.escrow.auto_release_at(), Some(delivered + TimeDelta::hours(48)));
    assert_eq!(case.escrow.dispute_window_ends_at(), Some(delivered + TimeDelta::hours(96)), "the larger of both");
    case.wait(10).ok(&tenant(), approve());
    assert_eq!(case.escrow.approved_at(), Some(case.now));
    assert_eq!(case.escrow.auto_release_at(), Some(delivered + TimeDelta::hours(96)), "the window's end");
    let events = case.meet_next();
    assert_eq!((names(&events), mode(&events[0].fact)), (vec!["released"], Some(ReleaseMode::Deadline)));
    assert_eq!(case.escrow.outcome(), Some(Outcome::Settled));
}

#[test]
fn a_late_approval_settles_at_once() {
    // MNY-19: the later of now and the window's end
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.wait(500).ok(&tenant(), approve());
    assert_eq!(case.escrow.auto_release_at(), Some(case.now));
}

#[test]
fn silence_approves_and_then_settles() {
    // ESC-60, MNY-17
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    let events = case.meet_next();
    assert!(matches!(events[0].fact, EscrowFact::DeliveryApproved { automatic: true, round: 1, .. }));
    assert_eq!(names(&case.meet_next()), ["released"]);
}

#[test]
fn a_stale_deadline_does_nothing() {
    // MNY-20, protocols: deadlines
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    let at = case.escrow.next_deadline().unwrap().at;
    let meet = |key: &str, at| EscrowCommand::MeetDeadline { key: key.into(), at };
    assert!(case.ok(&system(), meet("progress", at + TimeDelta::microseconds(1))).is_empty());
    assert!(case.ok(&system(), meet("dispute", at)).is_empty());
    assert!(case.ok(&system(), meet("other", at)).is_empty());
    assert_eq!(code(&case.refused(&tenant(), meet("progress", at))), "POLICY_DENIED");
    case.wait(1).ok(&tenant(), approve());
    let settles_at = case.escrow.next_deadline().unwrap().at;
    case.ok(&platform(), release_all());
    assert!(case.ok(&system(), meet("progress", settles_at)).is_empty());
}

#[test]
fn a_deadline_survives_a_store_that_keeps_microseconds() {
    let mut case = Case::created();
    case.now += TimeDelta::nanoseconds(123_456_789);
    let mut case = case.to(EscrowStatus::Releasable);
    let at = case.escrow.next_deadline().unwrap().at;
    assert_eq!(at.timestamp_subsec_nanos() % 1_000, 0);
    assert_eq!(names(&case.ok(&system(), EscrowCommand::MeetDeadline { key: "progress".into(), at })), ["released"]);
}

#[test]
fn who_approves() {
    // ESC-50a, ESC-21
    for actor in [tenant(), platform(), system()] {
        assert_eq!(names(&Case::created().to(EscrowStatus::DeliverySubmitted).ok(&actor, approve())), ["delivery_approved"]);
    }
    for actor in [talent(), payer()] {
        assert_eq!(code(&Case::created().to(EscrowStatus::DeliverySubmitted).refused(&actor, approve())), "POLICY_DENIED");
    }
    let talent_on_staff = user(PAYEE, &[Role::Talent, Role::TenantAdmin, Role::Superadmin]);
    let refusal = Case::created().to(EscrowStatus::DeliverySubmitted).refused(&talent_on_staff, approve());
    assert_eq!(code(&refusal), "POLICY_DENIED", "never the talent, whatever else they are");
}

/// Delivered, with the tenant itself on one side.
fn delivered_with(payer_id: PartyId, payee_id: PartyId) -> Case {
    let mut case = Case::unopened(settings());
    let create = crate::escrow::CreateEscrow { payer_id, payee_id, ..Case::create(eur("10000")) };
    case.ok(&tenant(), EscrowCommand::Create(create));
    let amount = eur("10000");
    let wallet_id = crate::wallet::wallet_id(TENANT, crate::wallet::OwnerType::User, payer_id, amount.currency());
    let hold_id = crate::kernel::HoldId(uuid::Uuid::from_u128(1));
    case.ok(&system(), EscrowCommand::AcceptFunding { attempt: 0, wallet_id, hold_id, amount });
    case.ok(&system(), EscrowCommand::StartWork);
    let deliverer = if payee_id.0 == TENANT.0 { tenant() } else { talent() };
    case.ok(&deliverer, deliver());
    case
}

#[test]
fn a_tenant_that_pays_approves_and_one_that_is_paid_does_not() {
    // ESC-50a
    let tenant_party = PartyId(TENANT.0);
    let mut pays = delivered_with(tenant_party, PAYEE);
    assert_eq!(pays.escrow.hats(&tenant()), [Hat::Payer, Hat::Tenant]);
    pays.ok(&user(tenant_party, &[]), approve());
    let mut is_paid = delivered_with(PAYER, tenant_party);
    assert_eq!(is_paid.escrow.hats(&tenant()), [Hat::Talent, Hat::Tenant]);
    assert_eq!(code(&is_paid.refused(&tenant(), approve())), "POLICY_DENIED");
    is_paid.ok(&platform(), approve());
    assert_eq!(code(&is_paid.refused(&tenant(), release_all())), "POLICY_DENIED", "nor does it cut the payer's window short");
}

#[test]
fn manual_approval_is_never_given_by_silence() {
    // MNY-21
    let mut case = Case::with(|settings| settings.escrow.approval_mode = ApprovalMode::Manual).to(EscrowStatus::DeliverySubmitted);
    let events = case.meet_next();
    let EscrowFact::Disputed { kind, raised_as, contested, .. } = events[0].fact else { panic!("{events:?}") };
    assert_eq!((kind, raised_as, contested), (DisputeKind::ApprovalMissing, Hat::System, eur("10000")));
    assert_eq!(case.escrow.status(), EscrowStatus::Disputed);
}

#[test]
fn manual_approval_missing_beside_a_partial_contest_joins_the_open_case() {
    // MNY-21, MNY-26
    let mut case = Case::with(|settings| settings.escrow.approval_mode = ApprovalMode::Manual).to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(Some("1000")));
    assert_eq!(names(&case.meet_next()), ["dispute_widened"]);
    case.is(EscrowStatus::Disputed, "0", "10000");
}

#[test]
fn hybrid_mode_sends_a_fixed_share_to_people() {
    // ESC-59: the lot is drawn from the escrow's id and round, so it is the same again
    let asks_a_person = |percent: u8, n: u128| {
        let mut settings = settings();
        settings.escrow.approval_mode = ApprovalMode::Hybrid;
        settings.escrow.random_audit_percent = percent;
        let mut case = Case::unopened(settings);
        let escrow_id = crate::kernel::EscrowId(uuid::Uuid::from_u128(n));
        case.ok(&tenant(), EscrowCommand::Create(crate::escrow::CreateEscrow { escrow_id, ..Case::create(eur("10")) }));
        let mut case = case.to(EscrowStatus::DeliverySubmitted);
        names(&case.meet_next()) == ["disputed"]
    };
    assert!((0..50).all(|n| !asks_a_person(0, n)));
    assert!((0..50).all(|n| asks_a_person(100, n)));
    let audited = (0..400).filter(|n| asks_a_person(25, *n)).count();
    assert!((70..=130).contains(&audited), "{audited} of 400 at 25 %");
}

#[test]
fn platform_and_system_settle() {
    // ESC-40, ESC-50b
    for (actor, expected) in [(platform(), ReleaseMode::Platform), (system(), ReleaseMode::Deadline)] {
        let mut case = Case::created().to(EscrowStatus::Releasable);
        let events = case.ok(&actor, release_all());
        assert_eq!((names(&events), mode(&events[0].fact)), (vec!["released"], Some(expected)));
        assert!(matches!(events[0].fact, EscrowFact::Released { source: MoneySource::Open, .. }));
        case.land_all();
        assert_eq!(case.escrow.status(), EscrowStatus::Closed);
    }
    for actor in [talent(), payer()] {
        assert_eq!(code(&Case::created().to(EscrowStatus::Releasable).refused(&actor, release_all())), "POLICY_DENIED");
    }
}

#[test]
fn a_tenants_authorisation_brings_the_settlement_forward() {
    // ESC-51, MNY-19, MNY-22
    let mut case = Case::created().to(EscrowStatus::Releasable);
    let events = case.ok(&tenant(), release_all());
    assert_eq!(names(&events), ["release_authorized", "released"]);
    assert_eq!(mode(&events[1].fact), Some(ReleaseMode::Authorized));
    let mut part = Case::created().to(EscrowStatus::Releasable);
    assert_eq!(names(&part.ok(&tenant(), release_part("1"))), ["release_authorized", "partially_released"]);
}

#[test]
fn an_authorisation_names_amount_and_version_and_falls_with_the_next_event() {
    // MNY-22
    let mut case = Case::created().to(EscrowStatus::Releasable);
    let events = case.ok(&tenant(), release_part("1"));
    let mut replayed = crate::escrow::Escrow::default();
    let before = case.log.len() - events.len();
    for event in &case.log[..=before] {
        cqrs_es::Aggregate::apply(&mut replayed, event.clone());
    }
    assert_eq!(replayed.authorized(), Some(eur("1")));
    assert_eq!(case.escrow.authorized(), None);
}

#[test]
fn above_their_limit_somebody_else_must_authorise() {
    // IDN-70
    let limited = |limits: Vec<Money>| Actor { amount_limits: limits, ..tenant() };
    let mut case = Case::created().to(EscrowStatus::Releasable);
    let refusal = case.refused(&limited(vec![eur("9999.99")]), release_all());
    assert_eq!((code(&refusal), refusal.describe().0), ("APPROVAL_REQUIRED", crate::kernel::ErrorKind::Forbidden));
    let yen = Money::try_from_minor(1_000_000_000, "JPY".parse().unwrap()).unwrap();
    assert_eq!(code(&case.refused(&limited(vec![yen]), release_all())), "APPROVAL_REQUIRED", "no limit named in this currency");
    assert_eq!(code(&case.refused(&limited(vec![eur("10")]), release_part("10.01"))), "APPROVAL_REQUIRED");
    case.ok(&limited(vec![eur("10")]), release_part("10"));
    case.ok(&limited(vec![yen, eur("10000")]), release_all());
}

#[test]
fn a_release_takes_exactly_what_is_open() {
    // MNY-22, MNY-02, MNY-08
    let mut case = Case::created().to(EscrowStatus::Releasable);
    let release = |amount: Money| EscrowCommand::Release { amount: Some(amount), reason: None };
    let open = eur("10000");
    assert_eq!(case.refused(&platform(), release(eur("9999.99"))), EscrowError::AmountBelowRemainder { open });
    assert_eq!(case.refused(&platform(), release(eur("10000.01"))), EscrowError::AmountExceedsEscrow { open });
    assert_eq!(case.refused(&platform(), release(eur("0"))), EscrowError::AmountInvalid);
    let yen = Money::try_from_minor(10_000, "JPY".parse().unwrap()).unwrap();
    assert_eq!(code(&case.refused(&platform(), release(yen))), "CURRENCY_MISMATCH");
    assert_eq!(code(&case.refused(&platform(), release_part("10000.01"))), "AMOUNT_EXCEEDS_ESCROW");
    assert_eq!(code(&case.refused(&platform(), release_part("-1"))), "AMOUNT_INVALID");
    assert_eq!(code(&case.refused(&platform(), release(eur("1")))), "AMOUNT_BELOW_REMAINDER");
    assert_eq!(names(&case.ok(&platform(), release_part("10000"))), ["released"], "a partial release of all is a release");
}

#[test]
fn partial_releases_leave_the_clock_alone() {
    // ESC-41, ESC-42, MNY-23
    let mut case = Case::created().to(EscrowStatus::Releasable);
    let deadline = case.escrow.auto_release_at();
    case.wait(1).ok(&platform(), release_part("3333.33"));
    case.is(EscrowStatus::PartialReleased, "6666.67", "0");
    assert_eq!(case.escrow.auto_release_at(), deadline);
    case.ok(&platform(), release_part("0.01"));
    assert_eq!(names(&case.meet_next()), ["released"]);
}

#[test]
fn where_partial_release_is_not_allowed() {
    // ESC-16, ESC-71
    let mut case = Case::with(|settings| settings.escrow.partial_release_allowed = false).to(EscrowStatus::Releasable);
    assert_eq!(code(&case.refused(&platform(), release_part("1"))), "PARTIAL_RELEASE_NOT_ALLOWED");
    assert_eq!(names(&case.ok(&platform(), release_part("10000"))), ["released"]);
}

#[test]
fn without_a_required_delivery_a_locked_escrow_is_made_releasable() {
    // ESC-39, MNY-19
    let without_delivery = |contract_required| {
        Case::with(|settings| {
            settings.escrow.delivery_required = false;
            settings.escrow.contract_required = contract_required;
            settings.escrow.dispute_window_hours = Hours::whole(60);
        })
        .to(EscrowStatus::Locked)
    };
    let mut case = without_delivery(true);
    assert_eq!(code(&case.refused(&tenant(), EscrowCommand::MakeReleasable)), "CONTRACT_NOT_SIGNED");
    assert_eq!(code(&case.refused(&tenant(), release_all())), "CONTRACT_NOT_SIGNED", "a release does not go round it");
    case.ok(&system(), EscrowCommand::RecordContractSigned);
    assert_eq!(case.escrow.auto_release_at(), case.escrow.dispute_window_ends_at());
    assert_eq!(case.escrow.auto_release_at(), Some(case.now + TimeDelta::hours(60)));

    let mut case = without_delivery(false);
    let refusal = case.refused(&system(), EscrowCommand::MakeReleasable);
    assert_eq!(code(&refusal), "CONTRACT_NOT_SIGNED", "the machinery needs a reason");
    case.ok(&tenant(), EscrowCommand::MakeReleasable);
}

#[test]
fn release_and_approve_from_locked_go_the_whole_way() {
    // ESC-49, CNF-01
    for command in [release_all(), approve()] {
        let mut case = Case::with(|settings| settings.escrow.delivery_required = false).to(EscrowStatus::Locked);
        assert_eq!(names(&case.clone().ok(&platform(), command.clone())), ["made_releasable", "released"]);
        assert_eq!(names(&case.ok(&tenant(), command.clone())), ["made_releasable", "release_authorized", "released"]);
        // Where a delivery is required there is no such way: no direct settlement (ESC-56).
        let mut strict = Case::created().to(EscrowStatus::Locked);
        assert_eq!(code(&strict.refused(&platform(), command)), "INVALID_ESCROW_TRANSITION");
        assert_eq!(code(&strict.refused(&tenant(), EscrowCommand::MakeReleasable)), "INVALID_ESCROW_TRANSITION");
    }
}

#[test]
fn released_money_clears_after_the_tenants_hours() {
    // MNY-24
    let mut case = Case::with(|settings| settings.clearance_hours = Hours::whole(24)).to(EscrowStatus::Releasable);
    let events = case.ok(&platform(), release_all());
    let EscrowFact::Released { clears_at, .. } = events[0].fact else { panic!() };
    assert_eq!(clears_at, case.now + TimeDelta::hours(24));
}

#[test]
fn the_open_part_beside_a_contest_is_released_but_that_is_no_end() {
    // MNY-28
    for partly_first in [false, true] {
        let mut case = Case::created().to(EscrowStatus::Releasable);
        case.ok(&payer(), contest(Some("4000")));
        if partly_first {
            case.ok(&platform(), release_part("1000"));
        }
        let events = case.ok(&platform(), release_all());
        assert_eq!(names(&events), ["partially_released"]);
        case.is(EscrowStatus::Disputed, "0", "4000");
        case.land_all();
        assert_eq!(case.escrow.status(), EscrowStatus::Disputed, "never closed");
    }
    let mut by_deadline = Case::created().to(EscrowStatus::Releasable);
    by_deadline.ok(&payer(), contest(Some("4000")));
    by_deadline.meet_next();
    by_deadline.is(EscrowStatus::Disputed, "0", "4000");
    assert_eq!(by_deadline.escrow.next_deadline().unwrap().action, DeadlineAction::CloseEvidence);
}
