//! The machine and the matrix as data: every status, action and hat (ESC-30..51, ESC-80), and the tables in the document.

use std::collections::BTreeSet;

use super::case::*;
use crate::escrow::{
    Decision, EscrowAction, EscrowCommand, EscrowStatus, FundingFailure, FundingSource, Hat, MATRIX, Outcome, TRANSITIONS,
};
use crate::kernel::{Actor, DomainError, EventId, HoldId};

#[test]
fn no_row_twice_and_every_action_has_hats() {
    let rows: BTreeSet<_> = TRANSITIONS.iter().collect();
    assert_eq!(rows.len(), TRANSITIONS.len());
    let actions: Vec<_> = MATRIX.iter().map(|(action, _)| *action).collect();
    assert_eq!(actions, EscrowAction::ALL);
    assert!(MATRIX.iter().all(|(_, hats)| !hats.is_empty()));
    for action in EscrowAction::ALL {
        assert!(action.is_total() || TRANSITIONS.iter().any(|(_, on, _)| on == action), "{action} leads nowhere");
    }
}

#[test]
fn every_status_can_be_reached_and_left() {
    // MNY-17
    for status in EscrowStatus::ALL {
        let is_end = matches!(status, EscrowStatus::Cancelled | EscrowStatus::Closed);
        assert_eq!(TRANSITIONS.iter().any(|(from, _, to)| from == status && to != status), !is_end, "{status}");
        let is_start = *status == EscrowStatus::Unopened;
        assert_eq!(TRANSITIONS.iter().any(|(from, _, to)| to == status && from != status), !is_start, "{status}");
    }
}

#[test]
fn names_are_those_of_json() {
    let json = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    assert!(EscrowStatus::ALL.iter().all(|status| json(serde_json::json!(status)) == status.as_str()));
    assert!(EscrowAction::ALL.iter().all(|action| json(serde_json::json!(action)) == action.as_str()));
    assert!(Hat::ALL.iter().all(|hat| json(serde_json::json!(hat)) == hat.to_string()));
    assert!(Outcome::ALL.iter().all(|outcome| json(serde_json::json!(outcome)) == outcome.as_str()));
}

#[test]
fn other_vocabularies() {
    // ESC-49
    let names = |status: EscrowStatus, outcome| {
        let legacy = status.legacy_status(outcome);
        (legacy.list, legacy.flow, legacy.short)
    };
    assert_eq!(names(EscrowStatus::Created, None), (Some("created"), Some("CREATED"), Some("pending")));
    assert_eq!(names(EscrowStatus::InProgress, None), (Some("locked"), Some("IN_PROGRESS"), Some("locked")));
    assert_eq!(names(EscrowStatus::Releasable, None), (Some("releasable"), Some("DELIVERY_APPROVED"), Some("locked")));
    assert_eq!(names(EscrowStatus::Refunded, Some(Outcome::Refunded)), (None, Some("REFUNDED"), Some("refunded")));
    assert_eq!(names(EscrowStatus::Closed, Some(Outcome::Refunded)), (Some("closed"), Some("REFUNDED"), Some("refunded")));
    assert_eq!(names(EscrowStatus::Closed, Some(Outcome::Settled)), (Some("closed"), Some("SETTLED"), Some("released")));
}

