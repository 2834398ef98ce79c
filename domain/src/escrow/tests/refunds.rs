//! Before and during the work: ESC-33..36, MNY-14..17.

use super::case::*;
use crate::escrow::{DeadlineAction, EscrowCommand, EscrowError, EscrowFact, EscrowStatus, LegParty, Outcome, RefundReason};
use crate::kernel::DomainError;

fn refund() -> EscrowCommand {
    EscrowCommand::Refund { reason: RefundReason::Cancellation }
}

fn code(refusal: &EscrowError) -> &'static str {
    refusal.describe().1
}

#[test]
fn a_refund_goes_back_to_the_payers_wallet_and_closes_when_it_has_landed() {
    // ESC-36, MNY-01, MNY-16
    for status in [EscrowStatus::Funded, EscrowStatus::Locked] {
        let mut case = Case::created().to(status);
        let events = case.ok(&platform(), refund());
        assert_eq!(names(&events), ["refunded"]);
        let EscrowFact::Refunded { legs, .. } = &events[0].fact else { panic!() };
        assert_eq!(legs.len(), 1);
        assert_eq!((legs[0].party, legs[0].wallet_id), (LegParty::Payer(PAYER), Some(payer_wallet(eur("1")))));
        case.is(EscrowStatus::Refunded, "0", "0");
        assert_eq!(case.escrow.outcome(), Some(Outcome::Refunded));
        assert_eq!(names(&case.land_all()), ["leg_landed", "closed"]);
        assert_eq!(case.escrow.status(), EscrowStatus::Closed);
    }
}

#[test]
fn only_platform_and_system_refund() {
    // ESC-50d
    let mut case = Case::created().to(EscrowStatus::Funded);
    for actor in [talent(), payer(), tenant()] {
        assert_eq!(code(&case.refused(&actor, refund())), "POLICY_DENIED");
    }
    case.ok(&system(), refund());
}

#[test]
fn a_landing_that_is_unknown_or_repeated_does_nothing() {
    // MNY-01
    let mut case = Case::created().to(EscrowStatus::Releasable);
    case.ok(&platform(), release_all());
    let landing = case.escrow.landings_awaited().next().unwrap();
    let land = EscrowCommand::RecordLanding { event_id: landing.event_id, leg: landing.leg };
    assert_eq!(names(&case.ok(&system(), land.clone())), ["leg_landed"]);
    assert!(case.ok(&system(), land.clone()).is_empty());
    assert!(case.ok(&system(), EscrowCommand::RecordLanding { event_id: landing.event_id, leg: 99 }).is_empty());
    assert_eq!(case.escrow.amounts().unwrap().in_transit, eur("944"), "the tenant's leg");
    assert_eq!(names(&case.land_all()), ["leg_landed", "closed"]);
    assert!(case.ok(&system(), land).is_empty());
}

#[test]
fn cancelling_a_funded_escrow_asks_for_a_refund_and_stops_the_work() {
    // MNY-14
    let mut case = Case::with(|settings| settings.escrow.delivery_required = false).to(EscrowStatus::Locked);
    assert_eq!(names(&case.ok(&tenant(), cancel())), ["refund_requested"]);
    assert!(case.escrow.refund_requested());
    let stopped = [EscrowCommand::StartWork, EscrowCommand::MakeReleasable, cancel(), release_all()];
    for command in stopped {
        assert_eq!(code(&case.refused(&tenant(), command)), "REFUND_REQUESTED");
    }
    let decline = EscrowCommand::DeclineRefund { reason: "work is about to start".into() };
    assert_eq!(code(&case.refused(&tenant(), decline.clone())), "POLICY_DENIED");
    assert_eq!(names(&case.ok(&platform(), decline.clone())), ["refund_declined"]);
    assert_eq!(code(&case.refused(&platform(), decline)), "INVALID_ESCROW_TRANSITION");
    case.ok(&tenant(), EscrowCommand::StartWork);

    let mut granted = Case::created().to(EscrowStatus::Funded);
    granted.ok(&tenant(), cancel());
    assert_eq!(code(&granted.refused(&tenant(), EscrowCommand::Lock)), "REFUND_REQUESTED");
    assert_eq!(names(&granted.ok(&platform(), refund())), ["refunded"]);
    assert!(!granted.escrow.refund_requested());
}

