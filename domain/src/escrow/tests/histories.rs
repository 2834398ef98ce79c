//! Random histories against the naive model: invariants 4, 8 and 10 after every event, and no panic for any command.

use std::cell::RefCell;
use std::collections::BTreeSet;

use chrono::TimeDelta;
use cqrs_es::Aggregate;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::case::*;
use super::tables::{BY_STATUS, sample};
use crate::escrow::{
    Decision, DisputeKind, Entitlements, Escrow, EscrowAction, EscrowCommand, EscrowEvent, EscrowStatus, FundingSource, Landing,
    TRANSITIONS,
};
use crate::kernel::{Actor, DomainError, MAX_MINOR, Money, Role};
use crate::tenant::{ApprovalMode, Hours, PenaltyBeneficiary, SplitPolicy, TaxPolicy, TenantSettings};

/// One step: mostly something that is allowed, sometimes anything.
#[derive(Debug, Clone)]
struct Step {
    wild: bool,
    pick: u16,
    amount: u8,
    wait_hours: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait_hours = prop_oneof![8 => Just(0_i64), 3 => 1_i64..10, 1 => 30_i64..800];
    let step = (prop::bool::weighted(0.2), any::<u16>(), any::<u8>(), wait_hours).prop_map(|(wild, pick, amount, wait_hours)| Step {
        wild,
        pick,
        amount,
        wait_hours,
    });
    proptest::collection::vec(step, 1..60)
}

fn tenants() -> impl Strategy<Value = TenantSettings> {
    let splits = prop::sample::select(vec![(9_000, 800, 200), (7_500, 1_900, 600), (9_500, 0, 500), (0, 0, 10_000), (3_334, 3_333, 3_333)]);
    let modes = prop::sample::select(vec![ApprovalMode::Auto, ApprovalMode::Auto, ApprovalMode::Manual, ApprovalMode::Hybrid]);
    let beneficiaries = prop::sample::select(vec![
        PenaltyBeneficiary::Payer,
        PenaltyBeneficiary::Payee,
        PenaltyBeneficiary::Tenant,
        PenaltyBeneficiary::Platform,
    ]);
    let taxes = prop::sample::select(vec![(0, 0), (1_800, 0), (777, 50)]);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.8), any::<bool>());
    (splits, modes, beneficiaries, taxes, flags, 0_i64..100).prop_map(|(split, mode, beneficiary, tax, flags, window)| {
        let (delivery_required, contract_required, partial_release_allowed, generous) = flags;
        let automatic_refund_limit_minor = if generous { u64::MAX } else { 5 };
        let mut settings = TenantSettings { automatic_refund_limit_minor, ..TenantSettings::default() };
        let escrow = &mut settings.escrow;
        escrow.split = SplitPolicy { payee_bp: split.0, tenant_bp: split.1, platform_bp: split.2 };
        escrow.tax = TaxPolicy { fee_tax_bp: tax.0, tenant_registered: generous, withholding_bp: tax.1 };
        escrow.approval_mode = mode;
        escrow.random_audit_percent = 50;
        escrow.penalty.beneficiary = beneficiary;
        escrow.penalty.cap_bp = if generous { 10_000 } else { 2_000 };
        escrow.delivery_required = delivery_required;
        escrow.contract_required = contract_required;
        escrow.partial_release_allowed = partial_release_allowed;
        escrow.dispute_window_hours = Hours::whole(window + 1);
        settings
    })
}

/// Half of the histories begin late, so that they get far.
fn begin(settings: TenantSettings, start: u8) -> Case {
    use EscrowStatus::{DeliverySubmitted, InProgress, Locked, PartialReleased, Releasable};
    let escrow = &settings.escrow;
    let goes_the_usual_way = escrow.delivery_required && escrow.partial_release_allowed;
    if !goes_the_usual_way || Entitlements::of(eur("10000"), escrow.split, escrow.tax).is_err() {
        return Case::unopened(settings);
    }
    match [Locked, InProgress, DeliverySubmitted, Releasable, PartialReleased, PartialReleased].get(usize::from(start % 9)) {
        Some(status) => Case::created_with(settings, eur("10000")).to(*status),
        None => Case::unopened(settings),
    }
}

fn people() -> Vec<Actor> {
    let limited = Actor { amount_limits: vec![eur("0.05")], ..tenant() };
    let everything = user(PAYEE, &[Role::Finance, Role::PlatformFinance]);
    vec![talent(), payer(), tenant(), platform(), system(), limited, everything, stranger()]
}

/// Amounts at the edges of what the state makes possible.
fn amount(case: &Case, choice: u8) -> Money {
    let (open, contested) = case.escrow.amounts().map_or((0, 0), |amounts| (amounts.open.minor(), case.escrow.at_stake()));
    let minor = match choice % 12 {
        0 => 0,
        1 => 1,
        2 => open / 2,
        3 => open - 1,
        4 => open,
        5 => open + 1,
        6 => contested,
        7 => contested / 3,
        8 => contested + 1,
        9 => MAX_MINOR,
        10 => -1,
        _ => open / 7 + 1,
    };
    Money::try_from_minor(minor.min(MAX_MINOR), eur("0").currency()).unwrap()
}

