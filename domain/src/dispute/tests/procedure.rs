//! From opening to closing: DSP-20..26, DSP-13, DSP-14, DSP-17, MNY-17, MNY-32.

use super::case::*;
use crate::booking::DisputeMark;
use crate::dispute::{CaseDecision, DisputeCommand, DisputeError, DisputeFact, DisputeStatus, OutcomeOfCase, Resolution};
use crate::kernel::{Actor, DomainError, Role};

#[test]
fn a_case_opens_once_with_what_the_escrow_said() {
    // DSP-01, DSP-20.
    // DSP-20, MNY-25
    let mut case = Case::unopened();
    assert_eq!(names(&case.ok(&system(), Case::open(facts()))), ["opened"]);
    assert!(case.ok(&system(), Case::open(facts())).is_empty(), "the same news twice");
    assert_eq!((case.dispute.contested(), case.dispute.mark()), (Some(eur("10000")), DisputeMark::Open));
    assert_eq!(case.dispute.evidence_due_at(), Some(facts().evidence_due_at));
}

#[test]
fn evidence_is_numbered_and_kept_with_its_hash() {
    // DSP-02, DSP-38.
    // DSP-21, DSP-38
    let mut case = Case::opened();
    for (n, actor) in [(1, payer()), (2, talent()), (3, tenant()), (4, platform())] {
        let events = case.ok(&actor, evidence(n));
        let DisputeFact::EvidenceAdded { evidence } = &events[0].fact else { panic!() };
        assert_eq!((u128::from(evidence.number), evidence.submitted_by, evidence.sha256.len()), (n, actor.id, 64));
    }
    assert_eq!(case.dispute.status(), DisputeStatus::Evidence);
    assert_eq!(case.refused(&payer(), evidence(2)), DisputeError::EvidenceExists);
    case.ok(&platform(), assign());
    case.ok(&payer(), evidence(5));
    assert_eq!((case.dispute.status(), case.dispute.evidence()), (DisputeStatus::Review, 5));
}

#[test]
fn evidence_is_accepted_in_time_and_before_the_decision() {
    // DSP-13, MNY-17
    let mut late = Case::opened();
    assert_eq!(late.clone().wait(71).refused(&stranger(), evidence(1)), DisputeError::NotFound);
    late.clone().wait(71).ok(&payer(), evidence(1));
    assert_eq!(late.wait(72).refused(&payer(), evidence(1)), DisputeError::EvidenceClosed, "by the command's clock");

    let mut closed = Case::opened();
    let decision_due_at = Some(closed.now);
    assert_eq!(names(&closed.ok(&system(), DisputeCommand::RecordEvidenceClosed { decision_due_at })), ["evidence_closed"]);
    assert!(closed.ok(&system(), DisputeCommand::RecordEvidenceClosed { decision_due_at }).is_empty());
    assert_eq!(closed.refused(&payer(), evidence(1)), DisputeError::EvidenceClosed);
    assert_eq!(closed.dispute.decision_due_at(), decision_due_at);

    for status in [DisputeStatus::Decided, DisputeStatus::Closed] {
        assert_eq!(Case::opened().to(status).refused(&payer(), evidence(1)), DisputeError::EvidenceClosed);
    }
}

#[test]
fn one_case_takes_a_bounded_amount_of_evidence() {
    let mut case = Case::opened();
    for n in 1..=u128::from(super::super::decide::MOST_EVIDENCE) {
        case.ok(&payer(), evidence(n));
    }
    assert_eq!(case.refused(&payer(), evidence(9_999)).describe().1, "EVIDENCE_LIMIT");
}

#[test]
fn a_resolver_starts_the_review_and_another_takes_it_over() {
    // DSP-14, DSP-22
    let mut case = Case::opened();
    assert_eq!(names(&case.ok(&tenant(), assign())), ["assigned", "review_started"]);
    assert_eq!(case.dispute.assignee_id(), Some(RESOLVER));
    let other = DisputeCommand::Assign { assignee_id: platform().id };
    assert_eq!(names(&case.ok(&platform(), other)), ["assigned"]);
    assert_eq!((case.dispute.assignee_id(), case.dispute.status()), (Some(platform().id), DisputeStatus::Review));
}

