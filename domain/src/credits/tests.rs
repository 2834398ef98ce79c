//! The rules of `docs/domain/credits.md`, one sentence each.

mod histories;
mod reservations;
mod spending;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::*;
use crate::escrow::Landing;
use crate::kernel::{
    Actor, ActorKind, Claim, Context, DomainError, ErrorKind, EventId, LotId, Money, PartyId, ReservationId, Role, StoredEvent,
    TenantAggregate, TenantId, WalletId, derived_uuid,
};
use crate::tenant::TenantSettings;
use crate::wallet::OwnerType;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const OWNER: CreditsOwner = CreditsOwner { owner_type: OwnerType::User, owner_id: PartyId(Uuid::from_u128(7)) };
const WALLET: WalletId = WalletId(Uuid::from_u128(8));
const RESERVATION: ReservationId = ReservationId(Uuid::from_u128(9));

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn days(days: i64) -> DateTime<Utc> {
    now() + TimeDelta::days(days)
}

fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

fn by(kind: ActorKind, roles: &[Role]) -> Context {
    let actor = Actor { id: PartyId(Uuid::from_u128(3)), kind, roles: roles.iter().copied().collect(), amount_limits: Vec::new() };
    Context { tenant_id: TENANT, actor, now: now(), settings: Arc::new(TenantSettings::default()) }
}

fn system() -> Context {
    by(ActorKind::System, &[])
}

fn service() -> Context {
    by(ActorKind::User, &[Role::Service])
}

fn staff() -> Context {
    by(ActorKind::User, &[Role::Finance])
}

fn at(now: DateTime<Utc>, context: Context) -> Context {
    Context { now, ..context }
}

fn lot(number: u32) -> LotId {
    LotId(derived_uuid(TENANT, OWNER.credits_id(TENANT).0, "lot", u64::from(number)))
}

fn landing(n: u128) -> Landing {
    Landing { event_id: EventId(Uuid::from_u128(1000 + n)), leg: 0 }
}

fn worth(value: &str) -> Worth {
    Worth { value: eur(value), tax: eur("0") }
}

fn reference() -> Reference {
    Reference { ref_type: "campaign".to_owned(), ref_id: Uuid::from_u128(5) }
}

fn usage(provider: Provider, unit_value: Option<&str>) -> Usage {
    Usage { reference: reference(), provider, unit_value: unit_value.map(eur) }
}

fn issued(number: u32, units: i64, expires_at: Option<DateTime<Utc>>) -> CreditsFact {
    CreditsFact::Issued { lot_id: lot(number), number, units, expires_at, reason: "welcome".to_owned() }
}

fn sold(number: u32, units: i64, value: &str, expires_at: Option<DateTime<Utc>>) -> CreditsFact {
    let landing = landing(u128::from(number));
    CreditsFact::Sold { lot_id: lot(number), number, units, worth: worth(value), expires_at, landing, wallet_id: WALLET }
}

fn part(number: u32, units: i64, value: Option<&str>, expires_at: Option<DateTime<Utc>>, left: i64) -> LotPart {
    LotPart { lot_id: lot(number), number, units, worth: value.map(worth), expires_at, left }
}

fn issue(units: i64, expires_at: Option<DateTime<Utc>>) -> CreditsCommand {
    CreditsCommand::Issue { owner: OWNER, units, expires_at, reason: "welcome".to_owned() }
}

fn consume(units: i64) -> CreditsCommand {
    CreditsCommand::Consume { owner: OWNER, units, usage: usage(Provider::Platform, None) }
}

fn reserve(units: i64) -> CreditsCommand {
    CreditsCommand::Reserve { owner: OWNER, reservation_id: RESERVATION, units, until: days(10), reference: reference() }
}

fn release() -> CreditsCommand {
    CreditsCommand::Release { owner: OWNER, reservation_id: RESERVATION }
}

fn revoke(units: i64, kind: LotFilter) -> CreditsCommand {
    CreditsCommand::Revoke { owner: OWNER, units, kind, reason: "mistake".to_owned() }
}

fn meet(key: String, at: DateTime<Utc>) -> CreditsCommand {
    CreditsCommand::MeetDeadline { key, at }
}

fn sale() -> Sale {
    Sale { owner: OWNER, units: 100, worth: worth("50.00"), expires_at: None, landing: landing(1), wallet_id: WALLET }
}

fn events(facts: &[CreditsFact]) -> Vec<CreditsEvent> {
    facts.iter().map(|fact| CreditsEvent { owner: OWNER, at: now(), fact: fact.clone() }).collect()
}

