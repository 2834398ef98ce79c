//! What becomes of an escrow when its contract is signed, its agreement ends, its work moves: CTR-44, ESC-39, MNY-03, MNY-06,
//! MNY-17, MNY-24.

use chrono::TimeDelta;

use super::case::*;
use crate::contract::MilestoneShare;
use crate::escrow::{CreateEscrow, DeadlineAction, DisputeKind, Entitlements, EscrowCommand, EscrowError, EscrowFact, EscrowStatus};
use crate::tenant::{Hours, SplitPolicy, TaxPolicy, TenantSettings};

const SIGNED: EscrowCommand = EscrowCommand::RecordContractSigned;

fn ended() -> EscrowCommand {
    EscrowCommand::EndAgreement { reason: "contract voided".into() }
}

fn without_delivery() -> TenantSettings {
    let mut settings = settings();
    settings.escrow.delivery_required = false;
    settings.escrow.contract_required = true;
    settings
}

#[test]
fn a_signed_contract_makes_an_escrow_without_delivery_releasable_whenever_it_comes() {
    // CTR-44, ESC-39
    let created = || Case::created_with(without_delivery(), eur("10000"));
    let mut before_funding = created();
    assert_eq!(names(&before_funding.ok(&system(), SIGNED)), ["contract_signed"]);
    assert_eq!(names(&before_funding.receive(eur("10000"))), ["funded", "locked", "made_releasable"]);

    let mut funded = created().to(EscrowStatus::Funded);
    assert_eq!(names(&funded.ok(&system(), SIGNED)), ["contract_signed", "locked", "made_releasable"]);
    let mut locked = created().to(EscrowStatus::Locked);
    assert_eq!(names(&locked.ok(&system(), SIGNED)), ["contract_signed", "made_releasable"]);

    let mut disputed = created().to(EscrowStatus::Locked);
    disputed.ok(&payer(), contest(None));
    assert_eq!(names(&disputed.ok(&system(), SIGNED)), ["contract_signed"]);
    assert_eq!(
        names(&disputed.ok(&payer(), EscrowCommand::WithdrawDispute { dispute_id: None })),
        ["dispute_dismissed", "made_releasable"]
    );

    for case in [before_funding, funded, locked, disputed] {
        case.is(EscrowStatus::Releasable, "10000", "0");
        assert_eq!(case.escrow.next_deadline().unwrap().action, DeadlineAction::Settle);
    }
}

#[test]
fn a_signed_contract_does_not_stand_for_a_required_delivery() {
    // ESC-39
    let mut case = Case::created().to(EscrowStatus::Locked);
    assert_eq!(names(&case.ok(&system(), SIGNED)), ["contract_signed"]);
    assert!(case.ok(&system(), SIGNED).is_empty(), "noted once");
    case.is(EscrowStatus::Locked, "10000", "0");
}

#[test]
fn while_the_money_is_asked_back_a_signature_waits() {
    // MNY-14
    let mut case = Case::created_with(without_delivery(), eur("10000")).to(EscrowStatus::Locked);
    case.ok(&tenant(), cancel());
    assert_eq!(names(&case.ok(&system(), SIGNED)), ["contract_signed"]);
    let events = case.ok(&platform(), EscrowCommand::DeclineRefund { reason: "no".into() });
    assert_eq!(names(&events), ["refund_declined", "made_releasable"]);
}

#[test]
fn an_ended_agreement_cancels_refunds_or_disputes() {
    // MNY-06
    use EscrowStatus::*;
    for status in [Created, FundingPending] {
        let mut case = Case::created().to(status);
        assert_eq!(names(&case.ok(&system(), ended())), ["cancelled"]);
    }
    for status in [Funded, Locked] {
        // MNY-14: at once up to the limit, above it the platform answers.
        let mut small = Case::with(|settings| settings.automatic_refund_limit_minor = 1_000_000).to(status);
        assert_eq!(names(&small.ok(&system(), ended())), ["refund_requested", "refunded"]);
        let mut large = Case::created().to(status);
        assert_eq!(names(&large.ok(&system(), ended())), ["refund_requested"]);
        assert!(large.ok(&system(), ended()).is_empty(), "asked once");
        large.ok(&platform(), EscrowCommand::Refund { reason: crate::escrow::RefundReason::Cancellation });
    }
    for status in [InProgress, DeliverySubmitted, Releasable, PartialReleased] {
        let mut case = Case::created().to(status);
        let events = case.ok(&system(), ended());
        let EscrowFact::Disputed { kind, contested, .. } = events[0].fact else { panic!("{events:?}") };
        assert_eq!((kind, contested), (DisputeKind::AgreementEnded, case.escrow.amounts().unwrap().remainder));
        assert_eq!(case.escrow.status(), Disputed);
        assert!(case.ok(&system(), ended()).is_empty(), "it is all in dispute");
    }
}