#[test]
fn small_refunds_are_granted_at_once() {
    // MNY-14
    let mut at = Case::with(|settings| settings.automatic_refund_limit_minor = 1_000_000).to(EscrowStatus::Funded);
    assert_eq!(names(&at.ok(&tenant(), cancel())), ["refund_requested", "refunded"]);
    let mut above = Case::with(|settings| settings.automatic_refund_limit_minor = 999_999).to(EscrowStatus::Funded);
    assert_eq!(names(&above.ok(&tenant(), cancel())), ["refund_requested"]);
}

#[test]
fn once_work_has_started_or_is_approved_only_a_dispute_gives_money_back() {
    // MNY-14, MNY-34, ESC-56
    for status in [EscrowStatus::InProgress, EscrowStatus::DeliverySubmitted] {
        let mut case = Case::created().to(status);
        assert_eq!(case.refused(&platform(), refund()), EscrowError::WorkStarted);
        assert_eq!(code(&case.refused(&tenant(), cancel())), "WORK_STARTED");
    }
    for status in [EscrowStatus::Releasable, EscrowStatus::PartialReleased] {
        let mut case = Case::created().to(status);
        assert_eq!(code(&case.refused(&platform(), refund())), "REFUND_AFTER_APPROVAL");
        assert_eq!(code(&case.refused(&tenant(), cancel())), "INVALID_ESCROW_TRANSITION");
    }
    let mut released = Case::created().to(EscrowStatus::Releasable);
    released.ok(&platform(), release_all());
    assert_eq!(released.refused(&platform(), refund()), EscrowError::RefundAfterApproval);
}

#[test]
fn a_missed_start_refunds() {
    // ESC-36, CNF-59, MNY-17
    let mut case = Case::created().to(EscrowStatus::Locked);
    assert_eq!((case.escrow.next_deadline().unwrap().at - case.now).num_hours(), 336);
    let events = case.meet_next();
    assert!(matches!(events[0].fact, EscrowFact::Refunded { reason: Some(RefundReason::SlaBreach), .. }));
}

#[test]
fn starting_from_funded_locks_as_well() {
    // ESC-34
    let mut case = Case::created().to(EscrowStatus::Funded);
    assert_eq!(names(&case.ok(&tenant(), EscrowCommand::StartWork)), ["locked", "work_started"]);
    assert_eq!(case.escrow.round(), 1);
    assert_eq!(case.escrow.work_started_at(), Some(case.now));
    let deadline = case.escrow.next_deadline().unwrap();
    assert_eq!(((deadline.at - case.now).num_hours(), deadline.action), (720, DeadlineAction::RaiseDispute));
    assert_eq!(case.escrow.sla_due_at(), Some(deadline.at));
    let mut locked = Case::created().to(EscrowStatus::Funded);
    assert_eq!(code(&locked.refused(&payer(), EscrowCommand::Lock)), "POLICY_DENIED");
    assert_eq!(names(&locked.ok(&system(), EscrowCommand::Lock)), ["locked"]);
}

#[test]
fn a_delivery_needs_an_artifact_and_comes_from_the_payee() {
    // ESC-35, ESC-50
    let mut case = Case::created().to(EscrowStatus::InProgress);
    let empty = EscrowCommand::SubmitDelivery { artifacts: Vec::new(), note: None, gps: None };
    assert_eq!(case.refused(&talent(), empty).describe().1, "DELIVERY_EMPTY");
    for actor in [payer(), tenant(), platform(), system()] {
        assert_eq!(code(&case.refused(&actor, deliver())), "POLICY_DENIED");
    }
    case.ok(&talent(), deliver());
    assert_eq!(case.escrow.delivery_submitted_at(), Some(case.now));
}
