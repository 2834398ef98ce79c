//! The rules of docs/domain/wallet.md, one sentence each.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::escrow::{FundingFailure, Landing};
use crate::kernel::{
    Actor, ActorKind, BankReceiptId, Claim, Context, DomainError, ErrorKind, EscrowId, EventId, HoldId, Money, PartyId, Role, StoredEvent,
    TenantAggregate, TenantId, find_transition,
};
use crate::tenant::TenantSettings;
use crate::wallet::WalletFact::{
    Cleared, Closed, Credited, Debited, Frozen, HoldCaptured, HoldDeclined, HoldLifted, HoldPlaced, Opened, TransferApproved,
    TransferExpired, TransferRejected, TransferRequested, Unfrozen,
};

mod case;
mod purchases;
mod transfers;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn eur(amount: &str) -> Money {
    Money::try_new(amount.parse().unwrap(), "EUR".parse().unwrap()).unwrap()
}

fn owner(owner_type: OwnerType) -> WalletOwner {
    WalletOwner { owner_type, owner_id: PartyId(Uuid::from_u128(7)), currency: "EUR".parse().unwrap() }
}

fn other() -> WalletOwner {
    WalletOwner { owner_id: PartyId(Uuid::from_u128(8)), ..user() }
}

fn user() -> WalletOwner {
    owner(OwnerType::User)
}

fn talent() -> WalletOwner {
    owner(OwnerType::Talent)
}

fn hold(n: u128) -> HoldId {
    HoldId(Uuid::from_u128(100 + n))
}

fn landing(n: u128) -> Landing {
    Landing { event_id: EventId(Uuid::from_u128(1000 + n)), leg: 0 }
}

fn funding() -> HoldPurpose {
    HoldPurpose::EscrowFunding { escrow_id: EscrowId(Uuid::from_u128(5)), attempt: 1 }
}

fn release() -> CreditPurpose {
    CreditPurpose::EscrowRelease { escrow_id: EscrowId(Uuid::from_u128(5)) }
}

fn by(kind: ActorKind, roles: &[Role]) -> Context {
    let actor = Actor { id: PartyId(Uuid::from_u128(3)), kind, roles: roles.iter().copied().collect(), amount_limits: Vec::new() };
    Context { tenant_id: TENANT, actor, now: now(), settings: Arc::new(TenantSettings::default()) }
}

fn system() -> Context {
    by(ActorKind::System, &[])
}

fn staff() -> Context {
    by(ActorKind::User, &[Role::Finance])
}

fn events(owner: WalletOwner, facts: &[WalletFact]) -> Vec<WalletEvent> {
    facts.iter().map(|fact| WalletEvent { owner, at: now(), fact: fact.clone() }).collect()
}

fn folded(owner: WalletOwner, facts: &[WalletFact]) -> Wallet {
    let mut wallet = Wallet::default();
    for event in events(owner, facts) {
        wallet.apply(event);
    }
    wallet
}

/// The facts that follow, or the refusal; the owner and the time of every event are right.
fn decided(context: &Context, owner: WalletOwner, given: &[WalletFact], command: WalletCommand) -> Result<Vec<WalletFact>, WalletError> {
    let result = TestFramework::<Wallet>::with(context.clone()).given(events(owner, given)).when(command).inspect_result()?;
    assert!(result.iter().all(|event| event.owner == owner && event.at == context.now));
    Ok(result.into_iter().map(|event| event.fact).collect())
}

fn credit(owner: WalletOwner, amount: &str, n: u128) -> Credit {
    Credit { owner, amount: eur(amount), landing: landing(n), purpose: release(), clears_at: None, hold: None }
}

fn credited(amount: &str, n: u128, to: Place) -> WalletFact {
    Credited { amount: eur(amount), landing: landing(n), to, purpose: release() }
}

fn place(n: u128, amount: &str) -> WalletCommand {
    WalletCommand::PlaceHold { owner: user(), hold_id: hold(n), amount: eur(amount), purpose: funding() }
}

fn placed(n: u128, amount: &str) -> WalletFact {
    HoldPlaced { hold_id: hold(n), amount: eur(amount), purpose: funding() }
}

fn declined(n: u128, amount: &str, reason: FundingFailure) -> WalletFact {
    HoldDeclined { hold_id: hold(n), amount: eur(amount), purpose: funding(), reason }
}

fn transfer(amount: &str, to: WalletOwner) -> WalletCommand {
    WalletCommand::Transfer { amount: eur(amount), to_wallet_id: to.wallet_id(TENANT), to, reason: "correction".to_owned() }
}

fn frozen(amount: &str) -> WalletFact {
    Frozen { amount: eur(amount), reason: "fraud".to_owned() }
}

