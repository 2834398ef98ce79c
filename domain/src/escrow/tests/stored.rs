//! What is stored keeps its shape: events, state, codes.

use std::collections::BTreeSet;

use cqrs_es::Aggregate;

use super::case::*;
use crate::escrow::{Decision, Escrow, EscrowCommand, EscrowError, EscrowEvent, EscrowStatus, FundingSource};
use crate::kernel::{DomainError, StoredEvent, TenantAggregate};

/// One history through most of what the state keeps.
fn history() -> Case {
    let mut case = Case::created();
    case.ok(&payer(), EscrowCommand::Fund { source: FundingSource::BankTransfer });
    case.receive(eur("4000"));
    case.receive(eur("7000"));
    case.ok(&tenant(), EscrowCommand::StartWork);
    case.wait(5).ok(&talent(), deliver());
    case.wait(5).ok(&payer(), contest(Some("1000")));
    case.ok(&tenant(), decide(Decision::Dismiss));
    case.ok(&tenant(), EscrowCommand::Approve { note: None });
    case.ok(&platform(), release_part("3333.33"));
    case.ok(&talent(), contest(Some("2000")));
    case.ok(&platform(), split("500", "1500", "0"));
    case.ok(&tenant(), contest(None));
    case.land_all();
    case.wait(1).ok(&platform(), decide(Decision::Dismiss));
    case
}

#[test]
fn folding_is_that_of_its_version() {
    // Protocols: a change of folding without a new FOLD_VERSION would let old snapshots live on.
    let state = serde_json::to_string(&history().escrow).unwrap();
    let hash = blake3::hash(state.as_bytes()).to_hex();
    let golden = (3, "818b26952006ecf84c76dcd093be4e7eaecb43e566fb8c3b6f1eefeafcc2ea6e");
    assert_eq!((Escrow::FOLD_VERSION, hash.as_str()), golden, "the state is now {state}");
}

#[test]
fn a_stored_event_reads_as_documented() {
    // ESC-86
    let case = Case::created();
    let json = serde_json::to_value(&case.log[0]).unwrap();
    assert_eq!(json["from"], "unopened");
    assert_eq!(json["to"], "created");
    assert_eq!(json["deadlines"]["progress"]["action"], "cancel");
    assert_eq!(json["fact"]["created"]["terms"]["amount"], serde_json::json!({ "amount": "10000.00", "currency": "EUR" }));
    assert_eq!(json["fact"]["created"]["terms"]["entitlements"]["payee"], 882_000);
    let locked = Case::created().to(EscrowStatus::Locked).log.pop().unwrap();
    assert_eq!(serde_json::to_value(&locked).unwrap()["fact"], "locked");
}

#[test]
fn personal_words_stay_sealed() {
    let case = {
        let mut case = Case::created().to(EscrowStatus::InProgress);
        case.ok(&talent(), EscrowCommand::SubmitDelivery { artifacts: vec![artifact()], note: Some(sealed()), gps: Some(sealed()) });
        case
    };
    assert_eq!(case.log.last().unwrap().personal().len(), 2);
    assert!(!serde_json::to_string(&case.escrow).unwrap().contains("c2VhbGVk"), "the state keeps none of them");
}

#[test]
fn handle_writes_what_was_decided() {
    let case = Case::unopened(settings());
    let events = futures_free(&case);
    assert_eq!(events.len(), 1);
}

/// `handle` awaits nothing that waits, so one poll finishes it.
fn futures_free(case: &Case) -> Vec<EscrowEvent> {
    let sink = cqrs_es::event_sink::EventSink::<Escrow>::default();
    let mut escrow = Escrow::default();
    let context = case.context(&tenant());
    let waker = std::task::Waker::noop();
    let mut task = std::task::Context::from_waker(waker);
    let command = EscrowCommand::Create(Case::create(eur("1")));
    {
        let mut handle = std::pin::pin!(escrow.handle(command, &context, &sink));
        assert!(matches!(handle.as_mut().poll(&mut task), std::task::Poll::Ready(Ok(()))));
    }
    assert!(escrow.exists());
    assert_eq!(TenantAggregate::status(&escrow), "created");
    let mut collect = std::pin::pin!(sink.collect());
    match collect.as_mut().poll(&mut task) {
        std::task::Poll::Ready(events) => events,
        std::task::Poll::Pending => panic!("nothing to wait for"),
    }
}

#[test]
fn every_refusal_has_its_own_code() {
    let (amount, at) = (eur("1"), Case::created().now);
    let all = [
        EscrowError::NotFound,
        EscrowError::Exists { escrow_id: ESCROW },
        EscrowError::NotAllowed { status: EscrowStatus::Created, action: crate::escrow::EscrowAction::Lock },
        EscrowError::WorkStarted,
        EscrowError::RefundAfterApproval,
        EscrowError::DisputeAlreadyOpen { dispute_id: crate::kernel::DisputeId(ESCROW.0) },
        EscrowError::DisputeWindowClosed { settled_at: Some(at) },
        EscrowError::Denied { action: crate::escrow::EscrowAction::Lock },
        EscrowError::ConflictOfInterest,
        EscrowError::RefundRequested,
        EscrowError::DisputeAlreadyDecided,
        EscrowError::RedoLimitReached { limit: 2 },
        EscrowError::ContractNotSigned,
        EscrowError::DeliveryEmpty,
        EscrowError::AmountInvalid,
        EscrowError::CurrencyMismatch { expected: amount.currency(), found: amount.currency() },
        EscrowError::RuleNotStricter { rule: "deliveryRequired" },
        EscrowError::SplitBelowTax { party: "payee", missing: amount },
        EscrowError::ShareMismatch,
        EscrowError::AmountExceedsEscrow { open: amount },
        EscrowError::AmountBelowRemainder { open: amount },
        EscrowError::PartialReleaseNotAllowed,
        EscrowError::PartialDisputeNotAllowed,
        EscrowError::DecisionAmountInvalid { contested: amount },
        EscrowError::PenaltyAboveCap { cap: amount },
        EscrowError::ApprovalRequired { amount },
    ];
    let codes: BTreeSet<_> = all.iter().map(|error| error.describe().1).collect();
    assert_eq!(codes.len(), all.len());
    assert!(all.iter().all(|error| error.details().is_object() && !error.to_string().is_empty()));
}
