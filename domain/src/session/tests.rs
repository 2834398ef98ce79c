//! The rules of `docs/domain/session.md`, one sentence each.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::event::AnyEvent;
use crate::kernel::{Actor, ActorKind, Context, DomainError, ErrorKind, Origin, PartyId, Role, StoredEvent, TenantAggregate, TenantId};
use crate::ledger::post;
use crate::tenant::TenantSettings;

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn context(role: Role) -> Context {
    let actor = Actor { id: PartyId(Uuid::from_u128(3)), kind: ActorKind::User, roles: [role].into(), amount_limits: Vec::new() };
    Context { tenant_id: TenantId(Uuid::from_u128(1)), actor, now: now(), settings: Arc::new(TenantSettings::default()) }
}

fn decided(given: &[SessionEvent], role: Role, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionError> {
    TestFramework::<Session>::with(context(role)).given(given.to_vec()).when(command).inspect_result()
}

fn revoked(reason: RevocationReason) -> SessionEvent {
    SessionEvent::Revoked { reason, until: now() + TimeDelta::days(30) }
}

const LOST: SessionCommand = SessionCommand::Revoke { reason: RevocationReason::DeviceLost };

#[test]
fn administrators_end_any_session_and_nobody_else_does() {
    // IDN-11, IDN-71
    for role in Role::ALL {
        let expected = match role {
            Role::TenantAdmin | Role::Superadmin | Role::PlatformAdmin | Role::TrustSafety => {
                Ok(vec![revoked(RevocationReason::DeviceLost)])
            }
            Role::Finance
            | Role::Ops
            | Role::TalentManager
            | Role::Casting
            | Role::Talent
            | Role::Payer
            | Role::Viewer
            | Role::Auditor
            | Role::BillingAdmin
            | Role::PlatformOps
            | Role::PlatformFinance
            | Role::Service => Err(SessionError::NotPermitted),
        };
        assert_eq!(decided(&[], *role, LOST), expected, "{role:?}");
    }
}

#[test]
fn everybody_ends_their_own() {
    // IDN-22
    for role in Role::ALL {
        assert_eq!(decided(&[], *role, SessionCommand::SignOut), Ok(vec![revoked(RevocationReason::SignedOut)]), "{role:?}");
    }
}

#[test]
fn a_revocation_is_for_ever_and_a_second_one_changes_nothing() {
    // IDN-22
    let given = [revoked(RevocationReason::DeviceLost)];
    assert_eq!(decided(&given, Role::TenantAdmin, LOST), Ok(Vec::new()));
    assert_eq!(decided(&given, Role::Talent, SessionCommand::SignOut), Ok(Vec::new()));
    assert_eq!(decided(&given, Role::Talent, LOST), Err(SessionError::NotPermitted));
}

#[test]
fn a_revocation_moves_no_money_and_holds_nothing_personal() {
    let event = revoked(RevocationReason::SignedOut);
    assert!(event.personal().is_empty() && event.deadline_changes().is_empty());
    let tenant_id = TenantId(Uuid::from_u128(1));
    let origin = Origin { tenant_id, aggregate_type: Session::TYPE, aggregate_id: Uuid::from_u128(7), sequence: 1 };
    assert!(post(&origin, &AnyEvent::from(event)).unwrap().is_none());
}

#[test]
fn every_refusal_has_its_kind_and_code() {
    assert_eq!(SessionError::NotPermitted.describe(), (ErrorKind::Forbidden, "POLICY_DENIED"));
}

#[test]
fn stored_events_keep_their_shape_for_ever() {
    let shape = json!({ "revoked": { "reason": "device_lost", "until": "2026-03-31T12:00:00Z" } });
    let event = revoked(RevocationReason::DeviceLost);
    assert_eq!(serde_json::to_value(&event).unwrap(), shape);
    assert_eq!(serde_json::from_value::<SessionEvent>(shape).unwrap(), event);
    assert_eq!(event.name(), "session.revoked");
    let reasons: Vec<_> = RevocationReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(reasons, ["signed_out", "device_lost", "suspected_misuse", "access_ended"]);
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let mut session = Session::default();
    assert_eq!((session.exists(), session.status()), (false, "unmentioned"));
    session.apply(revoked(RevocationReason::SignedOut));
    assert_eq!((session.exists(), session.status()), (true, "revoked"));
    let golden = json!({ "revoked": { "reason": "signed_out", "until": "2026-03-31T12:00:00Z" } });
    assert_eq!((Session::FOLD_VERSION, serde_json::to_value(&session).unwrap()), (1, golden));
}