fn folded(facts: &[CreditsFact]) -> Credits {
    let mut credits = Credits::default();
    for event in events(facts) {
        credits.apply(event);
    }
    credits
}

fn decided(context: &Context, given: &[CreditsFact], command: CreditsCommand) -> Result<Vec<CreditsFact>, CreditsError> {
    let result = TestFramework::<Credits>::with(context.clone()).given(events(given)).when(command).inspect_result()?;
    assert!(result.iter().all(|event| event.owner == OWNER && event.at == context.now));
    Ok(result.into_iter().map(|event| event.fact).collect())
}

fn deadlines(fact: CreditsFact) -> Vec<(String, Option<DateTime<Utc>>)> {
    events(&[fact])[0].deadline_changes().into_iter().map(|change| (change.key, change.at)).collect()
}

fn short(available: i64, requested: i64) -> CreditsError {
    CreditsError::InsufficientCredits { available, requested }
}

#[test]
fn given_credits_are_units_in_a_numbered_lot() {
    // LED-21, MNY-53
    assert_eq!(decided(&staff(), &[], issue(100, None)).unwrap(), [issued(1, 100, None)]);
    let given = [issued(1, 100, None)];
    assert_eq!(decided(&staff(), &given, issue(5, Some(days(1)))).unwrap(), [issued(2, 5, Some(days(1)))]);
    assert_eq!(folded(&given).spendable(now()), Units { promo: 100, sold: 0 });
    assert_eq!(folded(&given).liability().len(), 0, "no money behind them");
    assert_eq!(deadlines(issued(2, 5, Some(days(1)))), [(format!("expire:{}", lot(2)), Some(days(1)))]);
    assert_eq!(deadlines(issued(1, 5, None)), []);
}

#[test]
fn an_issue_names_whole_units_and_an_expiry_to_come() {
    for units in [0, -1, MAX_UNITS + 1] {
        assert_eq!(decided(&staff(), &[], issue(units, None)), Err(CreditsError::UnitsInvalid));
        assert_eq!(decided(&service(), &[], consume(units)), Err(CreditsError::UnitsInvalid));
    }
    for late in [now(), days(-1)] {
        assert_eq!(decided(&staff(), &[], issue(1, Some(late))), Err(CreditsError::ExpiryInvalid));
    }
    let many: Vec<_> = (1..=500).map(|number| issued(number, 1, None)).collect();
    assert_eq!(decided(&staff(), &many, issue(1, None)), Err(CreditsError::TooManyLots { limit: 500 }));
    assert!(decided(&system(), &many, CreditsCommand::Sell(Sale { landing: landing(999), ..sale() })).is_ok(), "paid is paid");
}

#[test]
fn a_sale_that_was_paid_is_booked_once_and_never_refused() {
    // MNY-53, row 15
    assert_eq!(decided(&system(), &[], CreditsCommand::Sell(sale())).unwrap(), [sold(1, 100, "50.00", None)]);
    assert_eq!(decided(&system(), &[sold(1, 100, "50.00", None)], CreditsCommand::Sell(sale())).unwrap(), []);
    let late = Sale { expires_at: Some(days(-1)), ..sale() };
    assert_eq!(decided(&system(), &[], CreditsCommand::Sell(late)).unwrap(), [sold(1, 100, "50.00", Some(days(-1)))]);
    let credits = folded(&[sold(1, 100, "50.00", None)]);
    assert_eq!(credits.liability().into_values().collect::<Vec<_>>(), [Liability { deferred: 5_000, reserved: 0 }]);
}

#[test]
fn revoked_units_are_unreserved_ones_and_sold_ones_are_refunded() {
    // LED-22, MNY-53
    let given = [issued(1, 10, Some(days(5))), sold(2, 10, "33.33", Some(days(5))), issued(3, 10, None)];
    let revoked = |parts, legs| CreditsFact::Revoked { units: 13, parts, reason: "mistake".to_owned(), legs };
    let leg = |amount| CreditsLeg { leg: 0, to: OWNER.wallet(eur("0").currency()), amount: eur(amount) };
    assert_eq!(
        decided(&staff(), &given, revoke(13, None)).unwrap(),
        [revoked(vec![part(1, 10, None, Some(days(5)), 0), part(2, 3, Some("10.00"), Some(days(5)), 7)], vec![leg("10.00")])]
    );
    let only_given = revoked(vec![part(1, 10, None, Some(days(5)), 0), part(3, 3, None, None, 7)], vec![]);
    assert_eq!(decided(&staff(), &given, revoke(13, Some(LotKind::Promo))).unwrap(), [only_given]);
    assert_eq!(decided(&staff(), &given, revoke(11, Some(LotKind::Sold))), Err(short(10, 11)));
    let reserved = [given.to_vec(), decided(&service(), &given, reserve(25)).unwrap()].concat();
    assert_eq!(decided(&staff(), &reserved, revoke(6, None)), Err(short(5, 6)));
    assert_eq!(decided(&staff(), &[], revoke(1, None)), Err(short(0, 1)));
}

