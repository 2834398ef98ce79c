//! The machine as data: every status and every command (CTR-30..36, CNF-12).

use std::collections::BTreeSet;

use super::case::*;
use crate::contract::*;
use crate::kernel::{DomainError, MilestoneId};
use uuid::Uuid;

/// A sensible command of that kind, by somebody who may.
fn sample(action: ContractAction, status: ContractStatus) -> (crate::kernel::Context, ContractCommand) {
    match action {
        ContractAction::Create => (staff(), ContractCommand::Create(Box::new(create()))),
        ContractAction::Edit => (staff(), ContractCommand::Edit { version: version(), milestones: None }),
        ContractAction::AddSigner => {
            (staff(), ContractCommand::AddSigner(signer(crate::kernel::SignerId(Uuid::from_u128(0x53)), None, None)))
        }
        ContractAction::Send => (staff(), send()),
        ContractAction::Sign if status == ContractStatus::PartiallySigned => (user(TALENT), sign(TALENT_SIGNS)),
        ContractAction::Sign => (user(PAYER), sign(PAYER_SIGNS)),
        ContractAction::Void => (staff(), void()),
        ContractAction::ReachMilestone => {
            let milestone_id = MilestoneId(Uuid::from_u128(0x1001));
            (staff(), ContractCommand::ReachMilestone { milestone_id, evidence: None })
        }
        ContractAction::RecordEnvelope => {
            (system(), ContractCommand::RecordEnvelope { provider: ESignProvider::Sandbox, envelope_id: "env-1".to_owned() })
        }
        ContractAction::StoreArtifact => (system(), ContractCommand::StoreArtifact(artifact("aa"))),
        ContractAction::RecordEscrow => (system(), mark(ESCROW, EscrowMark::Created)),
    }
}

#[test]
fn every_status_and_command_lands_where_the_table_says() {
    // CTR-30..36, CNF-12
    for status in ContractStatus::ALL {
        let case = Case::in_status(*status);
        for action in ContractAction::ALL {
            let (context, command) = sample(*action, *status);
            assert_eq!(command.action(), *action);
            let decided = case.decide(context, command);
            let targets: Vec<_> = TRANSITIONS.iter().filter(|(from, on, _)| (from, on) == (status, action)).map(|(_, _, to)| *to).collect();
            match decided {
                Ok(events) if action.is_total() => {
                    assert!(events.iter().all(|event| event.from == *status && event.to == *status), "{status} {action}");
                    assert_eq!(events.is_empty(), *status == ContractStatus::Unopened, "{status} {action}");
                }
                Ok(events) => {
                    let to = events.last().unwrap_or_else(|| panic!("{status} {action}: nothing happened")).to;
                    assert!(targets.contains(&to), "{status} {action} leads to {to}");
                }
                Err(refusal) => {
                    assert!(targets.is_empty() && !action.is_total(), "{status} {action}: {refusal}");
                    let expected = match (status, action) {
                        (_, ContractAction::Create) => "CONTRACT_EXISTS",
                        (ContractStatus::Unopened, _) => "CONTRACT_NOT_FOUND",
                        (_, ContractAction::Edit | ContractAction::AddSigner) => "CONTRACT_NOT_DRAFT",
                        (_, ContractAction::Void) => "CONTRACT_NOT_VOIDABLE",
                        _ => "INVALID_CONTRACT_TRANSITION",
                    };
                    assert_eq!(refusal.describe().1, expected, "{status} {action}");
                }
            }
        }
    }
}

#[test]
fn no_row_twice_and_no_dead_end_but_signed_and_void() {
    let rows: BTreeSet<_> = TRANSITIONS.iter().collect();
    assert_eq!(rows.len(), TRANSITIONS.len());
    for status in ContractStatus::ALL {
        let is_end = matches!(status, ContractStatus::Signed | ContractStatus::Void);
        assert_eq!(!TRANSITIONS.iter().any(|(from, _, to)| from == status && to != status), is_end, "{status}");
    }
}

#[test]
fn names_are_those_of_json() {
    let json = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    assert!(ContractStatus::ALL.iter().all(|value| json(serde_json::json!(value)) == value.as_str()));
    assert!(ContractAction::ALL.iter().all(|value| json(serde_json::json!(value)) == value.as_str()));
    assert!(ESignProvider::ALL.iter().all(|value| json(serde_json::json!(value)) == value.as_str()));
    assert!(ArtifactKind::ALL.iter().all(|value| json(serde_json::json!(value)) == value.as_str()));
    assert!(PartyType::ALL.iter().all(|value| json(serde_json::json!(value)) == value.as_str()));
    assert!(EscrowMark::ALL.iter().all(|value| json(serde_json::json!(value)) == value.as_str()));
    assert!(MilestoneStatus::ALL.iter().all(|value| json(serde_json::json!(value)) == value.as_str()));
}

#[test]
fn only_the_machinery_reports() {
    let case = Case::in_status(ContractStatus::Sent);
    for action in [ContractAction::RecordEnvelope, ContractAction::StoreArtifact, ContractAction::RecordEscrow] {
        let (_, command) = sample(action, ContractStatus::Sent);
        assert_eq!(case.refused(staff(), command).1, "POLICY_DENIED", "{action}");
    }
}
