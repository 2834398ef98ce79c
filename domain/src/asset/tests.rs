//! The rules of `docs/domain/asset.md`, one sentence each.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::kernel::{
    Actor, ActorKind, Claim, Context, DeadlineChange, DomainError, ErrorKind, PartyId, Personal, Role, Sealed, StoredEvent,
    TenantAggregate, TenantId,
};
use crate::tenant::TenantSettings;

const UPLOADER: PartyId = PartyId(Uuid::from_u128(3));
const OTHER_PARTY: PartyId = PartyId(Uuid::from_u128(4));
const OWNER_ID: Uuid = Uuid::from_u128(5);
const CASE: Uuid = Uuid::from_u128(6);

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn expires_at() -> DateTime<Utc> {
    now() + TimeDelta::minutes(15)
}

fn confirm_by() -> DateTime<Utc> {
    now() + TimeDelta::minutes(30)
}

fn context(id: PartyId, kind: ActorKind, roles: &[Role], now: DateTime<Utc>) -> Context {
    let actor = Actor { id, kind, roles: roles.iter().copied().collect(), amount_limits: Vec::new() };
    Context { tenant_id: TenantId(Uuid::from_u128(1)), actor, now, settings: Arc::new(TenantSettings::default()) }
}

fn uploader() -> Context {
    context(UPLOADER, ActorKind::User, &[Role::Talent], now())
}

fn somebody(role: Role) -> Context {
    context(OTHER_PARTY, ActorKind::User, &[role], now())
}

fn system() -> Context {
    context(PartyId(Uuid::nil()), ActorKind::System, &[], confirm_by())
}

fn file_name() -> Personal<String> {
    let (nonce, ciphertext) = ("bm9uY2U=".to_owned(), "Y2lwaGVy".to_owned());
    Personal::from_sealed(Sealed { subject: UPLOADER, key_id: Uuid::from_u128(9), nonce, ciphertext })
}

fn owner(owner_type: OwnerType) -> AssetOwner {
    AssetOwner { owner_type, owner_id: OWNER_ID }
}

fn kind() -> AssetKind {
    "headshot".to_owned().try_into().unwrap()
}

fn announce(owner_type: OwnerType) -> AssetCommand {
    AssetCommand::Announce(Box::new(Announce {
        owner: owner(owner_type),
        kind: kind(),
        mime: "image/png".to_owned(),
        size: 70,
        file_name: Some(file_name()),
        shared_with: vec![OTHER_PARTY],
        expires_at: expires_at(),
    }))
}

fn announced_as(owner_type: OwnerType) -> AssetEvent {
    AssetEvent::Announced {
        owner: owner(owner_type),
        kind: kind(),
        mime: "image/png".to_owned(),
        size: 70,
        file_name: Some(file_name()),
        uploaded_by: UPLOADER,
        shared_with: vec![OTHER_PARTY],
        expires_at: expires_at(),
        confirm_by: confirm_by(),
    }
}

fn announced() -> AssetEvent {
    announced_as(OwnerType::TalentPortfolio)
}

fn confirm() -> AssetCommand {
    AssetCommand::Confirm { sha256: "ab".repeat(32), mime: "image/png".to_owned(), size: 70 }
}

fn confirmed() -> AssetEvent {
    AssetEvent::Confirmed { sha256: "ab".repeat(32), mime: "image/png".to_owned(), size: 70 }
}

fn meet() -> AssetCommand {
    AssetCommand::MeetDeadline { key: "upload".to_owned(), at: confirm_by() }
}

/// A history that ends in each status.
fn history(status: AssetStatus) -> Vec<AssetEvent> {
    match status {
        AssetStatus::Unannounced => vec![],
        AssetStatus::PendingUpload => vec![announced()],
        AssetStatus::Ready => vec![announced(), confirmed()],
        AssetStatus::Deleted => vec![announced(), confirmed(), AssetEvent::Deleted],
        AssetStatus::Expired => vec![announced(), AssetEvent::Expired],
    }
}

fn decided(context: Context, given: &[AssetEvent], command: AssetCommand) -> Result<Vec<AssetEvent>, AssetError> {
    TestFramework::<Asset>::with(context).given(given.to_vec()).when(command).inspect_result()
}