/// Opened, with 100.00 available.
fn hundred() -> Vec<WalletFact> {
    vec![Opened, credited("100.00", 0, Place::Available)]
}

fn with(more: &[WalletFact]) -> Vec<WalletFact> {
    [hundred(), more.to_vec()].concat()
}

#[test]
fn a_credit_opens_the_wallet_and_is_available_at_once() {
    // MNY-01
    let facts = decided(&system(), user(), &[], WalletCommand::Credit(credit(user(), "12.34", 1))).unwrap();
    assert_eq!(facts, [Opened, credited("12.34", 1, Place::Available)]);
    let balances = folded(user(), &facts).balances().unwrap();
    assert_eq!((balances.available, balances.held, balances.pending), (eur("12.34"), eur("0"), eur("0")));
}

#[test]
fn the_same_money_in_transit_is_booked_once() {
    // MNY-01
    let again = decided(&system(), user(), &hundred(), WalletCommand::Credit(credit(user(), "100.00", 0))).unwrap();
    assert_eq!(again, []);
    let other_leg = Credit { landing: Landing { leg: 1, ..landing(0) }, hold: Some((hold(1), funding())), ..credit(user(), "1.00", 0) };
    assert_eq!(decided(&system(), user(), &hundred(), WalletCommand::Credit(other_leg)).unwrap().len(), 2);
}

#[test]
fn a_payees_money_is_pending_until_its_instant_and_cleared_by_its_deadline() {
    // MNY-24
    let clears_at = now() + TimeDelta::hours(1);
    let pending = Place::Pending { item: 1, clears_at };
    let command = WalletCommand::Credit(Credit { clears_at: Some(clears_at), ..credit(talent(), "10.00", 1) });
    let facts = decided(&system(), talent(), &[Opened], command).unwrap();
    assert_eq!(facts, [credited("10.00", 1, pending)]);
    assert_eq!(events(talent(), &facts)[0].deadline_changes()[0].at, Some(clears_at));

    let given = [Opened, credited("10.00", 1, pending)];
    let due = |key: &str, at| decided(&system(), talent(), &given, WalletCommand::MeetDeadline { key: key.to_owned(), at }).unwrap();
    assert_eq!(due("clear:1", clears_at), [Cleared { item: 1, amount: eur("10.00"), to: Place::Available }]);
    for (key, at) in [("clear:1", clears_at - TimeDelta::milliseconds(1)), ("clear:2", clears_at), ("clear:", clears_at), ("1", clears_at)]
    {
        assert_eq!(due(key, at), [], "{key} {at}");
    }
    let cleared = [given.to_vec(), due("clear:1", clears_at)].concat();
    let again = WalletCommand::MeetDeadline { key: "clear:1".to_owned(), at: clears_at };
    assert_eq!(decided(&system(), talent(), &cleared, again).unwrap(), []);
}

#[test]
fn a_deadline_that_lost_its_nanoseconds_in_storage_still_clears() {
    let clears_at = now() + TimeDelta::nanoseconds(1_999);
    let given = [Opened, credited("10.00", 1, Place::Pending { item: 1, clears_at })];
    let command = WalletCommand::MeetDeadline { key: "clear:1".to_owned(), at: now() + TimeDelta::microseconds(1) };
    assert_eq!(decided(&system(), talent(), &given, command).unwrap().len(), 1);
}

#[test]
fn a_payees_money_whose_instant_has_come_clears_in_the_same_append() {
    // MNY-24
    let command = |owner| WalletCommand::Credit(Credit { clears_at: Some(now()), ..credit(owner, "10.00", 1) });
    let facts = decided(&system(), talent(), &[Opened], command(talent())).unwrap();
    let pending = Place::Pending { item: 1, clears_at: now() };
    assert_eq!(facts, [credited("10.00", 1, pending), Cleared { item: 1, amount: eur("10.00"), to: Place::Available }]);
    for owner in [user(), owner(OwnerType::Tenant)] {
        let facts = decided(&system(), owner, &[Opened], command(owner)).unwrap();
        assert_eq!(facts, [credited("10.00", 1, Place::Available)]);
    }
}

#[test]
fn pending_items_are_numbered_and_never_reused() {
    let clears_at = now() + TimeDelta::hours(1);
    let at = |item| Place::Pending { item, clears_at };
    let given =
        [Opened, credited("1.00", 1, at(1)), Cleared { item: 1, amount: eur("1.00"), to: Place::Available }, credited("2.00", 2, at(2))];
    let command = WalletCommand::Credit(Credit { clears_at: Some(clears_at), ..credit(talent(), "3.00", 3) });
    assert_eq!(decided(&system(), talent(), &given, command).unwrap(), [credited("3.00", 3, at(3))]);
}