/// At least one escrow in every status, in the variants that guards tell apart.
fn cases() -> Vec<Case> {
    use EscrowStatus::{Created, DeliverySubmitted, Funded, FundingPending, InProgress, Locked, PartialReleased, Releasable};
    let mut cases = vec![Case::unopened(settings())];
    let live = [Created, FundingPending, Funded, Locked, InProgress, DeliverySubmitted, Releasable, PartialReleased];
    cases.extend(live.map(|status| Case::created().to(status)));
    cases.push(Case::with(|settings| settings.escrow.delivery_required = false).to(Locked));
    for status in [Funded, Locked] {
        let mut asked = Case::created().to(status);
        asked.ok(&tenant(), cancel());
        cases.push(asked);
    }
    for raiser in [talent(), payer(), user(party(0xaa), &[crate::kernel::Role::Ops])] {
        for status in [Funded, Locked, InProgress, DeliverySubmitted, Releasable, PartialReleased] {
            let mut whole = Case::created().to(status);
            whole.ok(&raiser, contest(None));
            cases.push(whole);
        }
        for status in [DeliverySubmitted, Releasable, PartialReleased] {
            let mut part = Case::created().to(status);
            part.ok(&raiser, contest(Some("1000")));
            cases.push(part);
        }
    }
    let mut cancelled = Case::created();
    cancelled.ok(&tenant(), cancel());
    let mut released = Case::created().to(Releasable);
    released.ok(&platform(), release_all());
    let mut closed = released.clone();
    closed.land_all();
    let mut refunded = Case::created().to(Funded);
    refunded.ok(&platform(), EscrowCommand::Refund { reason: crate::escrow::RefundReason::Cancellation });
    for raiser in [talent(), payer(), user(party(0xaa), &[crate::kernel::Role::Ops])] {
        let mut later = closed.clone();
        later.ok(&raiser, contest(Some("1000")));
        cases.push(later.clone());
        later.freeze_all();
        cases.push(later);
    }
    cases.extend([cancelled, released, closed, refunded]);
    for command in [decide(Decision::Release), decide(Decision::Refund), split("1", "9999", "0")] {
        let mut resolved = Case::created().to(InProgress);
        resolved.ok(&payer(), contest(None));
        resolved.ok(&platform(), command);
        cases.push(resolved);
    }
    let statuses: BTreeSet<_> = cases.iter().map(|case| case.escrow.status()).collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), EscrowStatus::ALL);
    cases
}

/// A sensible command of that kind.
pub(super) fn sample(action: EscrowAction, case: &mut Case) -> EscrowCommand {
    use EscrowAction as A;
    let contested = case.escrow.amounts().map_or(eur("2"), |_| case.at_stake());
    let one = eur("1");
    let rest = contested.try_sub(one).unwrap();
    let text = || "because".to_owned();
    match action {
        A::Create => EscrowCommand::Create(Case::create(eur("10000"))),
        A::Fund => EscrowCommand::Fund { source: FundingSource::Wallet },
        A::AcceptFunding => case.hold(0, eur("10000")),
        A::FailFunding => EscrowCommand::FailFunding { attempt: 0, reason: FundingFailure::InsufficientFunds },
        A::Lock => EscrowCommand::Lock,
        A::StartWork => EscrowCommand::StartWork,
        A::SubmitDelivery => deliver(),
        A::Approve => EscrowCommand::Approve { note: None },
        A::MakeReleasable => EscrowCommand::MakeReleasable,
        A::Release => release_all(),
        A::ReleasePartial => EscrowCommand::ReleasePartial { amount: one, reason: None },
        A::Refund => EscrowCommand::Refund { reason: crate::escrow::RefundReason::Cancellation },
        A::DeclineRefund => EscrowCommand::DeclineRefund { reason: text() },
        A::Cancel => EscrowCommand::Cancel { reason: text() },
        A::Dispute => contest(None),
        A::WidenDispute => EscrowCommand::WidenDispute { dispute_id: None, amount: one },
        A::ResolveRelease => decide(Decision::Release),
        A::ResolveRefund => decide(Decision::Refund),
        A::ResolveSplit => decide(Decision::Split { release: one, refund: rest, penalty: eur("0") }),
        A::Redo => decide(Decision::Redo),
        A::Dismiss => decide(Decision::Dismiss),
        A::Concede => EscrowCommand::Concede { dispute_id: None, refund: one },
        A::WithdrawDispute => EscrowCommand::WithdrawDispute { dispute_id: None },
        A::MeetDeadline => {
            let at = case.escrow.deadlines().progress.map_or(case.now, |deadline| deadline.at);
            EscrowCommand::MeetDeadline { key: "progress".into(), at }
        }
        A::RecordLanding => {
            let awaited = case.escrow.landings_awaited().next();
            let event_id = awaited.map_or(EventId(uuid::Uuid::nil()), |landing| landing.event_id);
            EscrowCommand::RecordLanding { event_id, leg: awaited.map_or(0, |landing| landing.leg) }
        }
        A::RecordCaseFrozen => case.freeze_next().unwrap_or(EscrowCommand::RecordCaseFrozen { hold_id: HoldId(ESCROW.0), frozen: one }),
        A::RecordContractSigned => EscrowCommand::RecordContractSigned,
        A::EndAgreement => EscrowCommand::EndAgreement { reason: text() },
        A::RecordStartMoved => EscrowCommand::RecordStartMoved { starts_at: case.now + chrono::TimeDelta::hours(1_000) },
        A::EscalateDispute => EscrowCommand::EscalateDispute { dispute_id: case.dispute_id() },
        A::Enforce => EscrowCommand::Enforce { dispute_id: case.dispute_id(), decision: Decision::Release, contested, rationale: None },
    }
}

