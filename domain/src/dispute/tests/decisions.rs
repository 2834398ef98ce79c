//! What may be decided, and by whom: DSP-15, DSP-24, MNY-29..31, MNY-33, MNY-36.

use super::case::*;
use crate::dispute::{CaseDecision, DisputeCommand, DisputeError, DisputeStatus};
use crate::kernel::{Actor, DomainError, Money};
use crate::tenant::PenaltyBeneficiary;

fn review() -> Case {
    Case::opened().to(DisputeStatus::Review)
}

#[test]
fn only_a_case_under_review_is_decided() {
    // DSP-24
    for status in [DisputeStatus::Opened, DisputeStatus::Evidence, DisputeStatus::Decided, DisputeStatus::Closed] {
        let refusal = Case::opened().to(status).refused(&platform(), decide(CaseDecision::Refund));
        assert_eq!(refusal.describe().1, "INVALID_DISPUTE_TRANSITION");
        assert_eq!(refusal.details(), serde_json::json!({ "status": status, "action": "decide" }));
    }
    for status in [DisputeStatus::Review, DisputeStatus::DecisionPending] {
        Case::opened().to(status).ok(&tenant(), decide(CaseDecision::Refund));
    }
}

#[test]
fn a_split_disposes_of_exactly_what_is_contested() {
    // MNY-29
    let contested = eur("10000");
    for wrong in [split("1", "1", "0"), split("10000", "1", "0"), split("-1", "10001", "0"), split("9000", "1001", "-1")] {
        assert_eq!(review().refused(&tenant(), decide(wrong)), DisputeError::DecisionAmountInvalid { contested });
    }
    let dollars = Money::try_new("10000".parse().unwrap(), "USD".parse().unwrap()).unwrap();
    let foreign = CaseDecision::Split { release: dollars, refund: eur("0"), penalty: eur("0") };
    // One part only: that decision, whatever it is called.
    assert_eq!(decided(&review().ok(&tenant(), decide(split("10000", "0", "0")))), CaseDecision::Release);
    assert_eq!(decided(&review().ok(&tenant(), decide(split("0", "10000", "0")))), CaseDecision::Refund);
    let exact = split("7000", "2000", "1000");
    assert_eq!(decided(&review().ok(&tenant(), decide(exact))), exact);
    assert_eq!(review().refused(&tenant(), decide(foreign)).describe().1, "CURRENCY_MISMATCH");
    assert_eq!(review().refused(&tenant(), decide(split("1", "0", "0"))), DisputeError::DecisionAmountInvalid { contested });
}

#[test]
fn a_penalty_stays_below_its_cap() {
    // MNY-30: 20 % of the contested amount.
    review().ok(&tenant(), decide(split("8000", "0", "2000")));
    let refusal = review().refused(&tenant(), decide(split("7999.99", "0", "2000.01")));
    assert_eq!(refusal, DisputeError::PenaltyAboveCap { cap: eur("2000") });
}

#[test]
fn who_gains_does_not_decide() {
    // MNY-33
    let gains = || Case::with(|facts| facts.penalty.beneficiary = PenaltyBeneficiary::Tenant).to(DisputeStatus::Review);
    assert_eq!(gains().refused(&tenant(), decide(split("9000", "0", "1000"))), DisputeError::ConflictOfInterest);
    gains().ok(&tenant(), decide(split("9000", "1000", "0")));
    gains().ok(&platform(), decide(split("9000", "0", "1000")));

    let staff_is_payer = Actor { id: PAYER, ..tenant() };
    assert_eq!(review().refused(&staff_is_payer, decide(CaseDecision::Refund)), DisputeError::ConflictOfInterest);
    for party in [payer(), talent()] {
        assert_eq!(review().refused(&party, decide(CaseDecision::Refund)).describe().1, "POLICY_DENIED");
    }
}

#[test]
fn where_the_tenant_is_a_party_the_platform_decides() {
    // MNY-33
    let mut case = Case::with(|facts| facts.tenant_is_party = true);
    for command in [assign(), DisputeCommand::Close { rationale: None }] {
        assert_eq!(case.refused(&tenant(), command), DisputeError::ConflictOfInterest);
    }
    case.ok(&platform(), assign());
    assert_eq!(case.refused(&tenant(), decide(CaseDecision::Refund)), DisputeError::ConflictOfInterest);
    case.ok(&platform(), decide(CaseDecision::Refund));

    let mut itself = Case::with(|facts| {
        facts.payer_id = crate::kernel::PartyId(TENANT.0);
        facts.tenant_is_party = true;
    });
    itself.ok(&tenant(), evidence(1));
    assert_eq!(itself.refused(&tenant(), DisputeCommand::Close { rationale: None }), DisputeError::ConflictOfInterest);
}

#[test]
fn work_is_ordered_anew_while_it_may_be() {
    // MNY-31, MNY-36
    review().ok(&tenant(), decide(CaseDecision::Redo));
    let mut spent = Case::with(|facts| facts.redos_left = 0).to(DisputeStatus::Review);
    assert_eq!(spent.refused(&tenant(), decide(CaseDecision::Redo)), DisputeError::RedoLimitReached);
    let mut settled = Case::with(|facts| facts.after_settlement = true).to(DisputeStatus::Review);
    assert_eq!(settled.refused(&tenant(), decide(CaseDecision::Redo)), DisputeError::RedoAfterSettlement);
}