fn folded(events: &[AssetEvent]) -> Asset {
    let mut asset = Asset::default();
    events.iter().for_each(|event| asset.apply(event.clone()));
    asset
}

#[test]
fn an_announced_file_waits_twice_as_long_as_its_ticket_is_good() {
    // TAL-19
    assert_eq!(decided(uploader(), &[], announce(OwnerType::TalentPortfolio)), Ok(vec![announced()]));
    let change = DeadlineChange { key: "upload".to_owned(), at: Some(confirm_by()) };
    assert_eq!(announced().deadline_changes(), vec![change]);
    assert_eq!(announced().personal(), vec![file_name().sealed()]);
}

#[test]
fn deadlines_are_whole_microseconds_as_the_database_keeps_them() {
    // TAL-19
    let odd = expires_at() + TimeDelta::nanoseconds(1_234_567);
    let AssetCommand::Announce(mut new) = announce(OwnerType::JobBrief) else { panic!() };
    new.expires_at = odd;
    let events = decided(uploader(), &[], AssetCommand::Announce(new)).unwrap();
    let [AssetEvent::Announced { expires_at, confirm_by, .. }] = &events[..] else { panic!("{events:?}") };
    for at in [expires_at, confirm_by] {
        assert_eq!(at.timestamp_subsec_nanos() % 1_000, 0, "{at}");
    }
}

#[test]
fn every_status_and_command_leads_where_the_table_says() {
    // TAL-31
    for status in AssetStatus::ALL {
        let commands = [
            (uploader(), announce(OwnerType::TalentPortfolio)),
            (uploader(), confirm()),
            (system(), AssetCommand::Keep { by: CASE }),
            (uploader(), AssetCommand::Delete),
            (system(), meet()),
        ];
        for (context, command) in commands {
            let action = command.action();
            let given = history(*status);
            let answer = decided(context, &given, command);
            let wanted = match (status.after(action), status, action) {
                (Some(_), _, _) => {
                    let event = match action {
                        AssetAction::Announce => announced(),
                        AssetAction::Confirm => confirmed(),
                        AssetAction::Keep => AssetEvent::Kept { by: CASE },
                        AssetAction::Delete => AssetEvent::Deleted,
                        AssetAction::MeetDeadline => AssetEvent::Expired,
                    };
                    Ok(vec![event])
                }
                // Said before, or by the machinery: nothing changes and nothing is refused.
                (None, AssetStatus::Ready, AssetAction::Confirm)
                | (None, AssetStatus::Deleted, AssetAction::Delete)
                | (None, _, AssetAction::Keep | AssetAction::MeetDeadline) => Ok(vec![]),
                (None, _, AssetAction::Announce) => Err(AssetError::Exists),
                (None, AssetStatus::Unannounced, _) => Err(AssetError::NotFound),
                (None, status, action) => Err(AssetError::IllegalTransition { status: *status, action }),
            };
            assert_eq!(answer, wanted, "{status} {action}");
            if let (Some(to), Ok(events)) = (status.after(action), answer) {
                let asset = folded(&[given, events].concat());
                assert_eq!((asset.asset_status(), asset.status()), (to, to.as_str()), "{status} {action}");
            }
        }
    }
}

#[test]
fn a_ready_file_is_what_was_confirmed() {
    // TAL-20
    let asset = folded(&history(AssetStatus::Ready));
    assert!(asset.is_ready());
    assert_eq!(asset.sha256(), Some("ab".repeat(32).as_str()));
    assert_eq!((asset.mime(), asset.size()), (Some("image/png"), Some(70)));
    assert_eq!((asset.owner(), asset.uploaded_by()), (Some(owner(OwnerType::TalentPortfolio)), Some(UPLOADER)));
    for status in [AssetStatus::Unannounced, AssetStatus::PendingUpload, AssetStatus::Deleted, AssetStatus::Expired] {
        assert!(!folded(&history(status)).is_ready(), "{status}");
    }
}

