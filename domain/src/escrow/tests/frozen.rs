//! No interleaving of commands and deadlines moves frozen money: MNY-35, DSP-31.

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};

use super::case::*;
use super::tables::sample;
use crate::escrow::{Decision, EscrowAction, EscrowCommand, EscrowEvent, EscrowFact, EscrowStatus, MoneySource};
use crate::kernel::{Actor, Money};

/// Who asks for what, and how many hours later.
type Step = (u8, u8, i64, bool);

fn people() -> Vec<Actor> {
    vec![talent(), payer(), tenant(), platform(), system(), stranger()]
}

/// What an event takes from the contested money, in minor units; negative: adds to it.
fn taken(event: &EscrowEvent) -> i128 {
    match &event.fact {
        EscrowFact::Disputed { contested: amount, .. } | EscrowFact::DisputeWidened { amount, .. } => -amount.minor(),
        EscrowFact::Released { source: MoneySource::Contested, amount, .. }
        | EscrowFact::Refunded { source: MoneySource::Contested, amount, .. }
        | EscrowFact::PenaltyTaken { amount, .. }
        | EscrowFact::RedoOrdered { returned: amount, .. }
        | EscrowFact::DisputeDismissed { returned: amount, .. } => amount.minor(),
        _ => 0,
    }
}

/// The ways out of a dispute: a decision, a concession, a withdrawal.
fn may_take(command: &EscrowCommand) -> bool {
    use EscrowCommand::{Concede, Decide, Enforce, WithdrawDispute};
    matches!(command, Decide { .. } | Enforce { .. } | Concede { .. } | WithdrawDispute { .. })
}

/// Everything that can be asked; deadlines of both clocks, due or stale.
fn ask(case: &mut Case, which: u8, early: bool) -> EscrowCommand {
    let action = EscrowAction::ALL[usize::from(which) % EscrowAction::ALL.len()];
    match action {
        EscrowAction::MeetDeadline => {
            let deadlines = case.escrow.deadlines();
            let (key, deadline) = if which.is_multiple_of(2) { ("dispute", deadlines.dispute) } else { ("progress", deadlines.progress) };
            let at = deadline.map_or(case.now, |deadline| deadline.at);
            case.now = case.now.max(at);
            EscrowCommand::MeetDeadline { key: key.into(), at: if early { at - TimeDelta::hours(1) } else { at } }
        }
        EscrowAction::Dispute => contest(early.then_some("700")),
        EscrowAction::Enforce => {
            let decisions = [Decision::Release, Decision::Refund, Decision::Dismiss, Decision::Redo];
            let decision = decisions[usize::from(which) % 4].clone();
            let dispute_id = if early { crate::kernel::DisputeId(ESCROW.0) } else { case.dispute_id() };
            let contested = case.escrow.amounts().map_or(eur("1"), |amounts| amounts.contested);
            EscrowCommand::Enforce { dispute_id, decision, contested, rationale: None }
        }
        other => sample(other, case),
    }
}

fn contested(case: &Case) -> i128 {
    case.escrow.amounts().map_or(0, |amounts| amounts.contested.minor())
}

#[test]
fn no_interleaving_of_commands_and_deadlines_moves_frozen_money() {
    // MNY-35, DSP-31, ESC-56
    let step = (any::<u8>(), any::<u8>(), prop_oneof![5 => Just(0_i64), 2 => 1_i64..400], any::<bool>());
    let steps: BoxedStrategy<Vec<Step>> = proptest::collection::vec(step, 1..50).boxed();
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(Default::default()));
    let mut ways_out = std::collections::BTreeSet::new();
    let ways = std::cell::RefCell::new(&mut ways_out);
    runner
        .run(&(0_u8..6, any::<bool>(), steps), |(start, part, steps)| {
            use EscrowStatus::{DeliverySubmitted, Funded, InProgress, Locked, PartialReleased, Releasable};
            let begin = [Funded, Locked, InProgress, DeliverySubmitted, Releasable, PartialReleased][usize::from(start)];
            let mut case = Case::created().to(begin);
            let part = (part && begin >= DeliverySubmitted).then_some("1234.56");
            case.ok(&payer(), contest(part));
            for (who, which, wait_hours, early) in steps {
                case.now += TimeDelta::hours(wait_hours);
                let actor = people()[usize::from(who) % people().len()].clone();
                let command = ask(&mut case, which, early);
                let before = contested(&case);
                let events = match case.act(&actor, command.clone()) {
                    Ok(events) => events,
                    Err(_) => {
                        assert_eq!(contested(&case), before, "a refusal moves nothing");
                        continue;
                    }
                };
                let leaves: i128 = events.iter().map(taken).filter(|taken| *taken > 0).sum();
                if leaves > 0 {
                    assert!(may_take(&command), "{command:?} took {leaves} of {before} frozen");
                    let way_out =
                        events.iter().map(|event| event.fact.name()).find(|name| name.contains("dispute") || name.contains("redo"));
                    ways.borrow_mut().insert(way_out.unwrap_or("no word of it"));
                }
                assert_eq!(before - events.iter().map(taken).sum::<i128>(), contested(&case));
            }
            let amounts = case.escrow.amounts().unwrap();
            let parts = [amounts.released, amounts.refunded, amounts.penalty, amounts.open, amounts.contested];
            assert_eq!(parts.map(Money::minor).iter().sum::<i128>(), amounts.funded.minor());
            Ok(())
        })
        .unwrap();
    assert_eq!(
        ways_out.into_iter().collect::<Vec<_>>(),
        ["escrow.dispute_conceded", "escrow.dispute_dismissed", "escrow.dispute_resolved", "escrow.redo_ordered"]
    );
}
