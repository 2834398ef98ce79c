//! A case about settled money holds what is there (MNY-36).

use super::*;
use crate::kernel::DisputeId;
use crate::wallet::WalletFact::CaseFrozen;

fn freeze(amount: &str) -> WalletCommand {
    let (escrow_id, dispute_id) = (EscrowId(Uuid::from_u128(5)), DisputeId(Uuid::from_u128(6)));
    WalletCommand::FreezeForCase { owner: talent(), hold_id: hold(9), amount: eur(amount), escrow_id, dispute_id }
}

fn pending(item: u32) -> Place {
    Place::Pending { item, clears_at: now() + TimeDelta::hours(i64::from(item)) }
}

fn part(from: Place, amount: &str, emptied: bool) -> CasePart {
    CasePart { from, amount: eur(amount), emptied }
}

fn parts(given: &[WalletFact], amount: &str) -> (Vec<CasePart>, WalletFact) {
    let facts = decided(&system(), talent(), given, freeze(amount)).unwrap();
    let fact = facts.last().unwrap().clone();
    let CaseFrozen { parts, .. } = &fact else { panic!("{facts:?}") };
    (parts.clone(), fact)
}

/// 30 and 20 pending, 50 available.
fn given() -> Vec<WalletFact> {
    vec![Opened, credited("30", 1, pending(1)), credited("20", 2, pending(2)), credited("50", 3, Place::Available)]
}

#[test]
fn pending_money_is_held_first_and_its_rest_still_clears() {
    let (held, fact) = parts(&given(), "35");
    assert_eq!(held, [part(pending(2), "20", true), part(pending(1), "15", false)]);
    let changes = events(talent(), std::slice::from_ref(&fact))[0].deadline_changes();
    assert_eq!(changes.iter().map(|change| (change.key.as_str(), change.at)).collect::<Vec<_>>(), [("clear:2", None)]);
    let wallet = folded(talent(), &[given(), vec![fact.clone()]].concat());
    assert_eq!(wallet.pending_items().map(|(item, amount, _)| (item, amount)).collect::<Vec<_>>(), [(1, eur("15"))]);
    assert_eq!((wallet.held(hold(9)), wallet.balances().unwrap().available), (Some(eur("35")), eur("50")));
    let cleared = decided(
        &system(),
        talent(),
        &[given(), vec![fact]].concat(),
        WalletCommand::MeetDeadline { key: "clear:1".into(), at: now() + TimeDelta::hours(1) },
    );
    assert_eq!(cleared.unwrap(), [Cleared { item: 1, amount: eur("15"), to: Place::Available }]);
}

#[test]
fn then_what_is_available_and_never_more_than_there_is() {
    let (held, fact) = parts(&given(), "70");
    assert_eq!(held.last(), Some(&part(Place::Available, "20", false)));
    assert_eq!(fact.frozen_for_case(), Some(eur("70")));
    let (_, fact) = parts(&given(), "500");
    assert_eq!(fact.frozen_for_case(), Some(eur("100")));
    let after = [given(), vec![fact]].concat();
    let balances = folded(talent(), &after).balances().unwrap();
    assert_eq!((balances.available, balances.pending, balances.held), (eur("0"), eur("0"), eur("100")));
    assert_eq!(decided(&system(), talent(), &after, freeze("500")), Ok(vec![]), "once");
    let lifted = decided(&system(), talent(), &after, WalletCommand::LiftHold { hold_id: hold(9) });
    assert_eq!(lifted.unwrap(), [HoldLifted { hold_id: hold(9), amount: eur("100"), to: Place::Available }]);
}

#[test]
fn an_empty_wallet_answers_too_and_a_frozen_one_gives_what_its_freeze_holds() {
    let (held, fact) = parts(&[], "10");
    assert_eq!((held, fact.frozen_for_case()), (vec![], Some(eur("0"))));
    let empty = [Opened, fact];
    assert_eq!(folded(talent(), &empty).held(hold(9)), None);
    assert_eq!(decided(&system(), talent(), &empty, freeze("10")), Ok(vec![]), "answered once");
    let (held, _) = parts(&[Opened, credited("50", 1, Place::Available), frozen("50")], "10");
    assert_eq!(held, [part(Place::Freeze, "10", false)]);
    assert!(decided(&staff(), talent(), &given(), freeze("10")).is_err(), "the machinery alone");
}