#[test]
fn tax_that_was_paid_with_the_price_is_refunded_with_it() {
    let taxed = CreditsFact::Sold {
        lot_id: lot(1),
        number: 1,
        units: 10,
        worth: Worth { value: eur("100.00"), tax: eur("18.00") },
        expires_at: None,
        landing: landing(1),
        wallet_id: WALLET,
    };
    let facts = decided(&staff(), &[taxed], revoke(5, None)).unwrap();
    let CreditsFact::Revoked { parts, legs, .. } = &facts[0] else { panic!() };
    assert_eq!(parts[0].worth, Some(Worth { value: eur("50.00"), tax: eur("9.00") }));
    assert_eq!(legs[0].amount, eur("59.00"));
}

#[test]
fn every_command_has_its_actors() {
    let outsiders = [by(ActorKind::User, &[]), by(ActorKind::User, &[Role::Payer, Role::Talent, Role::Viewer, Role::Auditor])];
    let platform = by(ActorKind::User, &[Role::PlatformFinance]);
    let given = [issued(1, 10, None)];
    let denied = |context: &Context, command: &CreditsCommand| decided(context, &given, command.clone()) == Err(CreditsError::NotPermitted);
    let consume_reserved =
        CreditsCommand::ConsumeReserved { owner: OWNER, reservation_id: RESERVATION, units: 1, usage: usage(Provider::Platform, None) };
    for command in [CreditsCommand::Sell(sale()), meet("expire:x".to_owned(), now())] {
        assert!(!denied(&system(), &command));
        assert!([staff(), service(), platform.clone()].iter().chain(&outsiders).all(|context| denied(context, &command)), "{command:?}");
    }
    for command in [issue(1, None), revoke(1, None)] {
        assert!([staff(), platform.clone()].iter().all(|context| !denied(context, &command)));
        assert!([system(), service()].iter().chain(&outsiders).all(|context| denied(context, &command)), "{command:?}");
    }
    for command in [consume(1), reserve(1), consume_reserved, release()] {
        assert!([staff(), service(), system(), platform.clone()].iter().all(|context| !denied(context, &command)), "{command:?}");
        assert!(outsiders.iter().all(|context| denied(context, &command)), "{command:?}");
    }
}

#[test]
fn credits_belong_to_one_owner() {
    let other = CreditsOwner { owner_id: PartyId(Uuid::from_u128(8)), ..OWNER };
    let command = CreditsCommand::Issue { owner: other, units: 1, expires_at: None, reason: String::new() };
    assert_eq!(decided(&staff(), &[issued(1, 10, None)], command), Err(CreditsError::OwnerMismatch));
    assert_ne!(other.credits_id(TENANT), OWNER.credits_id(TENANT));
    assert_ne!(OWNER.credits_id(TENANT), OWNER.credits_id(TenantId(Uuid::from_u128(2))));
    assert_eq!(OWNER.credits_id(TENANT), credits_id(TENANT, OWNER.owner_type, OWNER.owner_id));
}