/// Codes that say "not in this status".
pub(super) const BY_STATUS: [&str; 6] = [
    "ESCROW_NOT_FOUND",
    "INVALID_ESCROW_TRANSITION",
    "WORK_STARTED",
    "REFUND_AFTER_APPROVAL",
    "DISPUTE_ALREADY_OPEN",
    "DISPUTE_WINDOW_CLOSED",
];

fn one_hat(hat: Hat) -> Actor {
    match hat {
        Hat::Talent => talent(),
        Hat::Payer => payer(),
        Hat::Tenant => tenant(),
        Hat::Platform => platform(),
        Hat::System => system(),
    }
}

#[test]
fn every_status_action_and_hat() {
    // ESC-56, ESC-57, ESC-80: transition allowed? actor allowed? In that order, and as the tables say.
    let mut worked = BTreeSet::new();
    for case in cases() {
        let status = case.escrow.status();
        // Whoever decides may enforce: that has tests of its own.
        let asked_for = EscrowAction::ALL.iter().filter(|action| **action != EscrowAction::Enforce);
        for (action, hat) in asked_for.flat_map(|action| Hat::ALL.iter().map(move |hat| (*action, *hat))) {
            let (mut case, actor) = (case.clone(), one_hat(hat));
            let is_offered = case.escrow.allowed_actions(&actor, case.now).contains(&action);
            let command = sample(action, &mut case);
            let triple = format!("{status} {action} {hat}");
            match case.act(&actor, command).map_err(|refusal| refusal.describe().1) {
                Ok(_) => {
                    assert!(status.allows(action) && action.hats().contains(&hat) && is_offered, "{triple} went through");
                    worked.insert((status, action, hat));
                }
                Err(code) if !status.allows(action) => assert!(BY_STATUS.contains(&code) && !is_offered, "{triple}: {code}"),
                Err("POLICY_DENIED") => assert!(!is_offered, "{triple}"),
                Err(code) => {
                    // A guard: an escrow that needs a delivery, has no request, no case, or a case already.
                    let guards = ["INVALID_ESCROW_TRANSITION", "REFUND_REQUESTED", "DISPUTE_ALREADY_OPEN", "CONTRACT_NOT_SIGNED"];
                    assert!(guards.contains(&code) && !is_offered, "{triple}: {code}");
                }
            }
            if status.allows(action) && !action.hats().contains(&hat) {
                assert!(!is_offered, "{triple} is offered");
            }
        }
    }
    // What the tables allow, somebody has done.
    for (status, action, _) in TRANSITIONS {
        for hat in action.hats() {
            // ESC-50a: the tenant must be the payer. ESC-39: the machinery needs a signed contract, and then has gone on.
            let needs_the_tenant_to_pay = (*action, *hat) == (EscrowAction::Approve, Hat::Payer);
            let needs_a_contract = *status == EscrowStatus::Locked
                && *hat == Hat::System
                && matches!(action, EscrowAction::Approve | EscrowAction::Release | EscrowAction::MakeReleasable);
            assert!(
                needs_the_tenant_to_pay || needs_a_contract || worked.contains(&(*status, *action, *hat)),
                "{status} {action} {hat} never worked"
            );
        }
    }
}