#[test]
fn a_party_is_no_resolver_and_chooses_none() {
    // MNY-33
    for assignee_id in [PAYER, PAYEE] {
        let refusal = Case::opened().refused(&platform(), DisputeCommand::Assign { assignee_id });
        assert_eq!(refusal, DisputeError::ConflictOfInterest);
    }
    let staff = Actor { id: PAYER, ..tenant() };
    assert_eq!(Case::opened().refused(&staff, assign()), DisputeError::ConflictOfInterest);
    let mut by_staff = Case::unopened();
    let DisputeCommand::Open(mut open) = Case::open(facts()) else { panic!() };
    open.raised_by = tenant().id;
    by_staff.ok(&system(), DisputeCommand::Open(open));
    assert_eq!(by_staff.refused(&tenant(), assign()), DisputeError::ConflictOfInterest, "the raiser in person");
    by_staff.ok(&Actor { id: RESOLVER, ..tenant() }, DisputeCommand::Assign { assignee_id: platform().id });
}

#[test]
fn an_enforced_decision_closes_the_case() {
    // DSP-25, DSP-27, DSP-41
    use DisputeMark::{None, ResolvedRefunded, ResolvedRejected};
    let half = || split("5000", "5000", "0");
    let ends = [
        (CaseDecision::Release, Resolution::Release, ResolvedRejected),
        (CaseDecision::Refund, Resolution::Refund, ResolvedRefunded),
        (half(), Resolution::Split, ResolvedRefunded),
        (CaseDecision::Redo, Resolution::Redo, None),
        (CaseDecision::Close, Resolution::Rejected, ResolvedRejected),
    ];
    for (decision, resolution, mark) in ends {
        let mut case = Case::opened().to(DisputeStatus::Review);
        case.ok(&tenant(), decide(decision));
        assert_eq!((case.dispute.resolution(), case.dispute.mark()), (resolution, mark), "from the decision on");
        assert_eq!(names(&case.ok(&system(), outcome(resolution))), ["enforced", "closed"]);
        assert_eq!((case.dispute.status(), case.dispute.resolution(), case.dispute.mark()), (DisputeStatus::Closed, resolution, mark));
        assert!(case.ok(&system(), outcome(resolution)).is_empty(), "closed once");
    }
}

#[test]
fn a_decision_that_could_not_be_carried_out_reopens_the_review() {
    // DSP-41
    let mut case = Case::opened().to(DisputeStatus::Decided);
    let declined = || DisputeCommand::RecordDeclined { code: "DECISION_AMOUNT_INVALID".into(), contested: eur("6000") };
    assert_eq!(names(&case.ok(&system(), declined())), ["decision_returned"]);
    assert_eq!((case.dispute.status(), case.dispute.contested()), (DisputeStatus::Review, Some(eur("6000"))));
    assert_eq!((case.dispute.decision(), case.dispute.resolution()), (None, Resolution::None));
    assert!(case.ok(&system(), declined()).is_empty());
    case.ok(&platform(), decide(split("2000", "4000", "0")));
}

#[test]
fn withdrawn_and_conceded_cases_are_over_at_any_time() {
    // DSP-26, MNY-32, MNY-34
    use DisputeStatus::{Decided, DecisionPending, Evidence, Opened, Review};
    let nothing = eur("0");
    for status in [Opened, Evidence, Review, DecisionPending, Decided] {
        let withdrawn = OutcomeOfCase {
            resolution: Resolution::Rejected,
            released: nothing,
            refunded: nothing,
            penalty: nothing,
            withdrawn: true,
            conceded: false,
        };
        let conceded =
            OutcomeOfCase { resolution: Resolution::Refund, refunded: eur("10000"), withdrawn: false, conceded: true, ..withdrawn.clone() };
        let mut case = Case::opened().to(status);
        case.clone().ok(&system(), DisputeCommand::RecordOutcome(withdrawn));
        assert_eq!(names(&case.ok(&system(), DisputeCommand::RecordOutcome(conceded))), ["enforced", "closed"]);
        let closing = case.dispute.closing().unwrap();
        assert_eq!(
            (closing.resolution, closing.conceded, case.dispute.outcome().unwrap().refunded),
            (Resolution::Refund, true, eur("10000"))
        );
    }
}

