//! A dispute after the settlement: MNY-36, MNY-42.

use chrono::TimeDelta;

use super::case::*;
use crate::escrow::{CaseLeg, Decision, EscrowCommand, EscrowError, EscrowEvent, EscrowFact, EscrowStatus, Outcome};
use crate::kernel::{DomainError, Money};
use crate::tenant::Hours;

/// 10,000 EUR as 8,820.00, 944.00, 200.00 and 36.00 (MNY-04), all released and landed.
fn closed() -> Case {
    closed_with(48)
}

fn closed_with(hours: i64) -> Case {
    let mut case = Case::with(|settings| settings.escrow.settled_dispute_hours = Hours::whole(hours)).to(EscrowStatus::Releasable);
    case.ok(&platform(), release_all());
    case.land_all();
    case.is(EscrowStatus::Closed, "0", "0");
    case
}

fn disputed(amount: Option<&str>) -> Case {
    let mut case = closed();
    case.ok(&payer(), contest(amount));
    case
}

fn frozen(amount: Option<&str>) -> Case {
    let mut case = disputed(amount);
    case.freeze_all();
    case
}

fn amounts(legs: &[CaseLeg]) -> Vec<String> {
    legs.iter().map(|leg| leg.amount.amount().to_string()).collect()
}

/// Taken from the holds, given back by platform and taxes, sent to the payer.
fn refund(events: &[EscrowEvent]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let Some(EscrowFact::SettledCaseRefunded { taken, returned, legs, .. }) = events.last().map(|event| &event.fact) else {
        panic!("{events:?}")
    };
    let of = |legs: &[crate::escrow::Leg]| legs.iter().map(|leg| leg.amount.amount().to_string()).collect();
    (amounts(taken), of(returned), of(legs))
}

fn enforce(case: &Case, decision: Decision) -> EscrowCommand {
    EscrowCommand::Enforce { dispute_id: case.dispute_id(), decision, contested: case.at_stake(), rationale: None }
}

#[test]
fn settled_money_can_be_disputed_by_a_party_until_the_window_ends() {
    // MNY-36
    let mut case = closed();
    let ended_at = case.escrow.ended_at().unwrap();
    case.now = ended_at + TimeDelta::hours(48) - TimeDelta::microseconds(1);
    for raiser in [payer(), talent(), tenant()] {
        assert_eq!(names(&case.clone().ok(&raiser, contest(None))), ["settlement_disputed"]);
    }
    assert_eq!(case.refused(&platform(), contest(None)).describe().1, "POLICY_DENIED");
    case.now = ended_at + TimeDelta::hours(48);
    assert_eq!(case.refused(&payer(), contest(None)), EscrowError::DisputeWindowClosed { settled_at: Some(ended_at) });
    assert!(matches!(closed_with(0).refused(&payer(), contest(None)), EscrowError::DisputeWindowClosed { .. }), "zero: switched off");
}

#[test]
fn what_was_refunded_is_not_disputed_again() {
    // MNY-36: nothing was released.
    let mut case = Case::created().to(EscrowStatus::Funded);
    case.ok(&platform(), EscrowCommand::Refund { reason: crate::escrow::RefundReason::Cancellation });
    case.land_all();
    assert!(matches!(case.refused(&payer(), contest(None)), EscrowError::DisputeWindowClosed { .. }));
}

#[test]
fn the_contested_gross_is_asked_of_the_parties_in_the_proportion_of_what_they_got() {
    // MNY-36, MNY-03
    let case = disputed(Some("3333.33"));
    let EscrowFact::SettlementDisputed { contested, parts, legs, case: facts, .. } = &case.log.last().unwrap().fact else { panic!() };
    assert_eq!(parts.as_array(), [294_000, 31_466, 6_667, 1_200, 0]);
    assert_eq!((contested.minor(), parts.total()), (333_333, 333_333));
    assert_eq!(amounts(legs), ["2940.00", "314.66"]);
    assert_ne!(legs[0].hold_id, legs[1].hold_id);
    assert!(facts.after_settlement && facts.redos_left == 0 && facts.penalty.cap_bp == 0);
    // The money had left the escrow: nothing of it is touched here.
    case.is(EscrowStatus::Closed, "0", "0");
    assert_eq!(case.escrow.outcome(), Some(Outcome::Settled));
    assert!(case.escrow.next_deadline().is_some(), "evidence, then a decision (MNY-17)");
}

#[test]
fn one_case_at_a_time_and_no_money_twice() {
    // MNY-26, MNY-36
    let mut case = frozen(Some("4000"));
    assert_eq!(case.refused(&talent(), contest(None)), EscrowError::DisputeAlreadyOpen { dispute_id: case.dispute_id() });
    case.ok(&platform(), decide(Decision::Release));
    assert_eq!(case.refused(&payer(), contest(Some("6000.01"))), EscrowError::AmountExceedsEscrow { open: eur("6000") });
    assert_eq!(case.refused(&payer(), contest(Some("0"))), EscrowError::AmountInvalid);
    case.ok(&payer(), contest(None));
    assert_eq!(case.at_stake(), eur("6000"));
    case.freeze_all();
    case.ok(&platform(), decide(Decision::Release));
    assert!(matches!(case.refused(&payer(), contest(None)), EscrowError::DisputeWindowClosed { .. }), "all of it has been disputed");
}