#[test]
fn only_the_uploader_confirms() {
    // TAL-20
    for status in [AssetStatus::PendingUpload, AssetStatus::Ready] {
        for role in Role::ALL {
            assert_eq!(decided(somebody(*role), &history(status), confirm()), Err(AssetError::NotPermitted), "{role:?}");
        }
        assert!(decided(uploader(), &history(status), confirm()).is_ok());
    }
    assert_eq!(folded(&history(AssetStatus::PendingUpload)).to_confirm(&somebody(Role::Talent).actor), Err(AssetError::NotPermitted));
    assert_eq!(Asset::default().to_confirm(&uploader().actor), Err(AssetError::NotFound));
}

#[test]
fn content_that_is_not_what_was_announced_or_confirmed_is_refused() {
    // TAL-20
    let pending = history(AssetStatus::PendingUpload);
    for (mime, size) in [("image/jpeg", 70), ("image/png", 71)] {
        let command = AssetCommand::Confirm { sha256: "ab".repeat(32), mime: mime.to_owned(), size };
        assert_eq!(decided(uploader(), &pending, command), Err(AssetError::NotAsAnnounced));
    }
    let other = AssetCommand::Confirm { sha256: "cd".repeat(32), mime: "image/png".to_owned(), size: 70 };
    assert_eq!(decided(uploader(), &history(AssetStatus::Ready), other), Err(AssetError::AlreadyConfirmed));
}

#[test]
fn the_uploader_and_the_tenants_administrators_delete_and_nobody_else() {
    for status in [AssetStatus::PendingUpload, AssetStatus::Ready] {
        for role in Role::ALL {
            let wanted = if *role == Role::TenantAdmin { Ok(vec![AssetEvent::Deleted]) } else { Err(AssetError::NotPermitted) };
            assert_eq!(decided(somebody(*role), &history(status), AssetCommand::Delete), wanted, "{role:?}");
        }
    }
}

#[test]
fn what_something_refers_to_is_not_deleted() {
    // DSP-38
    for status in [AssetStatus::PendingUpload, AssetStatus::Ready] {
        let kept = [history(status), vec![AssetEvent::Kept { by: CASE }]].concat();
        for context in [uploader(), somebody(Role::TenantAdmin), system()] {
            assert_eq!(decided(context, &kept, AssetCommand::Delete), Err(AssetError::InUse), "{status}");
        }
        assert_eq!(decided(system(), &kept, AssetCommand::Keep { by: CASE }), Ok(vec![]), "said once");
        let more = Uuid::from_u128(7);
        assert_eq!(decided(system(), &kept, AssetCommand::Keep { by: more }), Ok(vec![AssetEvent::Kept { by: more }]));
    }
}

#[test]
fn a_proof_is_not_deleted_even_before_anything_refers_to_it() {
    // DSP-38: a reference may be on its way.
    for owner_type in OwnerType::ALL {
        let pending = [announced_as(*owner_type)];
        assert_eq!(decided(uploader(), &pending, AssetCommand::Delete), Ok(vec![AssetEvent::Deleted]), "{owner_type}");
        let ready = [announced_as(*owner_type), confirmed()];
        let wanted = if owner_type.is_proof() { Err(AssetError::InUse) } else { Ok(vec![AssetEvent::Deleted]) };
        assert_eq!(decided(uploader(), &ready, AssetCommand::Delete), wanted, "{owner_type}");
        assert_eq!(folded(&ready).is_kept(), owner_type.is_proof());
    }
}

#[test]
fn only_the_machinery_keeps_and_lets_expire() {
    for role in Role::ALL {
        for command in [AssetCommand::Keep { by: CASE }, meet()] {
            assert_eq!(decided(somebody(*role), &[announced()], command), Err(AssetError::NotPermitted), "{role:?}");
        }
    }
    let own = announce(OwnerType::ContractArtifact);
    assert_eq!(decided(somebody(Role::TenantAdmin), &[], own.clone()), Err(AssetError::NotPermitted), "contracts' files are ours");
    assert!(decided(system(), &[], own).is_ok());
}

#[test]
fn a_deadline_that_is_another_or_has_not_come_changes_nothing() {
    let early = Context { now: confirm_by() - TimeDelta::microseconds(1), ..system() };
    assert_eq!(decided(early, &[announced()], meet()), Ok(vec![]));
    let other = AssetCommand::MeetDeadline { key: "progress".to_owned(), at: confirm_by() };
    assert_eq!(decided(system(), &[announced()], other), Ok(vec![]));
}

