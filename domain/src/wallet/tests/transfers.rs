//! Transfers that need a second person (LED-18, IDN-70).

use super::*;
use crate::tenant::TransferSettings;

/// Staff member number `n`, where transfers above 10.00 need an approval.
fn member(n: u128, limits: &[&str]) -> Context {
    let mut context = staff();
    context.actor.id = PartyId(Uuid::from_u128(n));
    context.actor.amount_limits = limits.iter().map(|limit| eur(limit)).collect();
    let transfer = TransferSettings { approval_above_minor: Some(1_000) };
    context.settings = Arc::new(TenantSettings { transfer, ..TenantSettings::default() });
    context
}

pub(super) fn requested(transfer: i64, amount: &str) -> WalletFact {
    TransferRequested {
        transfer,
        amount: eur(amount),
        to_wallet_id: other().wallet_id(TENANT),
        to: other(),
        reason: "correction".to_owned(),
        requested_by: PartyId(Uuid::from_u128(3)),
        expires_at: now() + TimeDelta::days(7),
    }
}

fn debited(amount: &str) -> WalletFact {
    let purpose = DebitPurpose::Transfer { to_wallet_id: other().wallet_id(TENANT), to: other(), reason: "correction".to_owned() };
    Debited { amount: eur(amount), purpose }
}

#[test]
fn up_to_the_limits_a_transfer_is_made_at_once_and_above_either_it_is_only_asked_for() {
    // LED-18, IDN-70
    let asked = |context: &Context, amount| decided(context, user(), &hundred(), transfer(amount, other())).unwrap();
    assert_eq!(asked(&member(3, &[]), "10.00"), [debited("10.00")]);
    assert_eq!(asked(&member(3, &[]), "10.01"), [requested(3, "10.01")]);
    assert_eq!(asked(&member(3, &["5.00"]), "5.00"), [debited("5.00")]);
    assert_eq!(asked(&member(3, &["5.00"]), "5.01"), [requested(3, "5.01")]);
    assert_eq!(asked(&staff(), "100.00"), [debited("100.00")], "no limit, nobody to ask");
    let balances = folded(user(), &with(&[requested(1, "10.01")])).balances().unwrap();
    assert_eq!((balances.available, balances.held), (eur("100.00"), eur("0.00")), "nothing is held");
    assert!(Wallet::depends_on_settings(&transfer("1.00", other())));
    assert!(!Wallet::depends_on_settings(&WalletCommand::ApproveTransfer { transfer: 1 }));
}

#[test]
fn a_transfer_that_could_not_be_made_is_not_asked_for_either() {
    let short = WalletError::InsufficientFunds { available: eur("100.00"), requested: eur("100.01") };
    assert_eq!(decided(&member(3, &[]), user(), &hundred(), transfer("100.01", other())), Err(short));
    let frozen = with(&[frozen("100.00")]);
    assert_eq!(decided(&member(3, &[]), user(), &frozen, transfer("50.00", other())), Err(WalletError::Frozen));
}

#[test]
fn another_person_with_enough_of_a_limit_approves_and_funds_are_looked_at_then() {
    // LED-18
    let given = with(&[requested(1, "60.00")]);
    let approve = |context: &Context, given: &[WalletFact]| decided(context, user(), given, WalletCommand::ApproveTransfer { transfer: 1 });
    assert_eq!(approve(&member(4, &[]), &given).unwrap(), [TransferApproved { transfer: 1 }, debited("60.00")]);
    assert_eq!(approve(&member(4, &["60.00"]), &given).unwrap().len(), 2);
    assert_eq!(approve(&member(3, &[]), &given), Err(WalletError::FourEyesRequired));
    assert_eq!(approve(&member(4, &["59.99"]), &given), Err(WalletError::ApprovalRequired { amount: eur("60.00") }));
    let spent = with(&[requested(1, "60.00"), placed(1, "40.01")]);
    let short = WalletError::InsufficientFunds { available: eur("59.99"), requested: eur("60.00") };
    assert_eq!(approve(&member(4, &[]), &spent), Err(short));
    let late = Context { now: now() + TimeDelta::days(7), ..member(4, &[]) };
    assert_eq!(approve(&late, &given), Err(WalletError::TransferExpired));
    let done = with(&[requested(1, "60.00"), TransferApproved { transfer: 1 }, debited("60.00")]);
    assert_eq!(approve(&member(4, &[]), &done), Err(WalletError::TransferNotFound));
    assert_eq!(approve(&member(4, &[]), &hundred()), Err(WalletError::TransferNotFound));
    assert_eq!(approve(&member(4, &[]), &[]), Err(WalletError::TransferNotFound));
}

#[test]
fn a_rejected_or_forgotten_transfer_moves_nothing() {
    let given = with(&[requested(1, "60.00")]);
    let reject = || WalletCommand::RejectTransfer { transfer: 1, reason: "twice".to_owned() };
    let rejected = TransferRejected { transfer: 1, reason: "twice".to_owned() };
    for n in [3, 4] {
        assert_eq!(decided(&member(n, &[]), user(), &given, reject()).unwrap(), std::slice::from_ref(&rejected));
    }
    assert_eq!(decided(&staff(), user(), &with(&[requested(1, "60.00"), rejected]), reject()), Err(WalletError::TransferNotFound));
    let due = now() + TimeDelta::days(7);
    let meet = |key: &str, at| decided(&system(), user(), &given, WalletCommand::MeetDeadline { key: key.to_owned(), at }).unwrap();
    assert_eq!(meet("transfer:1", due), [TransferExpired { transfer: 1 }]);
    assert_eq!(meet("transfer:1", due - TimeDelta::seconds(1)), []);
    assert_eq!(meet("transfer:2", due), []);
    let changes = |fact: WalletFact| events(user(), &[fact])[0].deadline_changes();
    assert_eq!(changes(requested(1, "60.00"))[0].at, Some(due));
    for ended in [TransferApproved { transfer: 1 }, TransferExpired { transfer: 1 }] {
        assert_eq!((changes(ended.clone())[0].key.as_str(), changes(ended)[0].at), ("transfer:1", None));
    }
}

#[test]
fn transfers_are_numbered_by_their_event_and_only_so_many_wait() {
    let waiting: Vec<_> = (1..=50).map(|n| requested(n, "11.00")).collect();
    let refused = decided(&member(3, &[]), user(), &with(&waiting), transfer("11.00", other()));
    assert_eq!(refused, Err(WalletError::TooManyTransfers { limit: 50 }));
    let answered = [with(&waiting), vec![TransferExpired { transfer: 50 }]].concat();
    assert_eq!(decided(&member(3, &[]), user(), &answered, transfer("11.00", other())).unwrap(), [requested(54, "11.00")]);
}