#[test]
fn a_case_waits_for_the_wallets_before_it_ends() {
    // MNY-36: a freeze that came after the end would hold the money for ever.
    let mut case = disputed(None);
    for command in [decide(Decision::Release), decide(Decision::Dismiss)] {
        assert_eq!(case.refused(&platform(), command).describe().1, "INVALID_ESCROW_TRANSITION");
    }
    let early = EscrowCommand::WithdrawDispute { dispute_id: None };
    assert_eq!(case.refused(&payer(), early).describe().1, "INVALID_ESCROW_TRANSITION");
    let declined = enforce(&case, Decision::Refund);
    assert_eq!(names(&case.ok(&platform(), declined)), ["decision_declined"]);
    let report = case.freeze_next().unwrap();
    assert_eq!(names(&case.ok(&system(), report.clone())), ["case_frozen"]);
    assert!(case.ok(&system(), report).is_empty(), "reported once");
    case.freeze_all();
    assert_eq!(names(&case.ok(&platform(), decide(Decision::Release))), ["dispute_resolved", "settled_case_released"]);
}

#[test]
fn dismissed_withdrawn_or_released_it_stays_with_the_parties() {
    // MNY-32, MNY-36
    let dismissed = ["dispute_dismissed", "settled_case_released"];
    let mut case = frozen(None);
    assert_eq!(names(&case.ok(&tenant(), decide(Decision::Dismiss))), dismissed);
    assert_eq!(case.refused(&payer(), contest(None)), EscrowError::DisputeAlreadyDecided);
    let mut case = frozen(None);
    assert_eq!(names(&case.ok(&payer(), EscrowCommand::WithdrawDispute { dispute_id: None })), dismissed);
    let mut case = frozen(None);
    let release = enforce(&case, Decision::Release);
    let events = case.ok(&tenant(), release);
    let EscrowFact::SettledCaseReleased { legs, .. } = &events[1].fact else { panic!() };
    assert_eq!(amounts(legs), ["8820.00", "944.00"]);
    assert_eq!(case.escrow.dispute(), None);
    assert_eq!(case.escrow.next_deadline(), None);
}

#[test]
fn a_refund_brings_the_gross_back_from_everybody_who_got_a_part() {
    // MNY-42
    let mut case = frozen(None);
    let all = enforce(&case, Decision::Refund);
    let events = case.ok(&tenant(), all);
    assert_eq!(names(&events), ["dispute_resolved", "settled_case_refunded"]);
    let expected = (vec!["8820.00".to_owned(), "944.00".into()], vec!["200.00".to_owned(), "36.00".into()], vec!["10000.00".to_owned()]);
    assert_eq!(refund(&events), expected);
    let amounts = case.escrow.amounts().unwrap();
    assert_eq!((amounts.released, amounts.refunded, amounts.in_transit), (eur("10000"), eur("0"), eur("10000")));
    assert_eq!(names(&case.land_all()), ["leg_landed"]);
    let shown = case.escrow.settled_case().unwrap();
    let shown = [shown.contested, shown.frozen, shown.shortfall, shown.refunded];
    assert_eq!(shown, [eur("10000"), eur("9764"), eur("0"), eur("10000")]);
}

#[test]
fn a_split_gives_back_its_refund_in_proportion() {
    // MNY-42
    let mut case = frozen(None);
    let events = case.ok(&platform(), split("6666.67", "3333.33", "0"));
    let (taken, returned, payer) = refund(&events);
    assert_eq!((taken, returned), (vec!["2940.00".to_owned(), "314.66".into()], vec!["66.67".to_owned(), "12.00".into()]));
    assert_eq!(payer, ["3333.33"]);
}

#[test]
fn nobody_gives_more_than_their_wallet_froze() {
    // MNY-36, MNY-43: the shortfall is shown.
    let mut case = disputed(None);
    let Some(EscrowCommand::RecordCaseFrozen { hold_id, .. }) = case.freeze_next() else { panic!() };
    case.ok(&system(), EscrowCommand::RecordCaseFrozen { hold_id, frozen: eur("1000") });
    let Some(EscrowCommand::RecordCaseFrozen { hold_id, .. }) = case.freeze_next() else { panic!() };
    case.ok(&system(), EscrowCommand::RecordCaseFrozen { hold_id, frozen: eur("0") });
    let shown = case.escrow.settled_case().unwrap();
    assert_eq!((shown.frozen, shown.shortfall), (eur("1000"), eur("8764")));
    let (taken, _, payer) = refund(&case.ok(&platform(), decide(Decision::Refund)));
    assert_eq!(taken, ["1000.00", "0.00"]);
    assert_eq!(payer, ["1236.00"]);
    assert_eq!(case.escrow.settled_case().unwrap().refunded, eur("1236"));
}

#[test]
fn no_penalty_and_no_redo_after_the_settlement() {
    // MNY-30, MNY-31, MNY-36
    let nothing = Money::zero(eur("1").currency());
    let penalty = Decision::Split { release: eur("9999"), refund: nothing, penalty: eur("1") };
    for (decision, expected) in [(penalty, "PENALTY_ABOVE_CAP"), (Decision::Redo, "INVALID_ESCROW_TRANSITION")] {
        let mut case = frozen(None);
        let command = enforce(&case, decision);
        let events = case.ok(&platform(), command);
        let [EscrowEvent { fact: EscrowFact::DecisionDeclined { code, contested, .. }, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!((code.as_str(), *contested), (expected, eur("10000")));
    }
    // MNY-33
    assert_eq!(frozen(None).refused(&payer(), decide(Decision::Refund)).describe().1, "POLICY_DENIED");
}