#[test]
fn every_end_closes_the_deadline_and_forgets_the_name() {
    for (event, given) in
        [(AssetEvent::Deleted, history(AssetStatus::Ready)), (AssetEvent::Expired, vec![announced()]), (confirmed(), vec![announced()])]
    {
        assert_eq!(event.deadline_changes(), vec![DeadlineChange { key: "upload".to_owned(), at: None }]);
        let asset = folded(&[given, vec![event]].concat());
        assert_eq!(asset.about().unwrap().file_name.is_some(), asset.is_ready());
    }
    assert_eq!(AssetEvent::Kept { by: CASE }.deadline_changes(), vec![]);
}

#[test]
fn a_kind_is_a_short_plain_name() {
    // TAL-06
    for good in ["headshot", "id-card_2", &"k".repeat(50)] {
        assert_eq!(AssetKind::try_from(good.to_owned()).unwrap().as_str(), good);
    }
    for wrong in ["", "Headshot", "a b", "a/b", "é", &"k".repeat(51)] {
        assert_eq!(AssetKind::try_from(wrong.to_owned()), Err(NoAssetKind), "{wrong:?}");
    }
}

#[test]
fn every_refusal_has_its_kind_and_code() {
    let claim = Claim { kind: "any", value: String::new() };
    let illegal = AssetError::IllegalTransition { status: AssetStatus::Expired, action: AssetAction::Confirm };
    assert_eq!(illegal.details(), json!({ "status": "expired", "action": "confirm" }));
    let cases = [
        (AssetError::NotFound, ErrorKind::NotFound, "ASSET_NOT_FOUND"),
        (AssetError::NotPermitted, ErrorKind::Forbidden, "POLICY_DENIED"),
        (AssetError::Exists, ErrorKind::Conflict, "ASSET_EXISTS"),
        (Asset::claim_taken(&claim, Uuid::nil()), ErrorKind::Conflict, "ASSET_EXISTS"),
        (AssetError::InUse, ErrorKind::Conflict, "ASSET_IN_USE"),
        (illegal, ErrorKind::Conflict, "INVALID_ASSET_TRANSITION"),
        (AssetError::NotReady { status: AssetStatus::Deleted }, ErrorKind::Conflict, "ASSET_NOT_READY"),
        (AssetError::NotAsAnnounced, ErrorKind::Invalid, "FILE_NOT_AS_ANNOUNCED"),
        (AssetError::AlreadyConfirmed, ErrorKind::Conflict, "FILE_ALREADY_CONFIRMED"),
    ];
    for (error, kind, code) in cases {
        assert_eq!(error.describe(), (kind, code));
    }
}

#[test]
fn events_are_stored_under_their_names() {
    let events = [announced(), confirmed(), AssetEvent::Kept { by: CASE }, AssetEvent::Deleted, AssetEvent::Expired];
    let names = ["asset.announced", "asset.confirmed", "asset.kept", "asset.deleted", "asset.expired"];
    for (event, name) in events.into_iter().zip(names) {
        assert_eq!(event.name(), name);
        let stored = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<AssetEvent>(&stored).unwrap(), event);
    }
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let mut asset = Asset::default();
    assert_eq!((asset.exists(), asset.status()), (false, "unannounced"));
    [announced(), confirmed(), AssetEvent::Kept { by: CASE }].into_iter().for_each(|event| asset.apply(event));
    let golden = json!({
        "status": "ready",
        "about": {
            "owner": { "ownerType": "talent_portfolio", "ownerId": OWNER_ID },
            "kind": "headshot",
            "mime": "image/png",
            "size": 70,
            "fileName": { "subject": UPLOADER, "keyId": Uuid::from_u128(9), "nonce": "bm9uY2U=", "ciphertext": "Y2lwaGVy" },
            "uploadedBy": UPLOADER,
            "sharedWith": [OTHER_PARTY],
            "expiresAt": "2026-03-01T12:15:00Z",
            "confirmBy": "2026-03-01T12:30:00Z",
        },
        "sha256": "ab".repeat(32),
        "keptBy": [CASE],
    });
    assert_eq!((Asset::FOLD_VERSION, serde_json::to_value(&asset).unwrap()), (1, golden));
    assert!(asset.exists());
}