#[test]
fn every_refusal_has_its_kind_code_and_details() {
    let claim = Claim { kind: "lot", value: "x".to_owned() };
    let cases = [
        (CreditsError::NotPermitted, ErrorKind::Forbidden, "POLICY_DENIED", vec![]),
        (CreditsError::UnitsInvalid, ErrorKind::Invalid, "AMOUNT_INVALID", vec![]),
        (CreditsError::OwnerMismatch, ErrorKind::Invalid, "CREDITS_OWNER_MISMATCH", vec![]),
        (CreditsError::ExpiryInvalid, ErrorKind::Invalid, "EXPIRY_INVALID", vec![]),
        (CreditsError::UntilInvalid { days: 366 }, ErrorKind::Invalid, "RESERVATION_END_INVALID", vec!["days"]),
        (CreditsError::UnitValueInvalid, ErrorKind::Invalid, "UNIT_VALUE_INVALID", vec![]),
        (CreditsError::UnitValueMissing, ErrorKind::Invalid, "UNIT_VALUE_MISSING", vec![]),
        (CreditsError::ReservationNotFound, ErrorKind::NotFound, "RESERVATION_NOT_FOUND", vec![]),
        (CreditsError::ReservationEnded, ErrorKind::Conflict, "RESERVATION_ENDED", vec![]),
        (CreditsError::ReservationExists, ErrorKind::Conflict, "RESERVATION_EXISTS", vec![]),
        (CreditsError::TooManyLots { limit: 1 }, ErrorKind::Conflict, "TOO_MANY_LOTS", vec!["limit"]),
        (CreditsError::TooManyReservations { limit: 1 }, ErrorKind::Conflict, "TOO_MANY_RESERVATIONS", vec!["limit"]),
        (short(1, 2), ErrorKind::Invalid, "INSUFFICIENT_CREDITS", vec!["available", "requested"]),
        (Credits::claim_taken(&claim, Uuid::nil()), ErrorKind::Conflict, "ALREADY_TAKEN", vec!["kind"]),
    ];
    for (error, kind, code, fields) in cases {
        assert_eq!(error.describe(), (kind, code));
        let details = error.details();
        let mut names: Vec<_> = details.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, fields, "{code}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let over = ReservationId(Uuid::from_u128(10));
    let reserved =
        |reservation_id, parts| CreditsFact::Reserved { reservation_id, units: 30, until: days(10), reference: reference(), parts };
    let consumed = |parts, drawn| CreditsFact::Consumed {
        units: 10,
        parts,
        drawn,
        reference: reference(),
        provider: Provider::Platform,
        promo: None,
        legs: vec![],
    };
    let history = [
        issued(1, 100, Some(days(5))),
        sold(2, 100, "50.00", None),
        reserved(RESERVATION, vec![part(1, 100, None, Some(days(5)), 0), part(2, 40, Some("20.00"), None, 60)]),
        consumed(vec![part(1, 90, None, Some(days(5)), 0)], Some(Drawn { reservation_id: RESERVATION, left: 50 })),
        consumed(vec![part(2, 10, Some("5.00"), None, 50)], None),
        reserved(over, vec![part(2, 20, Some("10.00"), None, 30)]),
        CreditsFact::Released {
            reservation_id: over,
            by_deadline: true,
            returned: vec![part(2, 20, Some("10.00"), None, 50)],
            expired: vec![],
        },
        issued(3, 7, Some(days(1))),
        CreditsFact::Expired { part: part(3, 7, None, Some(days(1)), 0) },
        CreditsFact::Revoked { units: 5, parts: vec![part(2, 5, Some("2.50"), None, 45)], reason: String::new(), legs: vec![] },
    ];
    let credits = folded(&history);
    let lot = |number: u32| lot(number).to_string();
    let money = |amount: &str| serde_json::json!({ "amount": amount, "currency": "EUR" });
    let golden = serde_json::json!({
        "owner": { "ownerType": "user", "ownerId": "00000000-0000-0000-0000-000000000007" },
        "version": 10,
        "lastLot": 3,
        "lots": { lot(2): { "number": 2, "units": 45, "worth": { "value": money("22.50"), "tax": money("0.00") }, "expiresAt": null } },
        "reservations": { RESERVATION.to_string(): {
            "until": "2026-03-11T12:00:00Z",
            "asked": 30,
            "reference": { "refType": "campaign", "refId": "00000000-0000-0000-0000-000000000005" },
            "parts": [
                { "lotId": lot(1), "number": 1, "units": 10, "worth": null, "expiresAt": "2026-03-06T12:00:00Z", "left": 0 },
                { "lotId": lot(2), "number": 2, "units": 40, "worth": { "value": money("20.00"), "tax": money("0.00") }, "expiresAt": null, "left": 60 },
            ],
        } },
        "landings": [{ "eventId": "00000000-0000-0000-0000-0000000003ea", "leg": 0 }],
        "endedReservations": ["00000000-0000-0000-0000-00000000000a"],
    });
    assert_eq!((Credits::FOLD_VERSION, serde_json::to_value(&credits).unwrap()), (1, golden));
    assert_eq!(credits.spendable(now()), Units { promo: 0, sold: 45 });
    assert_eq!(credits.reserved(), Units { promo: 10, sold: 40 });
    assert_eq!(credits.liability().into_values().collect::<Vec<_>>(), [Liability { deferred: 2_250, reserved: 2_000 }]);
    assert_eq!((credits.owner(), credits.version(), credits.exists(), TenantAggregate::status(&credits)), (Some(OWNER), 10, true, "open"));
    let nobody = Credits::default();
    assert_eq!((nobody.owner(), nobody.exists(), TenantAggregate::status(&nobody)), (None, false, "unopened"));
}