#[test]
fn a_decider_closes_a_case_without_review() {
    // DSP-16, DSP-26
    for status in [DisputeStatus::Opened, DisputeStatus::Evidence, DisputeStatus::Review] {
        let mut case = Case::opened().to(status);
        let events = case.ok(&tenant(), DisputeCommand::Close { rationale: None });
        assert_eq!(decided(&events), CaseDecision::Close);
    }
    assert_eq!(Case::opened().refused(&payer(), DisputeCommand::Close { rationale: None }).describe().1, "POLICY_DENIED");
}

#[test]
fn the_contested_amount_follows_the_escrow() {
    // MNY-26, MNY-34
    let mut case = Case::opened();
    case.ok(&system(), DisputeCommand::RecordConceded { contested: eur("6000") });
    assert_eq!(case.dispute.contested(), Some(eur("6000")));
    assert!(case.ok(&system(), DisputeCommand::RecordConceded { contested: eur("6000") }).is_empty());
    case.ok(&system(), DisputeCommand::RecordWidened { contested: eur("7000") });
    let mut case = case.to(DisputeStatus::Review);
    assert_eq!(case.refused(&platform(), decide(split("1", "9999", "0"))), DisputeError::DecisionAmountInvalid { contested: eur("7000") });
    let mut over = case.to(DisputeStatus::Closed);
    assert!(over.ok(&system(), DisputeCommand::RecordWidened { contested: eur("1") }).is_empty());
}

#[test]
fn the_tenant_may_pass_it_on_and_parties_when_the_tenant_had_its_time() {
    // DSP-17
    let escalate = || DisputeCommand::Escalate { reason: Some(sealed()) };
    let mut case = Case::opened();
    for party in [payer(), talent()] {
        assert_eq!(case.refused(&party, escalate()).describe().1, "POLICY_DENIED");
        let mut late = case.clone();
        late.wait(72).ok(&party, escalate());
        let mut with_tenant = Case::with(|facts| facts.tenant_is_party = true);
        with_tenant.ok(&party, escalate());
    }
    assert_eq!(case.refused(&platform(), escalate()).describe().1, "POLICY_DENIED", "it is theirs when they are asked");
    case.ok(&tenant(), escalate());
    assert_eq!(case.refused(&tenant(), escalate()), DisputeError::AlreadyEscalated);
    assert!(case.dispute.escalated_at().is_some());
    // MNY-17: from now on the platform.
    assert_eq!(case.refused(&tenant(), assign()).describe().1, "POLICY_DENIED");
    case.ok(&platform(), assign());
    assert_eq!(case.refused(&tenant(), decide(CaseDecision::Refund)).describe().1, "POLICY_DENIED");
    case.ok(&platform(), decide(CaseDecision::Refund));

    let mut by_deadline = Case::opened();
    assert_eq!(names(&by_deadline.ok(&system(), DisputeCommand::RecordEscalated)), ["escalated"]);
    assert!(by_deadline.ok(&system(), DisputeCommand::RecordEscalated).is_empty(), "daily reminders change nothing");
}

#[test]
fn only_parties_and_staff_see_it() {
    // IDN-73
    let case = Case::opened();
    for actor in [payer(), talent(), tenant(), platform(), system()] {
        assert_eq!(case.dispute.hats(&actor, TENANT).len(), 1);
    }
    assert!(case.dispute.hats(&stranger(), TENANT).is_empty());
    assert!(case.dispute.hats(&user(0xf9, Role::Viewer), TENANT).is_empty());
    assert!(case.dispute.allowed_actions(&stranger(), TENANT, case.now).is_empty());
    for command in [assign(), evidence(1), DisputeCommand::RequestDecision] {
        assert_eq!(case.clone().refused(&stranger(), command), DisputeError::NotFound);
    }
}

#[test]
fn news_of_a_case_that_was_never_opened_is_moot() {
    let (code, contested) = ("X".to_owned(), eur("1"));
    let news = [
        DisputeCommand::RecordWidened { contested },
        DisputeCommand::RecordEscalated,
        DisputeCommand::RecordEvidenceClosed { decision_due_at: None },
        outcome(Resolution::Refund),
        DisputeCommand::RecordDeclined { code, contested },
    ];
    for command in news {
        assert!(Case::unopened().ok(&system(), command).is_empty());
    }
}