#[test]
fn a_frozen_wallet_takes_credits_into_the_freeze() {
    // MNY-51
    let clears_at = now() + TimeDelta::hours(1);
    let pending = credited("10.00", 1, Place::Pending { item: 1, clears_at });
    let given = [Opened, pending, frozen("0.00")];
    let command = WalletCommand::Credit(Credit { clears_at: Some(clears_at), ..credit(talent(), "5.00", 2) });
    assert_eq!(decided(&system(), talent(), &given, command).unwrap(), [credited("5.00", 2, Place::Freeze)]);
    let deadline = WalletCommand::MeetDeadline { key: "clear:1".to_owned(), at: clears_at };
    let facts = decided(&system(), talent(), &given, deadline).unwrap();
    assert_eq!(facts, [Cleared { item: 1, amount: eur("10.00"), to: Place::Freeze }]);
}

#[test]
fn a_closed_wallet_that_is_credited_is_open_again_and_frozen() {
    // MNY-52
    let reopened = Frozen { amount: eur("0.00"), reason: "credit_after_close".to_owned() };
    let command = WalletCommand::Credit(Credit { hold: Some((hold(1), funding())), ..credit(user(), "5.00", 1) });
    let facts = decided(&system(), user(), &[Opened, Closed], command).unwrap();
    assert_eq!(facts, [reopened, credited("5.00", 1, Place::Freeze)]);
    let wallet = folded(user(), &[vec![Opened, Closed], facts].concat());
    assert_eq!(wallet.wallet_status(), WalletStatus::Frozen);
    assert_eq!(wallet.balances().unwrap().frozen, eur("5.00"));
}

#[test]
fn a_receipt_for_an_escrow_is_credited_and_held_in_one_append_unless_the_wallet_is_frozen() {
    // MNY-09, MNY-51
    let purpose = CreditPurpose::BankReceipt { receipt_id: BankReceiptId(Uuid::from_u128(4)), escrow_id: Some(EscrowId(Uuid::nil())) };
    let command = || WalletCommand::Credit(Credit { purpose, hold: Some((hold(1), funding())), ..credit(user(), "80.00", 1) });
    let taken = |to| Credited { amount: eur("80.00"), landing: landing(1), to, purpose };
    assert_eq!(decided(&system(), user(), &[], command()).unwrap(), [Opened, taken(Place::Available), placed(1, "80.00")]);
    assert_eq!(decided(&system(), user(), &[Opened, frozen("0.00")], command()).unwrap(), [taken(Place::Freeze)]);
    let given = with(&[placed(1, "100.00")]);
    assert_eq!(decided(&system(), user(), &given, command()).unwrap(), [taken(Place::Available)]);
}

#[test]
fn a_hold_takes_from_what_is_available_at_once() {
    // MNY-07: the limit is checked when money is reserved, so that two holds cannot share it.
    assert_eq!(decided(&system(), user(), &hundred(), place(1, "100.00")).unwrap(), [placed(1, "100.00")]);
    let given = with(&[placed(1, "60.00")]);
    assert_eq!(decided(&system(), user(), &given, place(2, "40.00")).unwrap(), [placed(2, "40.00")]);
    assert_eq!(decided(&system(), user(), &given, place(2, "40.01")).unwrap(), [declined(2, "40.01", FundingFailure::InsufficientFunds)]);
}

#[test]
fn a_hold_that_cannot_be_placed_is_declined_with_its_reason() {
    // MNY-07
    let missing = declined(1, "1.00", FundingFailure::InsufficientFunds);
    assert_eq!(decided(&system(), user(), &[], place(1, "1.00")).unwrap(), [Opened, missing.clone()]);
    assert_eq!(decided(&system(), user(), &[Opened, Closed], place(1, "1.00")).unwrap(), [missing]);
    let given = with(&[frozen("100.00")]);
    assert_eq!(decided(&system(), user(), &given, place(1, "1.00")).unwrap(), [declined(1, "1.00", FundingFailure::WalletFrozen)]);
}

#[test]
fn a_hold_id_is_used_once() {
    let lifted = HoldLifted { hold_id: hold(1), amount: eur("10.00"), to: Place::Available };
    let refused = declined(1, "1000.00", FundingFailure::InsufficientFunds);
    for after in [vec![placed(1, "10.00")], vec![placed(1, "10.00"), lifted], vec![refused]] {
        assert_eq!(decided(&system(), user(), &with(&after), place(1, "10.00")).unwrap(), []);
    }
}

