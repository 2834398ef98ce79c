//! The rules, one sentence each.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::kernel::{Actor, ActorKind, Context, DomainError, ErrorKind, PartyId, Role, StoredEvent, TenantAggregate, TenantId};
use crate::tenant::TenantSettings;

const SUBJECT: PartyId = PartyId(Uuid::from_u128(5));
const ADMIN: PartyId = PartyId(Uuid::from_u128(3));

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn by(actor: Actor) -> Context {
    Context { tenant_id: TenantId(Uuid::from_u128(1)), actor, now: now(), settings: Arc::new(TenantSettings::default()) }
}

fn somebody(role: Role) -> Context {
    by(Actor { id: ADMIN, kind: ActorKind::User, roles: [role].into(), amount_limits: Vec::new() })
}

fn system() -> Context {
    by(Actor::system(ADMIN))
}

fn erase() -> PersonCommand {
    PersonCommand::Erase { subject: SUBJECT, reason: ErasureReason::PersonRequest }
}

fn erased() -> PersonEvent {
    PersonEvent::Erased { subject: SUBJECT, requested_by: ADMIN, reason: ErasureReason::PersonRequest }
}

fn record() -> PersonCommand {
    PersonCommand::RecordKeysDestroyed { subject: SUBJECT, keys: 2, at: now() }
}

fn destroyed() -> PersonEvent {
    PersonEvent::KeysDestroyed { subject: SUBJECT, keys: 2, at: now() }
}

fn decided(context: Context, given: &[PersonEvent], command: PersonCommand) -> Result<Vec<PersonEvent>, PersonError> {
    TestFramework::<Person>::with(context).given(given.to_vec()).when(command).inspect_result()
}

#[test]
fn administrators_erase_and_nobody_else() {
    // ADM-25
    for role in Role::ALL {
        let may = matches!(role, Role::TenantAdmin | Role::Superadmin | Role::PlatformAdmin);
        let wanted = if may { Ok(vec![erased()]) } else { Err(PersonError::NotPermitted) };
        assert_eq!(decided(somebody(*role), &[], erase()), wanted, "{role:?}");
    }
}

#[test]
fn a_person_is_erased_once() {
    for history in [vec![erased()], vec![erased(), destroyed()]] {
        assert_eq!(decided(somebody(Role::TenantAdmin), &history, erase()), Ok(vec![]));
    }
}

#[test]
fn only_the_machinery_reports_destroyed_keys_and_only_of_the_erased() {
    // CNF-33
    assert_eq!(decided(system(), &[erased()], record()), Ok(vec![destroyed()]));
    assert_eq!(decided(system(), &[erased(), destroyed()], record()), Ok(vec![]));
    assert_eq!(decided(system(), &[], record()), Err(PersonError::NotErased));
    assert_eq!(decided(somebody(Role::Superadmin), &[erased()], record()), Err(PersonError::NotPermitted));
}

#[test]
fn refusals_have_their_codes_and_events_their_names() {
    assert_eq!(PersonError::NotPermitted.describe(), (ErrorKind::Forbidden, "POLICY_DENIED"));
    assert_eq!(PersonError::NotErased.describe(), (ErrorKind::Conflict, "PERSON_NOT_ERASED"));
    for (event, name) in [(erased(), "person.erased"), (destroyed(), "person.keys_destroyed")] {
        assert_eq!((event.name(), event.subject()), (name, SUBJECT));
        let stored = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<PersonEvent>(&stored).unwrap(), event);
        assert!(event.personal().is_empty());
    }
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let mut person = Person::default();
    assert_eq!((person.exists(), person.status()), (false, "unmentioned"));
    [erased(), destroyed()].into_iter().for_each(|event| person.apply(event));
    let golden = json!({
        "status": "keys_destroyed",
        "erasure": { "subject": SUBJECT, "requestedBy": ADMIN, "reason": "person_request", "keys": 2, "keysDestroyedAt": "2026-03-01T12:00:00Z" },
    });
    assert_eq!((Person::FOLD_VERSION, serde_json::to_value(&person).unwrap()), (1, golden));
}
