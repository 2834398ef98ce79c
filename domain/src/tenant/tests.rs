//! The rules of docs/domain/tenant.md, one sentence each.

use std::sync::Arc;

use cqrs_es::test::TestFramework;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::*;
use crate::kernel::{Actor, ActorKind, Claim, Context, DomainError, ErrorKind, PartyId, Role, TenantAggregate, TenantId};

fn by(roles: &[Role]) -> Context {
    let actor =
        Actor { id: PartyId(Uuid::from_u128(3)), kind: ActorKind::User, roles: roles.iter().copied().collect(), amount_limits: Vec::new() };
    Context {
        tenant_id: TenantId(Uuid::from_u128(1)),
        actor,
        now: "2026-03-01T12:00:00Z".parse().unwrap(),
        settings: Arc::new(TenantSettings::default()),
    }
}

fn platform() -> Context {
    by(&[Role::PlatformAdmin])
}

fn admin() -> Context {
    by(&[Role::TenantAdmin])
}

fn created(settings: TenantSettings) -> TenantEvent {
    TenantEvent::Created { name: "Acme".to_owned(), slug: "acme".to_owned(), settings }
}

fn create(settings: TenantSettings) -> TenantCommand {
    TenantCommand::Create { name: "Acme".to_owned(), slug: "acme".to_owned(), settings }
}

fn suspended() -> TenantEvent {
    TenantEvent::Suspended { reason: "unpaid".to_owned() }
}

fn suspend() -> TenantCommand {
    TenantCommand::Suspend { reason: "unpaid".to_owned() }
}

fn decided(context: Context, given: &[TenantEvent], command: TenantCommand) -> Result<Vec<TenantEvent>, TenantError> {
    TestFramework::<Tenant>::with(context).given(given.to_vec()).when(command).inspect_result()
}

fn changed(change: impl FnOnce(&mut TenantSettings)) -> TenantSettings {
    let mut settings = TenantSettings::default();
    change(&mut settings);
    settings
}

#[test]
fn the_platform_creates_a_tenant_once() {
    let settings = TenantSettings::default();
    assert_eq!(decided(platform(), &[], create(settings.clone())), Ok(vec![created(settings.clone())]));
    assert_eq!(decided(platform(), &[created(settings.clone())], create(settings.clone())), Err(TenantError::Exists));
    assert_eq!(decided(admin(), &[], create(settings)), Err(TenantError::NotPlatform));
}

#[test]
fn a_tenant_that_does_not_exist_has_nothing_to_change() {
    let commands = [
        TenantCommand::ChangeSettings { settings: TenantSettings::default() },
        suspend(),
        TenantCommand::Activate,
        TenantCommand::RedriveReaction { dead_letter_id: Uuid::nil(), reason: String::new() },
    ];
    for command in commands {
        assert_eq!(decided(platform(), &[], command), Err(TenantError::NotFound));
    }
}

#[test]
fn administrators_change_settings_and_the_same_settings_change_nothing() {
    // ESC-70..75
    let given = [created(TenantSettings::default())];
    let settings = changed(|settings| settings.clearance_hours = Hours::whole(24));
    let command = || TenantCommand::ChangeSettings { settings: settings.clone() };
    for context in [admin(), platform()] {
        assert_eq!(decided(context, &given, command()), Ok(vec![TenantEvent::SettingsChanged { settings: settings.clone() }]));
    }
    assert_eq!(decided(by(&[Role::Finance]), &given, command()), Err(TenantError::NotAdmin));
    let same = TenantCommand::ChangeSettings { settings: TenantSettings::default() };
    assert_eq!(decided(admin(), &given, same), Ok(vec![]));
}

#[test]
fn the_platforms_part_of_the_split_is_not_the_tenants_to_change() {
    // ESC-75
    let given = [created(TenantSettings::default())];
    let split = |payee_bp, tenant_bp, platform_bp| {
        let settings = changed(|settings| settings.escrow.split = SplitPolicy { payee_bp, tenant_bp, platform_bp });
        TenantCommand::ChangeSettings { settings }
    };
    assert_eq!(decided(admin(), &given, split(9_600, 0, 400)), Err(TenantError::PlatformShare));
    assert_eq!(decided(platform(), &given, split(9_600, 0, 400)), Err(TenantError::PlatformShare));
    assert!(decided(by(&[Role::Superadmin]), &given, split(9_600, 0, 400)).is_ok());
    assert!(decided(admin(), &given, split(9_000, 500, 500)).is_ok());
}