#[test]
fn a_capture_takes_its_part_and_gives_the_rest_back() {
    // MNY-07, MNY-10
    let capture = |captured| WalletCommand::CaptureHold { hold_id: hold(1), captured: eur(captured), landing: landing(9) };
    let captured = |captured, released, to| HoldCaptured {
        hold_id: hold(1),
        captured: eur(captured),
        released: eur(released),
        landing: landing(9),
        to,
    };
    let given = with(&[placed(1, "60.00")]);
    assert_eq!(decided(&system(), user(), &given, capture("60.00")).unwrap(), [captured("60.00", "0.00", Place::Available)]);
    assert_eq!(decided(&system(), user(), &given, capture("45.50")).unwrap(), [captured("45.50", "14.50", Place::Available)]);
    let while_frozen = with(&[placed(1, "60.00"), frozen("40.00")]);
    assert_eq!(decided(&system(), user(), &while_frozen, capture("45.50")).unwrap(), [captured("45.50", "14.50", Place::Freeze)]);
    let lifted = HoldLifted { hold_id: hold(1), amount: eur("60.00"), to: Place::Available };
    assert_eq!(decided(&system(), user(), &given, capture("0.00")).unwrap(), [lifted]);
    assert_eq!(
        decided(&system(), user(), &given, capture("60.01")),
        Err(WalletError::HoldTooSmall { held: eur("60.00"), requested: eur("60.01") })
    );
    let taken = [given, vec![captured("60.00", "0.00", Place::Available)]].concat();
    assert_eq!(folded(user(), &taken).balances().unwrap().available, eur("40.00"));
}

#[test]
fn a_hold_that_is_unknown_or_ended_is_neither_captured_nor_lifted() {
    let ended = with(&[placed(1, "10.00"), HoldLifted { hold_id: hold(1), amount: eur("10.00"), to: Place::Available }]);
    for given in [vec![], hundred(), ended] {
        let capture = WalletCommand::CaptureHold { hold_id: hold(1), captured: eur("10.00"), landing: landing(9) };
        assert_eq!(decided(&system(), user(), &given, capture).unwrap(), []);
        assert_eq!(decided(&system(), user(), &given, WalletCommand::LiftHold { hold_id: hold(1) }).unwrap(), []);
    }
    let deadline = WalletCommand::MeetDeadline { key: "clear:1".to_owned(), at: now() };
    assert_eq!(decided(&system(), user(), &[], deadline).unwrap(), []);
}

#[test]
fn a_lifted_hold_goes_back_to_where_money_is_now_usable() {
    // MNY-11, MNY-51
    let lift = WalletCommand::LiftHold { hold_id: hold(1) };
    for (more, to) in [(vec![placed(1, "10.00")], Place::Available), (vec![placed(1, "10.00"), frozen("90.00")], Place::Freeze)] {
        let facts = decided(&system(), user(), &with(&more), lift.clone()).unwrap();
        assert_eq!(facts, [HoldLifted { hold_id: hold(1), amount: eur("10.00"), to }]);
    }
}

#[test]
fn a_transfer_debits_what_is_available_and_names_its_taker() {
    // LED-18, LED-57
    let purpose = DebitPurpose::Transfer { to_wallet_id: other().wallet_id(TENANT), to: other(), reason: "correction".to_owned() };
    let facts = decided(&staff(), user(), &hundred(), transfer("100.00", other())).unwrap();
    assert_eq!(facts, [Debited { amount: eur("100.00"), purpose }]);
}

#[test]
fn a_transfer_is_refused_for_every_reason_in_order() {
    // LED-18, LED-68, MNY-08, MNY-51
    let refused = |given: &[WalletFact], command| decided(&staff(), user(), given, command).unwrap_err();
    let yen = WalletOwner { currency: "JPY".parse().unwrap(), ..other() };
    let (wallet, given) = (user().currency, yen.currency);
    assert_eq!(refused(&hundred(), transfer("0.00", other())), WalletError::AmountInvalid);
    assert_eq!(refused(&hundred(), transfer("-1.00", other())), WalletError::AmountInvalid);
    assert_eq!(refused(&[], transfer("1.00", other())), WalletError::NotFound);
    let in_yen = WalletCommand::Transfer {
        amount: Money::try_from_minor(5, given).unwrap(),
        to_wallet_id: other().wallet_id(TENANT),
        to: other(),
        reason: String::new(),
    };
    assert_eq!(refused(&hundred(), in_yen), WalletError::CurrencyMismatch { wallet, given });
    assert_eq!(refused(&hundred(), transfer("1.00", yen)), WalletError::CurrencyMismatch { wallet, given });
    let mixed_up =
        WalletCommand::Transfer { amount: eur("1.00"), to_wallet_id: user().wallet_id(TENANT), to: other(), reason: String::new() };
    assert_eq!(refused(&hundred(), mixed_up), WalletError::OwnerMismatch);
    assert_eq!(refused(&hundred(), transfer("1.00", user())), WalletError::ToItself);
    assert_eq!(refused(&with(&[frozen("100.00")]), transfer("1.00", other())), WalletError::Frozen);
    let closed = WalletError::NotAllowed { status: WalletStatus::Closed, action: WalletAction::Transfer };
    assert_eq!(refused(&[Opened, Closed], transfer("1.00", other())), closed);
    let short = WalletError::InsufficientFunds { available: eur("40.00"), requested: eur("40.01") };
    assert_eq!(refused(&with(&[placed(1, "60.00")]), transfer("40.01", other())), short);
}