fn command(case: &mut Case, action: EscrowAction, choice: u8) -> EscrowCommand {
    let one = amount(case, choice);
    let of_amount = |share: i128| Money::try_from_minor(share, one.currency()).unwrap();
    let contested = i64::try_from(case.escrow.at_stake()).map_or(0, i128::from);
    match action {
        EscrowAction::Fund if choice.is_multiple_of(2) => EscrowCommand::Fund { source: FundingSource::BankTransfer },
        EscrowAction::AcceptFunding => {
            let agreed = case.escrow.terms().map_or(1, |terms| terms.amount.minor());
            let held = [of_amount(agreed), of_amount(agreed / 2), one, of_amount(agreed)][usize::from(choice / 4 % 4)];
            let attempt = [0, 0, case.escrow.funding().map_or(1, |funding| funding.attempt), 1][usize::from(choice % 4)];
            case.hold(attempt, held)
        }
        EscrowAction::Release => EscrowCommand::Release { amount: choice.is_multiple_of(2).then_some(one), reason: None },
        EscrowAction::ReleasePartial => EscrowCommand::ReleasePartial { amount: one, reason: Some("part".into()) },
        EscrowAction::Dispute => {
            let amount = (!choice.is_multiple_of(5)).then_some(one);
            EscrowCommand::Dispute { amount, kind: DisputeKind::Other, reason: sealed() }
        }
        EscrowAction::WidenDispute => {
            EscrowCommand::WidenDispute { dispute_id: None, amount: if choice.is_multiple_of(2) { amount(case, 4) } else { one } }
        }
        EscrowAction::Concede => EscrowCommand::Concede { dispute_id: None, refund: one },
        EscrowAction::ResolveSplit => {
            let (release, penalty) = match choice % 5 {
                0 => (contested, 0),
                1 => (0, 0),
                2 => (0, contested),
                3 => (contested / 3, contested / 10),
                _ => (contested / 2, 0),
            };
            let refund = contested - release - penalty;
            let [release, refund, penalty] = [release, refund, penalty].map(of_amount);
            decide(Decision::Split { release, refund, penalty })
        }
        EscrowAction::MeetDeadline => {
            let deadlines = case.escrow.deadlines();
            let (key, deadline) = if choice.is_multiple_of(2) { ("progress", deadlines.progress) } else { ("dispute", deadlines.dispute) };
            if let Some(deadline) = deadline {
                case.now = case.now.max(deadline.at);
            }
            EscrowCommand::MeetDeadline { key: key.into(), at: deadline.map_or(case.now, |deadline| deadline.at) }
        }
        other => sample(other, case),
    }
}

/// Most histories should go deep, so what ends one early, or does nothing here, is asked less often.
fn leads_on(case: &Case, action: EscrowAction, pick: usize) -> bool {
    let status = case.escrow.status();
    let is_early = status < EscrowStatus::DeliverySubmitted;
    match action {
        EscrowAction::Cancel | EscrowAction::Refund | EscrowAction::EndAgreement => false,
        EscrowAction::MeetDeadline => status == EscrowStatus::Disputed,
        EscrowAction::FailFunding => status == EscrowStatus::FundingPending && pick.is_multiple_of(3),
        EscrowAction::AcceptFunding => status < EscrowStatus::Funded,
        EscrowAction::Dispute => !is_early || pick.is_multiple_of(3),
        EscrowAction::RecordLanding => case.escrow.landings_awaited().next().is_some() && status.is_final(),
        EscrowAction::Release => case.escrow.dispute().is_some() || status == EscrowStatus::Locked,
        EscrowAction::RecordCaseFrozen => case.freeze_next().is_some(),
        EscrowAction::RecordContractSigned => case.escrow.refund_requested() || pick.is_multiple_of(3),
        _ => true,
    }
}

/// What the next step asks, and who.
fn next(case: &mut Case, step: &Step) -> (Actor, EscrowCommand) {
    let people = people();
    let pick = usize::from(step.pick);
    let (actor, action) = if step.wild {
        (people[pick % people.len()].clone(), EscrowAction::ALL[pick / people.len() % EscrowAction::ALL.len()])
    } else {
        let offers: Vec<_> = people
            .iter()
            .flat_map(|actor| case.escrow.allowed_actions(actor, case.now).into_iter().map(move |action| (actor.clone(), action)))
            .filter(|(_, action)| step.pick.is_multiple_of(8) || leads_on(case, *action, pick))
            .collect();
        let actions: BTreeSet<_> = offers.iter().map(|(_, action)| *action).collect();
        match actions.iter().nth(pick / 8 % actions.len().max(1)) {
            Some(action) => {
                let offers: Vec<_> = offers.into_iter().filter(|(_, offered)| offered == action).collect();
                offers[pick / 256 % offers.len()].clone()
            }
            None => (tenant(), EscrowAction::Create),
        }
    };
    let mut command = command(case, action, step.amount);
    if let EscrowCommand::Create(create) = &mut command {
        let minor = [1, 7, 1_000, 1_000_000, MAX_MINOR][usize::from(step.amount) % 5];
        create.amount = Money::try_from_minor(minor, eur("0").currency()).unwrap();
    }
    (actor, command)
}

