//! The rules of `docs/domain/access.md`, one sentence each.

use std::sync::Arc;

use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::event::AnyEvent;
use crate::kernel::{Actor, ActorKind, Context, DomainError, ErrorKind, Origin, PartyId, Role, StoredEvent, TenantAggregate, TenantId};
use crate::ledger::post;
use crate::tenant::TenantSettings;

const STREAM: Uuid = Uuid::from_u128(7);

fn context() -> Context {
    let actor = Actor { id: PartyId(Uuid::from_u128(3)), kind: ActorKind::User, roles: [Role::Auditor].into(), amount_limits: Vec::new() };
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    Context { tenant_id: TenantId(Uuid::from_u128(1)), actor, now, settings: Arc::new(TenantSettings::default()) }
}

fn filter() -> AccessFilter {
    AccessFilter { sequence: Some(3), ..AccessFilter::default() }
}

fn record(filter: AccessFilter) -> AccessCommand {
    AccessCommand::Record { what: AccessKind::StreamState, target: Some(STREAM), filter }
}

fn recorded(filter: AccessFilter) -> AccessEvent {
    AccessEvent::Recorded { what: AccessKind::StreamState, target: Some(STREAM), filter }
}

fn decided(given: &[AccessEvent], command: AccessCommand) -> Result<Vec<AccessEvent>, AccessError> {
    TestFramework::<Access>::with(context()).given(given.to_vec()).when(command).inspect_result()
}

#[test]
fn an_access_is_written_down_once() {
    // ANA-38, NFR-128
    assert_eq!(decided(&[], record(filter())), Ok(vec![recorded(filter())]));
    assert_eq!(decided(&[recorded(filter())], record(filter())), Err(AccessError::AlreadyRecorded));
}

#[test]
fn a_filter_is_no_place_for_free_text() {
    // ANA-54
    let by_action = |action: &str| AccessFilter { action: Some(action.to_owned()), ..AccessFilter::default() };
    let by_type = |entity_type: &str| AccessFilter { entity_type: Some(entity_type.to_owned()), ..AccessFilter::default() };
    for named in [by_action("escrow.released"), by_type("bank_receipt")] {
        assert_eq!(decided(&[], record(named.clone())), Ok(vec![recorded(named)]));
    }
    for text in ["", "Jane Doe", "jane@example.test", "escrow.Released", &"a".repeat(101)] {
        assert_eq!(decided(&[], record(by_action(text))), Err(AccessError::NotAName), "{text}");
        assert_eq!(decided(&[], record(by_type(text))), Err(AccessError::NotAName), "{text}");
    }
}

#[test]
fn an_access_moves_no_money_and_holds_nothing_personal() {
    let event = recorded(filter());
    assert!(event.personal().is_empty() && event.deadline_changes().is_empty());
    let origin = Origin { tenant_id: TenantId(Uuid::from_u128(1)), aggregate_type: Access::TYPE, aggregate_id: STREAM, sequence: 1 };
    assert!(post(&origin, &AnyEvent::from(event)).unwrap().is_none());
}

#[test]
fn every_refusal_has_its_kind_and_code() {
    assert_eq!(AccessError::AlreadyRecorded.describe(), (ErrorKind::Conflict, "ACCESS_EXISTS"));
    assert_eq!(AccessError::NotAName.describe(), (ErrorKind::Invalid, "ACCESS_FILTER_INVALID"));
}

#[test]
fn stored_events_keep_their_shape_for_ever() {
    let all = AccessFilter {
        actor_id: Some(PartyId(Uuid::from_u128(1))),
        action: Some("escrow.released".to_owned()),
        entity_type: Some("escrow".to_owned()),
        entity_id: Some(Uuid::from_u128(2)),
        from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        to: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        event_types: Some(vec!["escrow.released".to_owned()]),
        from_version: Some(1),
        sequence: Some(2),
        position: Some(3),
        at: Some("2026-01-02T00:00:00Z".parse().unwrap()),
    };
    let shape = json!({ "recorded": { "what": "audit_log", "target": null, "filter": {
        "actorId": "00000000-0000-0000-0000-000000000001", "action": "escrow.released", "entityType": "escrow",
        "entityId": "00000000-0000-0000-0000-000000000002", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z",
        "eventTypes": ["escrow.released"], "fromVersion": 1, "sequence": 2, "position": 3, "at": "2026-01-02T00:00:00Z",
    } } });
    let full = AccessEvent::Recorded { what: AccessKind::AuditLog, target: None, filter: all };
    let least = AccessEvent::Recorded { what: AccessKind::StreamEvents, target: Some(STREAM), filter: AccessFilter::default() };
    let least_shape = json!({ "recorded": { "what": "stream_events", "target": STREAM, "filter": {} } });
    for (event, shape) in [(full, shape), (least, least_shape)] {
        assert_eq!(serde_json::to_value(&event).unwrap(), shape);
        assert_eq!(serde_json::from_value::<AccessEvent>(shape).unwrap(), event);
        assert_eq!(event.name(), "access.recorded");
    }
    let kinds = ["stream_events", "stream_state", "explanation", "audit_log", "audit_export", "log_export", "projection_order"];
    assert_eq!(AccessKind::ALL.iter().map(|kind| serde_json::to_value(kind).unwrap()).collect::<Vec<_>>(), kinds);
    assert_eq!(AccessKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(), kinds);
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let mut access = Access::default();
    assert_eq!((access.exists(), access.status()), (false, "unrecorded"));
    access.apply(recorded(filter()));
    assert_eq!((access.exists(), access.status()), (true, "recorded"));
    let golden = json!({ "recorded": { "what": "stream_state", "target": STREAM, "filter": { "sequence": 3 } } });
    assert_eq!((Access::FOLD_VERSION, serde_json::to_value(&access).unwrap()), (1, golden));
}