#[test]
fn somebody_with_several_hats_may_what_any_of_them_may() {
    let all = Actor { roles: [crate::kernel::Role::Finance, crate::kernel::Role::PlatformFinance].into(), ..payer() };
    let case = Case::created().to(EscrowStatus::Funded);
    assert_eq!(case.escrow.hats(&all), [Hat::Payer, Hat::Tenant, Hat::Platform]);
    let allowed = case.escrow.allowed_actions(&all, case.now);
    assert_eq!(allowed, [EscrowAction::Lock, EscrowAction::StartWork, EscrowAction::Refund, EscrowAction::Cancel, EscrowAction::Dispute]);
    assert!(case.escrow.allowed_actions(&stranger(), case.now).is_empty());
}

#[test]
fn who_has_no_part_in_it_learns_nothing() {
    // IDN-73, IDN-76: not even the status, which a refused transition would tell.
    for status in [EscrowStatus::Created, EscrowStatus::Funded, EscrowStatus::InProgress, EscrowStatus::Releasable] {
        let mut case = Case::created().to(status);
        for command in [EscrowCommand::Lock, EscrowCommand::StartWork, EscrowCommand::WithdrawDispute { dispute_id: None }] {
            assert_eq!(case.refused(&stranger(), command), crate::escrow::EscrowError::NotFound);
        }
    }
}

/// The two tables and the diagram of docs/domain/escrow.md.
fn documented() -> [(&'static str, String); 3] {
    let mut lifecycle = String::from("| From | Asked for | Ends |\n| --- | --- | --- |\n");
    let mut diagram = String::from("```mermaid\nstateDiagram-v2\n");
    let mut pairs: Vec<(EscrowStatus, EscrowAction)> = Vec::new();
    for (from, action, _) in TRANSITIONS {
        if !pairs.contains(&(*from, *action)) {
            pairs.push((*from, *action));
        }
    }
    for (from, action) in pairs {
        let ends: Vec<_> = TRANSITIONS.iter().filter(|row| (row.0, row.1) == (from, action)).map(|row| row.2.as_str()).collect();
        lifecycle += &format!("| {from} | {action} | {} |\n", ends.join(", "));
    }
    let mut edges: Vec<(EscrowStatus, EscrowStatus, Vec<&str>)> = Vec::new();
    for (from, action, to) in TRANSITIONS.iter().filter(|(from, _, to)| from != to) {
        match edges.iter_mut().find(|edge| (edge.0, edge.1) == (*from, *to)) {
            Some(edge) => edge.2.push(action.as_str()),
            None => edges.push((*from, *to, vec![action.as_str()])),
        }
    }
    for (from, to, actions) in edges {
        let from = if from == EscrowStatus::Unopened { "[*]" } else { from.as_str() };
        diagram += &format!("    {from} --> {to}: {}\n", actions.join(", "));
    }
    diagram += "    cancelled --> [*]\n    closed --> [*]\n```\n";
    let mut matrix = String::from("| Action | Talent | Payer | Tenant | Platform | System |\n| --- | --- | --- | --- | --- | --- |\n");
    for (action, hats) in MATRIX {
        let cells: Vec<_> = Hat::ALL.iter().map(|hat| if hats.contains(hat) { "yes" } else { "–" }).collect();
        matrix += &format!("| {action} | {} |\n", cells.join(" | "));
    }
    [("lifecycle", lifecycle), ("diagram", diagram), ("matrix", matrix)]
}

/// `UPDATE_DOCS=1 cargo test -p holdfast-domain the_document` writes them.
#[test]
fn the_document_shows_these_tables() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/domain/escrow.md");
    let mut text = std::fs::read_to_string(path).expect("docs/domain/escrow.md");
    let before = text.clone();
    for (name, table) in documented() {
        let (begin, end) = (format!("<!-- {name}: from the code -->\n"), format!("<!-- end of {name} -->"));
        let from = text.find(&begin).unwrap_or_else(|| panic!("no {begin:?}")) + begin.len();
        let to = from + text[from..].find(&end).unwrap_or_else(|| panic!("no {end:?}"));
        text.replace_range(from..to, &format!("\n{table}\n"));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    } else {
        assert!(before == text, "docs/domain/escrow.md differs from the code: UPDATE_DOCS=1 writes it");
    }
}