#[test]
fn a_freeze_moves_all_that_is_available_and_an_unfreeze_only_that_back() {
    // MNY-51
    let reason = || "fraud".to_owned();
    let given = with(&[placed(1, "30.00")]);
    let facts = decided(&staff(), user(), &given, WalletCommand::Freeze { reason: reason() }).unwrap();
    assert_eq!(facts, [frozen("70.00")]);
    let given = [given, facts, vec![credited("5.00", 1, Place::Freeze)]].concat();
    let balances = folded(user(), &given).balances().unwrap();
    assert_eq!((balances.available, balances.held, balances.frozen), (eur("0.00"), eur("105.00"), eur("75.00")));
    let facts = decided(&staff(), user(), &given, WalletCommand::Unfreeze { reason: reason() }).unwrap();
    assert_eq!(facts, [Unfrozen { amount: eur("75.00"), reason: reason() }]);
    let balances = folded(user(), &[given, facts].concat()).balances().unwrap();
    assert_eq!((balances.available, balances.held), (eur("75.00"), eur("30.00")));
}

#[test]
fn only_an_empty_wallet_can_be_closed() {
    // LED-30, MNY-52
    assert_eq!(decided(&staff(), user(), &[Opened], WalletCommand::Close).unwrap(), [Closed]);
    let pending = credited("1.00", 1, Place::Pending { item: 1, clears_at: now() });
    let cases = [
        (hundred(), ["100.00", "0.00", "0.00"]),
        (with(&[placed(1, "100.00")]), ["0.00", "100.00", "0.00"]),
        (vec![Opened, pending], ["0.00", "0.00", "1.00"]),
    ];
    for (given, [available, held, pending]) in cases {
        let refused = WalletError::NotEmpty { available: eur(available), held: eur(held), pending: eur(pending) };
        assert_eq!(decided(&staff(), user(), &given, WalletCommand::Close), Err(refused));
    }
}

#[test]
fn every_status_and_action_goes_where_the_table_says() {
    // LED-30
    let histories = [
        (WalletStatus::Unopened, vec![]),
        (WalletStatus::Active, vec![Opened]),
        (WalletStatus::Frozen, vec![Opened, frozen("0.00")]),
        (WalletStatus::Closed, vec![Opened, Closed]),
    ];
    let commands = [
        (WalletAction::Open, WalletCommand::Open(user())),
        (WalletAction::Freeze, WalletCommand::Freeze { reason: "fraud".to_owned() }),
        (WalletAction::Unfreeze, WalletCommand::Unfreeze { reason: "cleared".to_owned() }),
        (WalletAction::Close, WalletCommand::Close),
    ];
    for (status, given) in &histories {
        assert_eq!(folded(user(), given).wallet_status(), *status);
        for (action, command) in &commands {
            let result = decided(&staff(), user(), given, command.clone());
            let open_again = *action == WalletAction::Open && matches!(status, WalletStatus::Active | WalletStatus::Frozen);
            match find_transition(TRANSITIONS, *status, *action).next() {
                Some(next) => {
                    let after = [given.clone(), result.unwrap()].concat();
                    assert_eq!(folded(user(), &after).wallet_status(), next, "{status} {action}");
                }
                None if open_again => assert_eq!(result, Ok(vec![]), "opening twice changes nothing"),
                None if given.is_empty() => assert_eq!(result, Err(WalletError::NotFound)),
                None => assert_eq!(result, Err(WalletError::NotAllowed { status: *status, action: *action })),
            }
        }
    }
}