/// What was offered and what happened agree.
fn offered_means_possible(is_offered: bool, status: EscrowStatus, action: EscrowAction, result: Result<(), &'static str>) {
    match result {
        Ok(()) => assert!(
            is_offered || matches!(action, EscrowAction::ReleasePartial | EscrowAction::Enforce),
            "{status} {action} was not offered"
        ),
        Err(code) => {
            let by_permit = BY_STATUS.contains(&code) || ["POLICY_DENIED", "REFUND_REQUESTED", "DISPUTE_ALREADY_DECIDED"].contains(&code);
            assert!(!by_permit || !is_offered, "{status} {action} was offered, then refused as {code}");
        }
    }
}

fn fold(events: &[EscrowEvent]) -> Escrow {
    let mut escrow = Escrow::default();
    for event in events {
        escrow.apply(event.clone());
    }
    escrow
}

/// Invariant 10, and protocols on snapshots: what is stored reads back as the same.
fn reads_back_the_same(case: &Case) {
    assert_eq!(fold(&case.log), case.escrow);
    let mut stored = Escrow::default();
    for event in &case.log {
        let text = serde_json::to_string(event).unwrap();
        let event: EscrowEvent = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        stored.apply(event);
        if stored.version() % 8 == 0 {
            stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
        }
    }
    assert_eq!(stored, case.escrow);
}

#[test]
fn thousands_of_random_histories_keep_the_books() {
    // ESC-68, LED-68.
    let moves = RefCell::new(BTreeSet::<(EscrowStatus, EscrowAction, EscrowStatus)>::new());
    let facts = RefCell::new(BTreeSet::<&'static str>::new());
    let config = Config { cases: 3_500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()));
    runner
        .run(&(tenants(), any::<u8>(), steps()), |(settings, start, steps)| {
            let mut case = begin(settings, start);
            for step in steps {
                case.now += TimeDelta::hours(step.wait_hours);
                let (actor, command) = next(&mut case, &step);
                let (status, action) = (case.escrow.status(), command.action());
                let is_offered = case.escrow.allowed_actions(&actor, case.now).contains(&action);
                let result = case.act(&actor, command);
                offered_means_possible(is_offered, status, action, result.as_ref().map(|_| ()).map_err(|refusal| refusal.describe().1));
                if let Ok(events) = result {
                    let end = events.iter().rev().find(|event| event.fact.name() != "escrow.closed" || events.len() == 1);
                    moves.borrow_mut().insert((status, action, end.map_or(status, |event| event.to)));
                    let landed = events.iter().any(|event| event.fact.name() == "escrow.leg_landed");
                    if landed {
                        moves.borrow_mut().insert((status, action, case.escrow.status()));
                    }
                }
            }
            facts.borrow_mut().extend(case.log.iter().map(|event| event.fact.name()));
            reads_back_the_same(&case);
            Ok(())
        })
        .unwrap();
    // The histories went everywhere: every row of the table, every kind of event.
    let moves = moves.into_inner();
    let untrodden: Vec<_> = TRANSITIONS.iter().filter(|row| !moves.contains(row)).collect();
    assert!(untrodden.is_empty(), "never happened: {untrodden:?}");
    let facts = facts.into_inner();
    assert_eq!(facts.len(), 36, "kinds of events: {facts:?}");
}

#[test]
fn nothing_overflows_at_the_end_of_time_or_money() {
    let mut settings = settings();
    settings.escrow.funding_hours = Hours(rust_decimal::Decimal::MAX);
    settings.clearance_hours = Hours(rust_decimal::Decimal::MAX);
    let mut case = Case::unopened(settings);
    case.now = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    let largest = Money::try_from_minor(MAX_MINOR, eur("0").currency()).unwrap();
    case.ok(&tenant(), EscrowCommand::Create(Case::create(largest)));
    for _ in 0..3 {
        case.receive(Money::try_from_minor(MAX_MINOR - 1, largest.currency()).unwrap());
    }
    let mut case = case.to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(None));
    case.ok(&platform(), decide(Decision::Dismiss));
    case.ok(&platform(), EscrowCommand::Approve { note: None });
    case.ok(&platform(), release_all());
    let landings: Vec<Landing> = case.escrow.landings_awaited().collect();
    assert_eq!(landings.len(), 2);
    case.land_all();
    reads_back_the_same(&case);
}
