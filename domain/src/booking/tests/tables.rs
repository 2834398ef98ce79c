//! The machine and the matrix as data: every status, action and hat (JOB-44..50), and the tables in the document.

use std::collections::BTreeSet;

use serde_json::json;

use super::case::*;
use crate::booking::{BookingAction, BookingCommand, BookingStatus, DisputeMark, MATRIX, PayoutStatus, TRANSITIONS};
use crate::escrow::Hat;
use crate::kernel::{Actor, DisputeId, DomainError};

#[test]
fn no_row_twice_and_every_action_has_hats() {
    let rows: BTreeSet<_> = TRANSITIONS.iter().map(|(from, action, _)| (from, action)).collect();
    assert_eq!(rows.len(), TRANSITIONS.len(), "a pair leads to one place");
    let listed: BTreeSet<_> = MATRIX.iter().map(|(action, _)| *action).collect();
    assert_eq!(listed.into_iter().collect::<Vec<_>>(), BookingAction::ALL);
    assert!(MATRIX.iter().all(|(_, hats)| !hats.is_empty()));
    for action in BookingAction::ALL {
        assert!(TRANSITIONS.iter().any(|(_, on, _)| on == action), "{action} leads nowhere");
    }
}

#[test]
fn every_status_can_be_reached_and_left() {
    let ends = [BookingStatus::Released, BookingStatus::Expired, BookingStatus::Cancelled];
    for status in BookingStatus::ALL {
        assert_eq!(TRANSITIONS.iter().any(|(from, _, to)| from == status && to != status), !ends.contains(status), "{status}");
        let is_start = *status == BookingStatus::Unopened;
        assert_eq!(TRANSITIONS.iter().any(|(from, _, to)| to == status && from != status), !is_start, "{status}");
    }
}

#[test]
fn names_are_those_of_json() {
    let json = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    assert!(BookingStatus::ALL.iter().all(|status| json(json!(status)) == status.as_str()));
    assert!(BookingAction::ALL.iter().all(|action| json(json!(action)) == action.as_str()));
    assert!(PayoutStatus::ALL.iter().all(|status| json(json!(status)) == status.as_str()));
}

/// A sensible command of that kind.
fn sample(action: BookingAction, case: &Case) -> BookingCommand {
    use BookingAction as A;
    let dispute_id = DisputeId(uuid::Uuid::from_u128(0xd1));
    match action {
        A::PlaceHold => hold(),
        A::ReleaseHold => BookingCommand::ReleaseHold,
        A::Create => create(),
        A::Accept => accept(),
        A::Confirm => BookingCommand::Confirm,
        A::Start => BookingCommand::Start,
        A::Complete => complete(case.booking.otp.map(|otp| otp.number)),
        A::Cancel => cancel(),
        A::Reschedule => move_to(day(12)),
        A::IssueOtp => BookingCommand::IssueOtp,
        A::SaveCallSheet => BookingCommand::SaveCallSheet { content: sealed() },
        A::PublishCallSheet => BookingCommand::PublishCallSheet,
        A::OrderRedo => BookingCommand::OrderRedo { dispute_id },
        A::RecordDispute => BookingCommand::RecordDispute { dispute_id, status: DisputeMark::Open },
        A::RecordEscrowEnded => BookingCommand::RecordEscrowEnded,
        A::MeetDeadline => match case.booking.hold_expires_at {
            Some(at) => meet("hold", at),
            None => meet("answer", case.booking.offer.as_ref().map_or(case.now, |offer| offer.answer_due_at)),
        },
    }
}

/// At least one booking in every status, in the variants that guards tell apart.
fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = BookingStatus::ALL.iter().map(|status| Case::at(*status)).collect();
    cases.push(Case::confirmed_by_hand(BookingStatus::Pending));
    cases.push(Case::confirmed_by_hand(BookingStatus::AwaitingPayment));
    for status in [BookingStatus::Pending, BookingStatus::AwaitingPayment, BookingStatus::Confirmed, BookingStatus::InProgress] {
        let mut with_sheet = Case::at(status);
        with_sheet.ok(&ops(), BookingCommand::SaveCallSheet { content: sealed() });
        cases.push(with_sheet);
    }
    cases
}

fn one_hat(hat: Hat) -> Actor {
    match hat {
        Hat::Talent => talent(),
        Hat::Payer => brand(),
        Hat::Tenant => ops(),
        Hat::Platform => platform(),
        Hat::System => system(),
    }
}