#[test]
fn money_comes_and_goes_by_the_system_and_staff_do_the_rest() {
    let platform = by(ActorKind::User, &[Role::PlatformFinance]);
    let outsiders = [by(ActorKind::User, &[]), by(ActorKind::User, &[Role::Payer, Role::Talent, Role::Viewer, Role::Auditor])];
    let by_system = [
        WalletCommand::Credit(credit(user(), "1.00", 5)),
        place(1, "1.00"),
        WalletCommand::CaptureHold { hold_id: hold(1), captured: eur("1.00"), landing: landing(9) },
        WalletCommand::LiftHold { hold_id: hold(1) },
        WalletCommand::MeetDeadline { key: "clear:1".to_owned(), at: now() },
    ];
    let by_staff = [
        transfer("1.00", other()),
        WalletCommand::ApproveTransfer { transfer: 1 },
        WalletCommand::RejectTransfer { transfer: 1, reason: String::new() },
        WalletCommand::BuyCredits { units: 1, price: eur("1.00"), expires_at: None },
        WalletCommand::Freeze { reason: String::new() },
        WalletCommand::Unfreeze { reason: String::new() },
        WalletCommand::Close,
    ];
    let denied = |context: &Context, command: &WalletCommand| {
        decided(context, user(), &hundred(), command.clone()) == Err(WalletError::NotPermitted)
    };
    for command in &by_system {
        assert!(!denied(&system(), command), "{command:?}");
        assert!(denied(&staff(), command) && denied(&platform, command), "{command:?}");
    }
    for command in &by_staff {
        assert!(denied(&system(), command), "{command:?}");
        assert!(!denied(&staff(), command) && !denied(&platform, command), "{command:?}");
    }
    for command in by_system.iter().chain(&by_staff).chain([&WalletCommand::Open(user())]) {
        assert!(outsiders.iter().all(|context| denied(context, command)), "{command:?}");
    }
    assert!(!denied(&system(), &WalletCommand::Open(user())) && !denied(&staff(), &WalletCommand::Open(user())));
}

#[test]
fn a_wallet_belongs_to_one_owner_and_currency() {
    let yen = WalletOwner { currency: "JPY".parse().unwrap(), ..user() };
    for command in [WalletCommand::Open(other()), WalletCommand::Open(yen), WalletCommand::Credit(credit(other(), "1.00", 1))] {
        assert_eq!(decided(&system(), user(), &[Opened], command), Err(WalletError::OwnerMismatch));
    }
    let mismatch = WalletError::CurrencyMismatch { wallet: yen.currency, given: user().currency };
    assert_eq!(decided(&system(), yen, &[], WalletCommand::Credit(credit(yen, "1.00", 1))), Err(mismatch));
    for amount in ["0.00", "-0.01"] {
        assert_eq!(decided(&system(), user(), &[], WalletCommand::Credit(credit(user(), amount, 1))), Err(WalletError::AmountInvalid));
        assert_eq!(decided(&system(), user(), &[], place(1, amount)), Err(WalletError::AmountInvalid));
    }
    let capture = WalletCommand::CaptureHold { hold_id: hold(1), captured: eur("-0.01"), landing: landing(9) };
    assert_eq!(decided(&system(), user(), &hundred(), capture), Err(WalletError::AmountInvalid));
}

