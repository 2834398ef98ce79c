//! How disputes begin and what they stop: ESC-43, ESC-67, MNY-20, MNY-25..28, MNY-35.

use super::case::*;
use crate::escrow::{DeadlineAction, Decision, DisputeKind, EscrowCommand, EscrowError, EscrowFact, EscrowStatus, Hat, RefundReason};
use crate::kernel::{DisputeId, DomainError, derived_uuid};

fn code(refusal: &EscrowError) -> &'static str {
    refusal.describe().1
}

#[test]
fn everything_is_contested_by_default_and_the_clock_pauses() {
    // ESC-43, MNY-25, MNY-27
    use EscrowStatus::*;
    for status in [Funded, Locked, InProgress, DeliverySubmitted, Releasable, PartialReleased] {
        let mut case = Case::created().to(status);
        let events = case.ok(&payer(), contest(None));
        let EscrowFact::Disputed { dispute_id, case_no, contested, raised_as, raised_by, .. } = events[0].fact else { panic!() };
        assert_eq!(dispute_id, DisputeId(derived_uuid(TENANT, ESCROW.0, "dispute", 1)), "from the escrow and the case number");
        assert_eq!((case_no, raised_as, raised_by), (1, Hat::Payer, PAYER));
        assert_eq!(contested, case.escrow.amounts().unwrap().remainder);
        assert_eq!(case.escrow.status(), Disputed);
        assert_eq!(case.escrow.deadlines().progress, None);
        assert_eq!(case.escrow.next_deadline().unwrap().action, DeadlineAction::CloseEvidence);
        assert_eq!(case.escrow.dispute_id(), Some(dispute_id));
    }
}

#[test]
fn who_may_dispute() {
    // ESC-50c
    for actor in [talent(), payer(), tenant(), system()] {
        Case::created().to(EscrowStatus::InProgress).ok(&actor, contest(None));
    }
    assert_eq!(code(&Case::created().to(EscrowStatus::InProgress).refused(&platform(), contest(None))), "POLICY_DENIED");
}

#[test]
fn a_part_is_contested_beside_the_open_rest() {
    // MNY-27
    use EscrowStatus::*;
    for status in [DeliverySubmitted, Releasable, PartialReleased] {
        let mut case = Case::created().to(status);
        let progress = case.escrow.deadlines().progress;
        case.ok(&payer(), contest(Some("4000")));
        assert_eq!(case.escrow.status(), status);
        assert_eq!(case.escrow.amounts().unwrap().contested, eur("4000"));
        assert_eq!(case.escrow.deadlines().progress, progress, "deadlines run on for the open part");
        assert!(case.escrow.deadlines().dispute.is_some());
    }
    for status in [Funded, Locked, InProgress] {
        let refusal = Case::created().to(status).refused(&payer(), contest(Some("4000")));
        assert_eq!(code(&refusal), "PARTIAL_DISPUTE_NOT_ALLOWED");
    }
    let mut whole_only = Case::with(|settings| settings.escrow.partial_release_allowed = false).to(DeliverySubmitted);
    assert_eq!(code(&whole_only.refused(&payer(), contest(Some("4000")))), "PARTIAL_DISPUTE_NOT_ALLOWED");
    whole_only.ok(&payer(), contest(Some("10000")));
}

#[test]
fn contested_amounts_are_checked() {
    // MNY-02, MNY-08
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    assert_eq!(code(&case.refused(&payer(), contest(Some("0")))), "AMOUNT_INVALID");
    assert_eq!(code(&case.refused(&payer(), contest(Some("10000.01")))), "AMOUNT_EXCEEDS_ESCROW");
    let yen = crate::kernel::Money::try_from_minor(1, "JPY".parse().unwrap()).unwrap();
    let other = EscrowCommand::Dispute { amount: Some(yen), kind: DisputeKind::Other, reason: sealed() };
    let refusal = case.refused(&payer(), other);
    assert_eq!(refusal.details(), serde_json::json!({ "expected": "EUR", "found": "JPY" }));
}

#[test]
fn one_case_at_a_time_and_parties_widen_it() {
    // MNY-26
    let mut case = Case::created().to(EscrowStatus::Releasable);
    assert_eq!(
        code(&case.refused(&payer(), EscrowCommand::WidenDispute { dispute_id: None, amount: eur("1") })),
        "INVALID_ESCROW_TRANSITION"
    );
    case.ok(&payer(), contest(Some("4000")));
    let dispute_id = case.escrow.dispute_id().unwrap();
    let refusal = case.refused(&talent(), contest(Some("1")));
    assert_eq!(refusal, EscrowError::DisputeAlreadyOpen { dispute_id });
    assert_eq!(refusal.details(), serde_json::json!({ "disputeId": dispute_id }));
    assert_eq!(
        code(&case.refused(&payer(), EscrowCommand::WidenDispute { dispute_id: None, amount: eur("6000.01") })),
        "AMOUNT_EXCEEDS_ESCROW"
    );
    case.ok(&payer(), EscrowCommand::WidenDispute { dispute_id: None, amount: eur("1000") });
    case.is(EscrowStatus::Releasable, "5000", "5000");
    case.ok(&talent(), EscrowCommand::WidenDispute { dispute_id: None, amount: eur("5000") });
    case.is(EscrowStatus::Disputed, "0", "10000");
    assert_eq!(case.escrow.dispute_id(), Some(dispute_id));
    assert_eq!(code(&case.refused(&talent(), contest(None))), "DISPUTE_ALREADY_OPEN");
}