#[test]
fn every_status_action_and_hat() {
    // JOB-20..33, JOB-44..50: does the status allow it, may the actor, and does it end where the table says.
    let mut worked = BTreeSet::new();
    for case in cases() {
        let status = case.booking.status;
        for (action, hat) in BookingAction::ALL.iter().flat_map(|action| Hat::ALL.iter().map(move |hat| (*action, *hat))) {
            let (mut case, actor) = (case.clone(), one_hat(hat));
            let offered = case.booking.allowed_actions(TENANT, &actor, case.now).contains(&action);
            let command = sample(action, &case);
            let triple = format!("{status} {action} {hat}");
            let row = status.after(action);
            let reports = hat == Hat::System && action.is_reported();
            match case.act(&actor, command).map_err(|refusal| refusal.describe().1) {
                Ok(events) if events.is_empty() => assert!(reports, "{triple}: nothing happened"),
                Ok(_) => {
                    assert_eq!(Some(case.booking.status), row, "{triple}");
                    assert!(action.hats().contains(&hat) && (offered || reports), "{triple} went through");
                    worked.insert((status, action, hat));
                }
                Err(code) => {
                    assert!(!offered && !reports, "{triple}: {code}");
                    let guards = ["ESCROW_NOT_FUNDED", "CALL_SHEET_UNCHANGED", "INVALID_BOOKING_TRANSITION", "BOOKING_NOT_FOUND"];
                    let may = action.hats().contains(&hat);
                    match row {
                        None => assert!(["INVALID_BOOKING_TRANSITION", "BOOKING_NOT_FOUND"].contains(&code), "{triple}: {code}"),
                        Some(_) if may => assert!(guards.contains(&code), "{triple}: {code}"),
                        Some(_) => assert!(["POLICY_DENIED", "BOOKING_NOT_FOUND"].contains(&code), "{triple}: {code}"),
                    }
                }
            }
        }
    }
    // What the tables allow, somebody has done.
    for (status, action, _) in TRANSITIONS {
        for hat in action.hats() {
            let only_by_money = (*status, *action) == (BookingStatus::Confirmed, BookingAction::Confirm) && *hat != Hat::System;
            let only_when_agreed = (*status, *action, *hat) == (BookingStatus::Pending, BookingAction::Confirm, Hat::System);
            assert!(
                only_by_money || only_when_agreed || worked.contains(&(*status, *action, *hat)),
                "{status} {action} {hat} never worked"
            );
        }
    }
}

#[test]
fn who_has_no_part_in_it_learns_nothing() {
    // IDN-76
    for status in BookingStatus::ALL.iter().filter(|status| **status != BookingStatus::Unopened) {
        let mut case = Case::at(*status);
        for action in BookingAction::ALL {
            let command = sample(*action, &case);
            assert_eq!(case.refused(&stranger(), command), "BOOKING_NOT_FOUND", "{status} {action}");
        }
    }
}

#[test]
fn the_tenants_staff_act_for_a_tenant_that_pays() {
    let mut case = Case::unopened();
    let payer_id = crate::kernel::PartyId(TENANT.0);
    case.ok(&ops(), BookingCommand::Create(Box::new(crate::booking::CreateBooking { payer_id, ..offer() })));
    assert_eq!(case.booking.hats(TENANT, &ops()), [Hat::Payer, Hat::Tenant]);
    assert_eq!(Case::at(BookingStatus::Pending).booking.hats(TENANT, &ops()), [Hat::Tenant]);
}

/// The tables and the diagram of docs/domain/booking.md.
fn documented() -> [(&'static str, String); 3] {
    let mut lifecycle = String::from("| From | Asked for | Ends |\n| --- | --- | --- |\n");
    for (from, action, to) in TRANSITIONS {
        lifecycle += &format!("| {from} | {action} | {to} |\n");
    }
    let mut edges: Vec<(BookingStatus, BookingStatus, Vec<&str>)> = Vec::new();
    for (from, action, to) in TRANSITIONS.iter().filter(|(from, _, to)| from != to) {
        match edges.iter_mut().find(|edge| (edge.0, edge.1) == (*from, *to)) {
            Some(edge) => edge.2.push(action.as_str()),
            None => edges.push((*from, *to, vec![action.as_str()])),
        }
    }
    let mut diagram = String::from("```mermaid\nstateDiagram-v2\n");
    for (from, to, actions) in edges {
        let from = if from == BookingStatus::Unopened { "[*]" } else { from.as_str() };
        diagram += &format!("    {from} --> {to}: {}\n", actions.join(", "));
    }
    diagram += "```\n";
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
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/domain/booking.md");
    let mut text = std::fs::read_to_string(path).expect("docs/domain/booking.md");
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
        assert!(before == text, "docs/domain/booking.md differs from the code: UPDATE_DOCS=1 writes it");
    }
}