#[test]
fn every_refusal_has_its_kind_code_and_details() {
    let currency = user().currency;
    let claim = Claim { kind: "wallet", value: "x".to_owned() };
    let cases = [
        (WalletError::NotPermitted, ErrorKind::Forbidden, "POLICY_DENIED", vec![]),
        (WalletError::AmountInvalid, ErrorKind::Invalid, "AMOUNT_INVALID", vec![]),
        (WalletError::NotFound, ErrorKind::NotFound, "WALLET_NOT_FOUND", vec![]),
        (
            WalletError::CurrencyMismatch { wallet: currency, given: currency },
            ErrorKind::Invalid,
            "CURRENCY_MISMATCH",
            vec!["wallet", "given"],
        ),
        (WalletError::OwnerMismatch, ErrorKind::Invalid, "WALLET_OWNER_MISMATCH", vec![]),
        (WalletError::ToItself, ErrorKind::Invalid, "TRANSFER_TO_ITSELF", vec![]),
        (WalletError::Frozen, ErrorKind::Conflict, "WALLET_FROZEN", vec![]),
        (
            WalletError::NotAllowed { status: WalletStatus::Frozen, action: WalletAction::Close },
            ErrorKind::Conflict,
            "INVALID_WALLET_TRANSITION",
            vec!["status", "action"],
        ),
        (
            WalletError::NotEmpty { available: eur("1"), held: eur("2"), pending: eur("3") },
            ErrorKind::Conflict,
            "WALLET_NOT_EMPTY",
            vec!["available", "held", "pending"],
        ),
        (
            WalletError::InsufficientFunds { available: eur("1"), requested: eur("2") },
            ErrorKind::Invalid,
            "INSUFFICIENT_FUNDS",
            vec!["available", "requested"],
        ),
        (
            WalletError::HoldTooSmall { held: eur("1"), requested: eur("2") },
            ErrorKind::Conflict,
            "HOLD_TOO_SMALL",
            vec!["held", "requested"],
        ),
        (WalletError::UnitsInvalid { most: 1 }, ErrorKind::Invalid, "UNITS_INVALID", vec!["most"]),
        (WalletError::ExpiryInvalid, ErrorKind::Invalid, "EXPIRY_INVALID", vec![]),
        (WalletError::TransferNotFound, ErrorKind::NotFound, "TRANSFER_NOT_FOUND", vec![]),
        (WalletError::TransferExpired, ErrorKind::Conflict, "TRANSFER_EXPIRED", vec![]),
        (WalletError::FourEyesRequired, ErrorKind::Forbidden, "FOUR_EYES_REQUIRED", vec![]),
        (WalletError::ApprovalRequired { amount: eur("1") }, ErrorKind::Forbidden, "APPROVAL_REQUIRED", vec!["amount"]),
        (WalletError::TooManyTransfers { limit: 50 }, ErrorKind::Conflict, "TOO_MANY_TRANSFERS", vec!["limit"]),
        (Wallet::claim_taken(&claim, Uuid::nil()), ErrorKind::Conflict, "ALREADY_TAKEN", vec!["kind"]),
    ];
    for (error, kind, code, mut fields) in cases {
        assert_eq!(error.describe(), (kind, code));
        let details = error.details();
        let mut names: Vec<_> = details.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        fields.sort_unstable();
        assert_eq!(names, fields, "{code}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_balance_above_the_largest_amount_is_still_credited_held_and_frozen() {
    let largest = Money::try_from_minor(crate::kernel::MAX_MINOR, user().currency).unwrap();
    let credited = |n| Credited { amount: largest, landing: landing(n), to: Place::Available, purpose: release() };
    let given = vec![Opened, credited(1), credited(2)];
    assert_eq!(folded(user(), &given).balances().unwrap().available, largest);
    let facts = decided(&staff(), user(), &given, WalletCommand::Freeze { reason: String::new() }).unwrap();
    assert_eq!(facts.len(), 2);
    let given = [given, facts].concat();
    let facts = decided(&staff(), user(), &given, WalletCommand::Unfreeze { reason: String::new() }).unwrap();
    let wallet = folded(user(), &[given, facts].concat());
    assert_eq!((wallet.frozen, wallet.available), (0, 2 * crate::kernel::MAX_MINOR));
}

#[test]
fn what_a_wallet_remembers_is_bounded() {
    let mut wallet = folded(user(), &[Opened]);
    for n in 0..2_000_u128 {
        for event in events(user(), &[credited("1.00", n, Place::Available), placed(n, "1.00")]) {
            wallet.apply(event);
        }
        for event in events(user(), &[HoldLifted { hold_id: hold(n), amount: eur("1.00"), to: Place::Available }]) {
            wallet.apply(event);
        }
    }
    assert!(wallet.landings.contains(&landing(1_999)) && wallet.ended_holds.contains(&hold(1_999)));
    assert!(!wallet.landings.contains(&landing(0)) && !wallet.ended_holds.contains(&hold(0)));
    assert!(serde_json::to_vec(&wallet).unwrap().len() < 64 * 1024);
    assert_eq!(wallet.version(), 6_001);
}

#[test]
fn the_same_history_folds_to_the_same_state_or_the_fold_version_goes_up() {
    let clears_at = now() + TimeDelta::hours(1);
    let history = [
        Opened,
        credited("100.00", 1, Place::Available),
        credited("7.50", 2, Place::Pending { item: 1, clears_at }),
        credited("2.50", 3, Place::Pending { item: 2, clears_at }),
        Cleared { item: 1, amount: eur("7.50"), to: Place::Available },
        placed(1, "40.00"),
        placed(2, "10.00"),
        placed(3, "5.00"),
        declined(4, "900.00", FundingFailure::InsufficientFunds),
        HoldCaptured { hold_id: hold(2), captured: eur("9.00"), released: eur("1.00"), landing: landing(9), to: Place::Available },
        HoldLifted { hold_id: hold(3), amount: eur("5.00"), to: Place::Available },
        Debited {
            amount: eur("8.00"),
            purpose: DebitPurpose::Transfer { to_wallet_id: other().wallet_id(TENANT), to: other(), reason: String::new() },
        },
        frozen("50.50"),
        Unfrozen { amount: eur("50.50"), reason: String::new() },
        frozen("50.50"),
        credited("1.00", 4, Place::Freeze),
        transfers::requested(1, "3.00"),
        transfers::requested(2, "4.00"),
        TransferRejected { transfer: 1, reason: String::new() },
    ];
    let wallet = folded(talent(), &history);
    let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!((Wallet::FOLD_VERSION, serde_json::to_value(&wallet).unwrap()), (2, golden));
    assert_eq!(serde_json::from_str::<Wallet>(GOLDEN).unwrap(), wallet);
    let balances = wallet.balances().unwrap();
    assert_eq!(
        (balances.available, balances.held, balances.pending, balances.frozen),
        (eur("0.00"), eur("91.50"), eur("2.50"), eur("51.50"))
    );
    assert_eq!((wallet.owner(), TenantAggregate::status(&wallet), wallet.exists()), (Some(talent()), "frozen", true));
    assert_eq!(wallet.holds().collect::<Vec<_>>(), [(hold(1), eur("40.00"))]);
    assert_eq!(wallet.pending_items().collect::<Vec<_>>(), [(2, eur("2.50"), clears_at)]);
}

#[test]
fn a_wallet_that_nobody_touched_has_nothing_to_show() {
    let wallet = Wallet::default();
    assert_eq!((wallet.owner(), wallet.balances().is_none(), wallet.version(), wallet.exists()), (None, true, 0, false));
    assert_eq!(TenantAggregate::status(&wallet), "unopened");
}

proptest! {
    #[test]
    fn sixty_four_interleaved_spenders_cannot_overspend(
        turns in proptest::collection::vec((0_u128..64, 1_i128..4_000, any::<bool>()), 64..400),
    ) {
        // LED-68: each spender's command is decided on the state that the one before it left behind.
        let mut wallet = folded(user(), &hundred());
        let mut spent = 0;
        for (turn, (spender, minor, holds)) in turns.into_iter().enumerate() {
            let amount = Money::try_from_minor(minor, user().currency).unwrap();
            let free = 10_000 - spent;
            let command = if holds {
                WalletCommand::PlaceHold { owner: user(), hold_id: hold(turn as u128 * 64 + spender), amount, purpose: funding() }
            } else {
                WalletCommand::Transfer { amount, to_wallet_id: other().wallet_id(TENANT), to: other(), reason: String::new() }
            };
            let context = if holds { system() } else { staff() };
            let result = wallet.decide(command, &context);
            let took = match &result {
                Ok(events) => matches!(events[0].fact, HoldPlaced { .. } | Debited { .. }),
                Err(error) => { prop_assert_eq!(error.describe().1, "INSUFFICIENT_FUNDS"); false }
            };
            prop_assert_eq!(took, minor <= free);
            spent += if took { minor } else { 0 };
            for event in result.unwrap_or_default() {
                wallet.apply(event);
            }
            prop_assert!(wallet.available >= 0 && wallet.available == 10_000 - spent);
        }
    }
}

/// The state of version 2. When it must change, `FOLD_VERSION` goes up, so that no snapshot of the old shape is used.
const GOLDEN: &str = r#"{
  "status": "frozen",
  "owner": { "ownerType": "talent", "ownerId": "00000000-0000-0000-0000-000000000007", "currency": "EUR" },
  "version": 19,
  "available": 0,
  "frozen": 5150,
  "holds": {
    "00000000-0000-0000-0000-000000000065": {
      "amount": { "amount": "40.00", "currency": "EUR" },
      "purpose": { "escrow_funding": { "escrowId": "00000000-0000-0000-0000-000000000005", "attempt": 1 } }
    }
  },
  "pending": { "2": { "amount": { "amount": "2.50", "currency": "EUR" }, "clearsAt": "2026-03-01T13:00:00Z" } },
  "lastItem": 2,
  "landings": [
    { "eventId": "00000000-0000-0000-0000-0000000003e9", "leg": 0 },
    { "eventId": "00000000-0000-0000-0000-0000000003ea", "leg": 0 },
    { "eventId": "00000000-0000-0000-0000-0000000003eb", "leg": 0 },
    { "eventId": "00000000-0000-0000-0000-0000000003ec", "leg": 0 }
  ],
  "endedHolds": [
    "00000000-0000-0000-0000-000000000068",
    "00000000-0000-0000-0000-000000000066",
    "00000000-0000-0000-0000-000000000067"
  ],
  "transfers": {
    "2": {
      "amount": { "amount": "4.00", "currency": "EUR" },
      "toWalletId": "4c14e7a6-664a-8835-a65a-52363c55eaae",
      "to": { "ownerType": "user", "ownerId": "00000000-0000-0000-0000-000000000008", "currency": "EUR" },
      "reason": "correction",
      "requestedBy": "00000000-0000-0000-0000-000000000003",
      "expiresAt": "2026-03-08T12:00:00Z"
    }
  }
}"#;