#[test]
fn an_ended_agreement_widens_the_open_case_by_the_rest() {
    // MNY-06, MNY-26
    let mut case = Case::created().to(EscrowStatus::DeliverySubmitted);
    case.ok(&payer(), contest(Some("1000")));
    assert_eq!(names(&case.ok(&system(), ended())), ["dispute_widened"]);
    case.is(EscrowStatus::Disputed, "0", "10000");
}

#[test]
fn news_of_an_escrow_that_was_never_made_is_moot() {
    // A booking or a contract may be older than its escrow, or never get one.
    let mut case = Case::unopened(settings());
    let starts_at = case.now;
    let news =
        [SIGNED, ended(), EscrowCommand::RecordStartMoved { starts_at }, EscrowCommand::EscalateDispute { dispute_id: case.dispute_id() }];
    for command in news {
        assert!(case.ok(&system(), command).is_empty());
    }
    let mut over = Case::created();
    over.ok(&tenant(), cancel());
    assert!(over.ok(&system(), ended()).is_empty());
}

#[test]
fn booked_money_waits_for_the_booked_time() {
    // MNY-17: booking start + 24 h, else funding + 336 h.
    let due = |case: &Case| (case.escrow.next_deadline().unwrap().at - case.now).num_hours();
    assert_eq!(due(&Case::created().to(EscrowStatus::Funded)), 336);
    let mut case = Case::booked(settings(), 1_000).to(EscrowStatus::Funded);
    assert_eq!(due(&case), 1_024);
    let starts_at = case.now + TimeDelta::hours(2_000);
    assert_eq!(names(&case.ok(&system(), EscrowCommand::RecordStartMoved { starts_at })), ["start_moved"]);
    assert_eq!(due(&case), 2_024);
    assert!(case.ok(&system(), EscrowCommand::RecordStartMoved { starts_at }).is_empty());
    assert_eq!(due(&Case::booked(settings(), -100).to(EscrowStatus::Funded)), 24, "never overdue when it is funded");

    // A dispute in between does not let it come earlier.
    case.ok(&payer(), contest(None));
    let later = starts_at + TimeDelta::hours(500);
    case.ok(&system(), EscrowCommand::RecordStartMoved { starts_at: later });
    assert_eq!(case.escrow.deadlines().progress, None, "paused");
    case.ok(&payer(), EscrowCommand::WithdrawDispute { dispute_id: None });
    assert_eq!(due(&case), 2_524);
}

#[test]
fn work_on_a_booking_is_always_delivered() {
    // MNY-18, ESC-76
    let case = Case::booked(without_delivery(), 10);
    assert!(case.escrow.terms().unwrap().rules.delivery_required);
}

#[test]
fn what_a_booking_brings_clears_after_the_payouts_delay() {
    // MNY-24: the later of release and completion + 48 h, and the clearance hours on top.
    let mut settings = settings();
    settings.clearance_hours = Hours::whole(10);
    let mut case = Case::booked(settings, 10).to(EscrowStatus::DeliverySubmitted);
    let completed_at = case.now;
    case.ok(&tenant(), EscrowCommand::Approve { note: None });
    let clears_at = |case: &mut Case, part: &str| {
        let events = case.ok(&platform(), release_part(part));
        let EscrowFact::PartiallyReleased { clears_at, .. } = events[0].fact else { panic!("{events:?}") };
        clears_at
    };
    assert_eq!(clears_at(case.wait(2), "1000"), completed_at + TimeDelta::hours(58), "released early");
    let released_at = case.wait(60).now;
    assert_eq!(clears_at(&mut case, "1000"), released_at + TimeDelta::hours(10), "released late");
}

#[test]
fn a_milestone_gets_its_share_of_the_contracts_one_division() {
    // MNY-03
    let entitlements = Entitlements { payee: 900_001, tenant: 79_999, platform: 20_000, tax: 0, withholding: 0 };
    let split = SplitPolicy { payee_bp: 5_000, tenant_bp: 3_000, platform_bp: 2_000 };
    let with = |entitlements| {
        let share = Some(MilestoneShare { split, tax: TaxPolicy::default(), entitlements });
        EscrowCommand::Create(CreateEscrow { share, ..Case::create(eur("10000")) })
    };
    let mut case = Case::unopened(settings());
    case.ok(&system(), with(entitlements));
    let terms = case.escrow.terms().unwrap();
    assert_eq!((terms.entitlements, terms.rules.split), (entitlements, split), "not divided anew");

    for wrong in [Entitlements { payee: 900_000, ..entitlements }, Entitlements { payee: 920_001, tax: -20_000, ..entitlements }] {
        assert_eq!(Case::unopened(settings()).refused(&system(), with(wrong)), EscrowError::ShareMismatch);
    }
}
