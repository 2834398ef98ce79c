//! What is stored keeps its shape: events, state, codes.

use std::collections::BTreeSet;

use cqrs_es::Aggregate;

use super::case::*;
use crate::dispute::{CaseDecision, Dispute, DisputeAction, DisputeCommand, DisputeError, DisputeEvent, DisputeStatus, Resolution};
use crate::kernel::{DomainError, StoredEvent, TenantAggregate};

/// One history through most of what the state keeps.
fn history() -> Case {
    let mut case = Case::opened();
    case.wait(1).ok(&payer(), evidence(1));
    case.ok(&talent(), evidence(2));
    case.ok(&system(), DisputeCommand::RecordConceded { contested: eur("9000") });
    case.wait(72).ok(&system(), DisputeCommand::RecordEvidenceClosed { decision_due_at: Some("2025-03-11T12:00:00Z".parse().unwrap()) });
    case.ok(&tenant(), DisputeCommand::Escalate { reason: None });
    case.ok(&platform(), assign());
    case.ok(&platform(), DisputeCommand::RequestDecision);
    case.ok(&platform(), decide(CaseDecision::Refund));
    case.ok(&system(), DisputeCommand::RecordDeclined { code: "DECISION_AMOUNT_INVALID".into(), contested: eur("8000") });
    case.ok(&platform(), decide(split("4000", "4000", "0")));
    case.wait(1).ok(&system(), outcome(Resolution::Split));
    case
}

#[test]
fn folding_is_that_of_its_version() {
    // Protocols: a change of folding without a new FOLD_VERSION would let old snapshots live on.
    let case = history();
    let state = serde_json::to_string(&case.dispute).unwrap();
    let hash = blake3::hash(state.as_bytes()).to_hex();
    let golden = (1, "446c1f69d0b4c11d9438b66730afe92b043b7b9f6c4c810cc7fa3ae4707aa49d");
    assert_eq!((Dispute::FOLD_VERSION, hash.as_str()), golden, "the state is now {state}");
    let read: Dispute = serde_json::from_str(&state).unwrap();
    assert_eq!(read, case.dispute);
}

#[test]
fn events_read_back_as_they_were_written() {
    // DSP-03, DSP-33, DSP-46.
    let case = history();
    let mut again = Dispute::default();
    for event in &case.log {
        let text = serde_json::to_string(event).unwrap();
        let event: DisputeEvent = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        again.apply(event);
    }
    assert_eq!(again, case.dispute);
    let names: BTreeSet<_> = case.log.iter().map(StoredEvent::name).collect();
    assert_eq!(names.len(), 12, "{names:?}");
}

#[test]
fn personal_words_stay_sealed() {
    let case = history();
    let sealed = |name: &str| case.log.iter().find(|event| event.name() == name).unwrap().personal().len();
    assert_eq!([sealed("dispute.opened"), sealed("dispute.evidence_added"), sealed("dispute.decided")], [1, 1, 1]);
    assert!(!serde_json::to_string(&case.dispute).unwrap().contains("c2VhbGVk"), "the state keeps none of them");
}

#[test]
fn every_refusal_has_its_own_code() {
    let amount = eur("1");
    let all = [
        DisputeError::NotFound,
        DisputeError::NotAllowed { status: DisputeStatus::Opened, action: DisputeAction::Decide },
        DisputeError::EvidenceClosed,
        DisputeError::Denied { action: DisputeAction::Decide },
        DisputeError::ConflictOfInterest,
        DisputeError::AlreadyEscalated,
        DisputeError::RedoLimitReached,
        DisputeError::RedoAfterSettlement,
        DisputeError::EvidenceExists,
        DisputeError::EvidenceLimit { limit: 1 },
        DisputeError::CurrencyMismatch { expected: amount.currency(), found: amount.currency() },
        DisputeError::DecisionAmountInvalid { contested: amount },
        DisputeError::PenaltyAboveCap { cap: amount },
    ];
    let codes: BTreeSet<_> = all.iter().map(|error| error.describe().1).collect();
    assert_eq!(codes.len(), all.len());
    assert!(all.iter().all(|error| error.details().is_object() && !error.to_string().is_empty()));
}