#[test]
fn before_approval_an_objection_always_counts_afterwards_only_in_the_window() {
    // MNY-20, ESC-43
    let mut late = Case::created().to(EscrowStatus::DeliverySubmitted);
    late.wait(10_000).ok(&payer(), contest(None));

    let mut case = Case::created().to(EscrowStatus::Releasable);
    case.now = case.escrow.dispute_window_ends_at().unwrap() - chrono::TimeDelta::microseconds(1);
    case.clone().ok(&payer(), contest(None));
    case.now = case.escrow.dispute_window_ends_at().unwrap();
    let refusal = case.refused(&payer(), contest(None));
    assert_eq!((code(&refusal), refusal.details()), ("DISPUTE_WINDOW_CLOSED", serde_json::json!({ "settledAt": null })));

    let mut settled = Case::created().to(EscrowStatus::Releasable);
    settled.ok(&platform(), release_all());
    assert_eq!(code(&settled.refused(&payer(), contest(None))), "INVALID_ESCROW_TRANSITION", "still on its way: MNY-36 comes after");
    let ended = Some(settled.now);
    settled.land_all();
    settled.wait(48);
    assert_eq!(settled.refused(&payer(), contest(None)), EscrowError::DisputeWindowClosed { settled_at: ended });
}

#[test]
fn widening_stops_with_the_window_too() {
    // MNY-20, MNY-26
    let mut case = Case::created().to(EscrowStatus::Releasable);
    case.ok(&payer(), contest(Some("4000")));
    case.wait(48);
    assert_eq!(code(&case.refused(&payer(), EscrowCommand::WidenDispute { dispute_id: None, amount: eur("1") })), "DISPUTE_WINDOW_CLOSED");
}

#[test]
fn unfunded_and_ended_escrows_have_nothing_to_contest() {
    // ESC-43
    for status in [EscrowStatus::Created, EscrowStatus::FundingPending] {
        assert_eq!(code(&Case::created().to(status).refused(&payer(), contest(None))), "INVALID_ESCROW_TRANSITION");
    }
    let mut cancelled = Case::created();
    cancelled.ok(&tenant(), cancel());
    assert_eq!(code(&cancelled.refused(&payer(), contest(None))), "INVALID_ESCROW_TRANSITION");
}

#[test]
fn a_missed_delivery_is_disputed_by_the_machinery() {
    // ESC-67, MNY-17
    let mut case = Case::created().to(EscrowStatus::InProgress);
    let events = case.meet_next();
    assert!(matches!(events[0].fact, EscrowFact::Disputed { kind: DisputeKind::DeadlineMissed, raised_as: Hat::System, reason: None, .. }));
    case.is(EscrowStatus::Disputed, "0", "10000");
}

#[test]
fn a_disputes_deadlines_move_no_money_and_end_with_the_platform() {
    // MNY-17
    let mut case = Case::created().to(EscrowStatus::InProgress);
    case.ok(&payer(), contest(None));
    let raised = case.now;
    assert_eq!(names(&case.meet_next()), ["evidence_closed"]);
    assert_eq!((case.now - raised).num_hours(), 72);
    assert_eq!(names(&case.meet_next()), ["dispute_escalated"]);
    assert_eq!((case.now - raised).num_hours(), 72 + 168);
    assert_eq!(names(&case.meet_next()), ["dispute_escalated"], "again every day");
    assert_eq!((case.now - raised).num_hours(), 72 + 168 + 24);
    case.is(EscrowStatus::Disputed, "0", "10000");
    assert_eq!(code(&case.refused(&tenant(), decide(Decision::Refund))), "POLICY_DENIED", "the platform must");
    case.ok(&platform(), decide(Decision::Refund));
}

#[test]
fn frozen_money_is_out_of_reach() {
    // MNY-35
    let mut case = Case::created().to(EscrowStatus::Releasable);
    case.ok(&payer(), contest(None));
    let commands = [
        (platform(), release_all()),
        (platform(), release_part("1")),
        (platform(), EscrowCommand::Refund { reason: RefundReason::Cancellation }),
        (tenant(), cancel()),
        (tenant(), EscrowCommand::Approve { note: None }),
        (tenant(), EscrowCommand::Lock),
        (talent(), deliver()),
    ];
    for (actor, command) in commands {
        let action = command.action();
        let refusal = case.refused(&actor, command);
        assert_eq!(refusal, EscrowError::NotAllowed { status: EscrowStatus::Disputed, action });
        assert_eq!(refusal.details(), serde_json::json!({ "status": "disputed", "action": action.as_str() }));
    }
    let mut beside = Case::created().to(EscrowStatus::Releasable);
    beside.ok(&payer(), contest(Some("4000")));
    assert_eq!(beside.refused(&platform(), release_part("6000.01")), EscrowError::AmountExceedsEscrow { open: eur("6000") });
}

#[test]
fn who_names_a_case_means_no_later_one() {
    // DSP-26, MNY-26, MNY-34
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(Some("1000")));
    let first = case.dispute_id();
    case.ok(&platform(), decide(Decision::Dismiss));
    case.ok(&talent(), contest(Some("1000")));
    for (actor, command) in [
        (payer(), EscrowCommand::WidenDispute { dispute_id: Some(first), amount: eur("1") }),
        (talent(), EscrowCommand::Concede { dispute_id: Some(first), refund: eur("1") }),
        (talent(), EscrowCommand::WithdrawDispute { dispute_id: Some(first) }),
    ] {
        assert_eq!(code(&case.refused(&actor, command)), "INVALID_ESCROW_TRANSITION");
    }
    let dispute_id = Some(case.dispute_id());
    case.ok(&payer(), EscrowCommand::WidenDispute { dispute_id, amount: eur("1") });
    case.ok(&talent(), EscrowCommand::WithdrawDispute { dispute_id });
}