#[test]
fn the_platform_suspends_an_active_tenant_and_activates_a_suspended_one() {
    let active = [created(TenantSettings::default())];
    let stopped = [active[0].clone(), suspended()];
    assert_eq!(decided(platform(), &active, suspend()), Ok(vec![suspended()]));
    assert_eq!(decided(platform(), &stopped, TenantCommand::Activate), Ok(vec![TenantEvent::Activated]));
    assert_eq!(decided(platform(), &stopped, suspend()), Err(TenantError::NotAllowed { status: "suspended" }));
    assert_eq!(decided(platform(), &active, TenantCommand::Activate), Err(TenantError::NotAllowed { status: "active" }));
    for command in [suspend(), TenantCommand::Activate] {
        assert_eq!(decided(admin(), &active, command), Err(TenantError::NotPlatform));
    }
}

#[test]
fn a_redrive_is_asked_for_by_the_platform_and_is_in_the_log() {
    let given = [created(TenantSettings::default())];
    let (dead_letter_id, reason) = (Uuid::from_u128(9), "provider is back".to_owned());
    let command = || TenantCommand::RedriveReaction { dead_letter_id, reason: reason.clone() };
    let event = TenantEvent::ReactionRedriven { dead_letter_id, reason: reason.clone() };
    assert_eq!(decided(platform(), &given, command()), Ok(vec![event]));
    assert_eq!(decided(admin(), &given, command()), Err(TenantError::NotPlatform));
}

