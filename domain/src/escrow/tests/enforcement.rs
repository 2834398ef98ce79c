//! What a case decided is carried out, or goes back to the case: DSP-17, DSP-41, MNY-29, MNY-33.

use super::case::*;
use crate::escrow::{DeadlineAction, Decision, EscrowCommand, EscrowEvent, EscrowFact, EscrowStatus};
use crate::kernel::Actor;
use crate::tenant::PenaltyBeneficiary;

fn disputed() -> Case {
    let mut case = Case::created().to(EscrowStatus::InProgress);
    case.ok(&payer(), contest(None));
    case
}

fn enforce(case: &mut Case, actor: &Actor, decision: Decision) -> Vec<EscrowEvent> {
    let contested = case.escrow.amounts().unwrap().contested;
    let command = EscrowCommand::Enforce { dispute_id: case.dispute_id(), decision, contested, rationale: None };
    case.ok(actor, command)
}

fn split(release: &str, refund: &str, penalty: &str) -> Decision {
    Decision::Split { release: eur(release), refund: eur(refund), penalty: eur(penalty) }
}

#[track_caller]
fn declined(events: &[EscrowEvent]) -> &str {
    let [EscrowEvent { fact: EscrowFact::DecisionDeclined { code, .. }, .. }] = events else { panic!("{events:?}") };
    code
}

#[test]
fn what_was_decided_happens_as_if_it_had_been_asked_here() {
    // DSP-41
    for decision in [Decision::Release, Decision::Refund, split("1", "9998", "1"), Decision::Redo, Decision::Dismiss] {
        for actor in [tenant(), platform()] {
            let (mut asked, mut enforced) = (disputed(), disputed());
            let expected = asked.ok(&actor, decide(decision.clone()));
            assert_eq!(enforce(&mut enforced, &actor, decision.clone()), expected);
            assert_eq!(enforced.escrow, asked.escrow);
            let (dispute_id, contested) = (disputed().dispute_id(), eur("10000"));
            let again = EscrowCommand::Enforce { dispute_id, decision: decision.clone(), contested, rationale: None };
            assert!(enforced.ok(&actor, again).is_empty(), "once per case");
        }
    }
}

#[test]
fn a_decision_that_no_longer_fits_goes_back_with_the_reason() {
    // DSP-41, MNY-29
    let mut case = disputed();
    let events = enforce(&mut case, &tenant(), split("1", "2", "3"));
    assert_eq!(declined(&events), "DECISION_AMOUNT_INVALID");
    let EscrowFact::DecisionDeclined { contested, .. } = events[0].fact else { panic!() };
    assert_eq!(contested, eur("10000"));
    case.is(EscrowStatus::Disputed, "0", "10000");

    // The payee gave up a part meanwhile.
    case.ok(&talent(), EscrowCommand::Concede { dispute_id: None, refund: eur("4000") });
    assert_eq!(declined(&enforce(&mut case, &tenant(), split("1000", "9000", "0"))), "DECISION_AMOUNT_INVALID");
    let (dispute_id, seen) = (case.dispute_id(), eur("10000"));
    let stale = EscrowCommand::Enforce { dispute_id, decision: Decision::Release, contested: seen, rationale: None };
    assert_eq!(declined(&case.ok(&tenant(), stale)), "DECISION_AMOUNT_INVALID", "about other money than the decider saw");
    assert_eq!(names(&enforce(&mut case, &tenant(), Decision::Release)), ["dispute_resolved", "released"]);
}

#[test]
fn nobody_gets_round_a_rule_by_way_of_the_case() {
    // MNY-29, MNY-30, MNY-31, MNY-33
    for actor in [payer(), talent()] {
        assert_eq!(declined(&enforce(&mut disputed(), &actor, Decision::Release)), "POLICY_DENIED");
    }
    let staff = Actor { id: PAYER, ..tenant() };
    assert_eq!(declined(&enforce(&mut disputed(), &staff, Decision::Refund)), "CONFLICT_OF_INTEREST");

    let mut penal = Case::with(|settings| {
        settings.escrow.penalty.beneficiary = PenaltyBeneficiary::Tenant;
        settings.escrow.penalty.cap_bp = 1_000;
    })
    .to(EscrowStatus::InProgress);
    penal.ok(&payer(), contest(None));
    assert_eq!(declined(&enforce(&mut penal, &tenant(), split("5000", "4000", "1000"))), "CONFLICT_OF_INTEREST");
    assert_eq!(declined(&enforce(&mut penal, &platform(), split("5000", "3999.99", "1000.01"))), "PENALTY_ABOVE_CAP");

    let mut again = disputed();
    for _ in 0..2 {
        enforce(&mut again, &tenant(), Decision::Redo);
        again.ok(&payer(), contest(None));
    }
    assert_eq!(declined(&enforce(&mut again, &tenant(), Decision::Redo)), "REDO_LIMIT_REACHED");
}

#[test]
fn an_escalated_case_is_the_platforms() {
    // DSP-17, MNY-17
    let mut case = disputed();
    let dispute_id = case.dispute_id();
    let before = case.escrow.next_deadline();
    assert_eq!(names(&case.ok(&system(), EscrowCommand::EscalateDispute { dispute_id })), ["dispute_escalated"]);
    assert_eq!(case.escrow.next_deadline(), before, "evidence is still accepted");
    assert!(case.ok(&system(), EscrowCommand::EscalateDispute { dispute_id }).is_empty());
    assert_eq!(declined(&enforce(&mut case, &tenant(), Decision::Release)), "POLICY_DENIED");
    case.meet_next();

    let mut late = disputed();
    late.meet_next();
    late.ok(&system(), EscrowCommand::EscalateDispute { dispute_id });
    let reminder = late.escrow.next_deadline().unwrap();
    assert_eq!((reminder.action, (reminder.at - late.now).num_hours()), (DeadlineAction::Escalate, 24));
    assert_eq!(names(&enforce(&mut late, &platform(), Decision::Refund))[0], "dispute_resolved");

    let other = crate::kernel::DisputeId(ESCROW.0);
    assert!(disputed().ok(&system(), EscrowCommand::EscalateDispute { dispute_id: other }).is_empty());
}
