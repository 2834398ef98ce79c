//! The machine and the matrix as data: every status, action and hat, and the tables in the document.

use std::collections::BTreeSet;

use super::case::*;
use crate::dispute::{CaseDecision, DisputeAction, DisputeCommand, DisputeStatus, MATRIX, Resolution, TRANSITIONS};
use crate::escrow::Hat;
use crate::kernel::{Actor, DomainError};

#[test]
fn no_row_twice_and_every_action_has_hats() {
    let rows: BTreeSet<_> = TRANSITIONS.iter().collect();
    assert_eq!(rows.len(), TRANSITIONS.len());
    let actions: Vec<_> = MATRIX.iter().map(|(action, _)| *action).collect();
    assert_eq!(actions, DisputeAction::ALL);
    for status in DisputeStatus::ALL {
        let is_end = *status == DisputeStatus::Closed;
        assert_eq!(TRANSITIONS.iter().any(|(from, _, to)| from == status && to != status), !is_end, "{status} can be left");
        let is_start = *status == DisputeStatus::Unopened;
        assert_eq!(TRANSITIONS.iter().any(|(from, _, to)| to == status && from != status), !is_start, "{status} can be reached");
    }
}

#[test]
fn names_are_those_of_json() {
    let json = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    assert!(DisputeStatus::ALL.iter().all(|status| json(serde_json::json!(status)) == status.as_str()));
    assert!(DisputeAction::ALL.iter().all(|action| json(serde_json::json!(action)) == action.as_str()));
}

#[test]
fn the_short_list_has_one_word_for_a_decision() {
    // DSP-27
    let stages: Vec<_> = DisputeStatus::ALL.iter().map(|status| status.stage()).collect();
    assert_eq!(stages, ["unopened", "opened", "evidence", "review", "decision", "decision", "closed"]);
}

/// A sensible command of that kind.
fn sample(action: DisputeAction) -> DisputeCommand {
    use DisputeAction as A;
    match action {
        A::Open => Case::open(facts()),
        A::AddEvidence => evidence(7),
        A::Assign => assign(),
        A::RequestDecision => DisputeCommand::RequestDecision,
        A::Decide => decide(CaseDecision::Release),
        A::Close => DisputeCommand::Close { rationale: None },
        A::Escalate => DisputeCommand::Escalate { reason: None },
        A::RecordWidened => DisputeCommand::RecordWidened { contested: eur("10001") },
        A::RecordConceded => DisputeCommand::RecordConceded { contested: eur("1") },
        A::RecordEvidenceClosed => DisputeCommand::RecordEvidenceClosed { decision_due_at: None },
        A::RecordEscalated => DisputeCommand::RecordEscalated,
        A::RecordOutcome => outcome(Resolution::Refund),
        A::RecordDeclined => DisputeCommand::RecordDeclined { code: "X".into(), contested: eur("1") },
    }
}

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
    // DSP-20..26: transition allowed? actor allowed? In that order, and as the tables say.
    let mut worked = BTreeSet::new();
    for status in DisputeStatus::ALL {
        // One where parties may escalate already, and everything else is possible still.
        let case = if *status == DisputeStatus::Unopened { Case::unopened() } else { Case::opened().to(*status) };
        for (action, hat) in DisputeAction::ALL.iter().flat_map(|action| Hat::ALL.iter().map(move |hat| (*action, *hat))) {
            let (mut case, actor) = (case.clone(), one_hat(hat));
            if action == DisputeAction::Escalate {
                case.wait(72);
            }
            let is_offered = case.dispute.allowed_actions(&actor, TENANT, case.now).contains(&action);
            let triple = format!("{status} {action} {hat}");
            match case.act(&actor, sample(action)).map_err(|refusal| refusal.describe().1) {
                Ok(_) => {
                    assert!(status.allows(action) && action.hats().contains(&hat) && is_offered, "{triple} went through");
                    worked.insert((*status, action, hat));
                }
                Err("DISPUTE_NOT_FOUND") => assert!(*status == DisputeStatus::Unopened && !is_offered, "{triple}"),
                Err(code) if !status.allows(action) => {
                    assert!(["INVALID_DISPUTE_TRANSITION", "EVIDENCE_CLOSED"].contains(&code) && !is_offered, "{triple}: {code}");
                }
                Err(code) => assert!(code == "POLICY_DENIED" && !is_offered && !action.hats().contains(&hat), "{triple}: {code}"),
            }
        }
    }
    for (status, action, _) in TRANSITIONS {
        for hat in action.hats() {
            assert!(worked.contains(&(*status, *action, *hat)), "{status} {action} {hat} never worked");
        }
    }
}

/// The two tables of docs/domain/dispute.md.
fn documented() -> [(&'static str, String); 2] {
    let mut lifecycle = String::from("| From | Asked for | Ends |\n| --- | --- | --- |\n");
    for (from, action, to) in TRANSITIONS {
        lifecycle += &format!("| {from} | {action} | {to} |\n");
    }
    let mut matrix = String::from("| Action | Talent | Payer | Tenant | Platform | System |\n| --- | --- | --- | --- | --- | --- |\n");
    for (action, hats) in MATRIX {
        let cells: Vec<_> = Hat::ALL.iter().map(|hat| if hats.contains(hat) { "yes" } else { "–" }).collect();
        matrix += &format!("| {action} | {} |\n", cells.join(" | "));
    }
    [("lifecycle", lifecycle), ("matrix", matrix)]
}

/// `UPDATE_DOCS=1 cargo test -p holdfast-domain the_document` writes them.
#[test]
fn the_document_shows_these_tables() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/domain/dispute.md");
    let mut text = std::fs::read_to_string(path).expect("docs/domain/dispute.md");
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
        assert!(before == text, "docs/domain/dispute.md differs from the code: UPDATE_DOCS=1 writes it");
    }
}