#[test]
fn every_setting_is_checked_and_the_refusal_names_it() {
    let hours = |hours: &str| Hours(hours.parse::<Decimal>().unwrap());
    type Change = Box<dyn Fn(&mut TenantSettings)>;
    let cases: Vec<(&str, Change)> = vec![
        ("escrow.split", Box::new(|s| s.escrow.split.payee_bp = 9_499)),
        ("escrow.split", Box::new(|s| s.escrow.split = SplitPolicy { payee_bp: u32::MAX, tenant_bp: 9_501, platform_bp: 500 })),
        ("escrow.tax", Box::new(|s| s.escrow.tax.fee_tax_bp = 10_001)),
        ("escrow.tax", Box::new(|s| s.escrow.tax.withholding_bp = 10_001)),
        ("escrow.penalty.capBp", Box::new(|s| s.escrow.penalty.cap_bp = 10_001)),
        ("escrow.randomAuditPercent", Box::new(|s| s.escrow.random_audit_percent = 101)),
        ("escrow.autoReleaseHours", Box::new(move |s| s.escrow.auto_release_hours = hours("0"))),
        ("escrow.disputeWindowHours", Box::new(move |s| s.escrow.dispute_window_hours = hours("-1"))),
        ("escrow.fundingHours", Box::new(move |s| s.escrow.funding_hours = hours("0.00001"))),
        ("escrow.startHours", Box::new(move |s| s.escrow.start_hours = hours("87600.1"))),
        ("escrow.bookingStartHours", Box::new(move |s| s.escrow.booking_start_hours = hours("0"))),
        ("booking.holdHours", Box::new(move |s| s.booking.hold_hours = hours("0"))),
        ("booking.otpHours", Box::new(move |s| s.booking.otp_hours = hours("-1"))),
        ("booking.payoutDelayHours", Box::new(move |s| s.booking.payout_delay_hours = hours("-1"))),
        ("escrow.slaHours", Box::new(move |s| s.escrow.sla_hours = hours("0"))),
        ("escrow.evidenceHours", Box::new(move |s| s.escrow.evidence_hours = hours("0"))),
        ("escrow.decisionHours", Box::new(move |s| s.escrow.decision_hours = hours("0"))),
        ("clearanceHours", Box::new(move |s| s.clearance_hours = hours("-0.5"))),
    ];
    for (expected, change) in cases {
        let refusals = [
            decided(platform(), &[], create(changed(&change))),
            decided(
                by(&[Role::Superadmin]),
                &[created(TenantSettings::default())],
                TenantCommand::ChangeSettings { settings: changed(&change) },
            ),
        ];
        for refusal in refusals {
            match refusal {
                Err(TenantError::Setting { field, .. }) => assert_eq!(field, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }
    let largest = changed(|settings| {
        settings.clearance_hours = hours("0");
        settings.escrow.sla_hours = hours("87600");
        settings.escrow.evidence_hours = hours("0.0001");
        settings.escrow.random_audit_percent = 100;
    });
    assert!(decided(platform(), &[], create(largest)).is_ok());
}

#[test]
fn unknown_settings_are_refused_and_missing_ones_have_their_default() {
    assert!(serde_json::from_str::<TenantSettings>(r#"{"escrow":{"enabled":false}}"#).is_err(), "ESC-76: nothing switches escrow off");
    assert!(serde_json::from_str::<TenantSettings>(r#"{"clearanceDays":1}"#).is_err());
    assert_eq!(serde_json::from_str::<TenantSettings>("{}").unwrap(), TenantSettings::default());
    let settings: TenantSettings = serde_json::from_str(r#"{"escrow":{"evidenceHours":"0.5"},"clearanceHours":"1.25"}"#).unwrap();
    assert_eq!(settings.escrow.evidence_hours.duration(), chrono::TimeDelta::minutes(30));
    assert_eq!(settings.clearance_hours.duration(), chrono::TimeDelta::minutes(75));
    assert_eq!(settings.escrow.split, SplitPolicy { payee_bp: 9_500, tenant_bp: 0, platform_bp: 500 });
}

#[test]
fn hours_beyond_any_calendar_are_a_hundred_years() {
    assert_eq!(Hours(Decimal::MAX / Decimal::from(4_000_000)).duration(), Hours(Decimal::from(100 * 366 * 24)).duration());
    assert_eq!(Hours::whole(-1).duration(), chrono::TimeDelta::zero());
}

#[test]
fn every_refusal_has_its_kind_code_and_details() {
    let claim = Claim { kind: "slug", value: "acme".to_owned() };
    let cases = [
        (TenantError::NotPlatform, ErrorKind::Forbidden, "POLICY_DENIED"),
        (TenantError::NotAdmin, ErrorKind::Forbidden, "POLICY_DENIED"),
        (TenantError::PlatformShare, ErrorKind::Forbidden, "POLICY_DENIED"),
        (TenantError::NotFound, ErrorKind::NotFound, "TENANT_NOT_FOUND"),
        (Tenant::claim_taken(&claim, Uuid::nil()), ErrorKind::Conflict, "TENANT_EXISTS"),
        (TenantError::NotAllowed { status: "active" }, ErrorKind::Conflict, "INVALID_TENANT_TRANSITION"),
        (TenantError::Setting { field: "f", problem: "p" }, ErrorKind::Invalid, "SETTING_INVALID"),
    ];
    for (error, kind, code) in cases {
        assert_eq!(error.describe(), (kind, code));
        let named = matches!(error, TenantError::NotAllowed { .. } | TenantError::Setting { .. });
        assert_eq!(error.details().as_object().unwrap().is_empty(), !named);
    }
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    use cqrs_es::Aggregate;
    let mut tenant = Tenant::default();
    assert_eq!((tenant.exists(), tenant.status()), (false, "unknown"));
    let settings = changed(|settings| settings.clearance_hours = Hours::whole(24));
    let history = [
        created(TenantSettings::default()),
        TenantEvent::SettingsChanged { settings: settings.clone() },
        suspended(),
        TenantEvent::Activated,
        suspended(),
        TenantEvent::ReactionRedriven { dead_letter_id: Uuid::nil(), reason: String::new() },
    ];
    for event in history {
        tenant.apply(event);
    }
    let golden = serde_json::json!({ "status": "suspended", "settings": settings });
    assert_eq!((Tenant::FOLD_VERSION, serde_json::to_value(&tenant).unwrap()), (1, golden));
    assert_eq!((*tenant.settings()).clone(), settings);
    assert_eq!((tenant.exists(), tenant.status(), tenant.tenant_status()), (true, "suspended", TenantStatus::Suspended));
}
