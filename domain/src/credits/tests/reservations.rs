//! Units that are set apart (MNY-54).

use super::*;

/// 10 given until day 5, 10 sold for 25.00; 15 of them reserved until day 10.
fn reserved() -> Vec<CreditsFact> {
    let given = vec![issued(1, 10, Some(days(5))), sold(2, 10, "25.00", None)];
    [given.clone(), decided(&service(), &given, reserve(15)).unwrap()].concat()
}

fn draw(units: i64) -> CreditsCommand {
    CreditsCommand::ConsumeReserved { owner: OWNER, reservation_id: RESERVATION, units, usage: usage(Provider::Platform, None) }
}

#[test]
fn a_reservation_sets_units_apart_in_the_order_of_spending() {
    let parts = vec![part(1, 10, None, Some(days(5)), 0), part(2, 5, Some("12.50"), None, 5)];
    let fact = CreditsFact::Reserved { reservation_id: RESERVATION, units: 15, until: days(10), reference: reference(), parts };
    assert_eq!(reserved()[2], fact);
    let credits = folded(&reserved());
    assert_eq!((credits.spendable(now()), credits.reserved()), (Units { promo: 0, sold: 5 }, Units { promo: 10, sold: 5 }));
    assert_eq!(credits.liability().into_values().collect::<Vec<_>>(), [Liability { deferred: 1_250, reserved: 1_250 }]);
    assert_eq!(decided(&service(), &reserved(), consume(6)), Err(short(5, 6)));
    let expected = [(format!("expire:{}", lot(1)), None), (format!("reservation:{RESERVATION}"), Some(days(10)))];
    assert_eq!(deadlines(fact), expected, "nothing of lot 1 is left to expire");
}

#[test]
fn the_same_reservation_again_changes_nothing_and_another_one_needs_its_own_id() {
    assert_eq!(decided(&service(), &reserved(), reserve(15)).unwrap(), []);
    assert_eq!(decided(&service(), &reserved(), reserve(14)), Err(CreditsError::ReservationExists));
    let over = [reserved(), decided(&service(), &reserved(), release()).unwrap()].concat();
    assert_eq!(decided(&service(), &over, reserve(15)), Err(CreditsError::ReservationExists));
}

#[test]
fn a_reservation_ends_and_there_are_only_so_many() {
    let until = |until| CreditsCommand::Reserve { owner: OWNER, reservation_id: RESERVATION, units: 1, until, reference: reference() };
    let given = [issued(1, 200, None)];
    for wrong in [now(), days(-1), days(367)] {
        assert_eq!(decided(&service(), &given, until(wrong)), Err(CreditsError::UntilInvalid { days: 366 }));
    }
    assert!(decided(&service(), &given, until(days(366))).is_ok());
    let many = (1..=100).map(|n| CreditsFact::Reserved {
        reservation_id: ReservationId(Uuid::from_u128(100 + n)),
        units: 1,
        until: days(1),
        reference: reference(),
        parts: vec![part(1, 1, None, None, 200 - i64::try_from(n).unwrap())],
    });
    let full: Vec<_> = given.iter().cloned().chain(many).collect();
    assert_eq!(decided(&service(), &full, until(days(1))), Err(CreditsError::TooManyReservations { limit: 100 }));
    assert_eq!(decided(&service(), &given, reserve(201)), Err(short(200, 201)));
}

#[test]
fn reserved_units_can_be_spent_after_their_lot_expired() {
    // MNY-54
    let late = at(days(6), service());
    let facts = decided(&late, &reserved(), draw(12)).unwrap();
    let [CreditsFact::Consumed { units, parts, drawn, .. }] = &facts[..] else { panic!() };
    assert_eq!((*units, *drawn), (12, Some(Drawn { reservation_id: RESERVATION, left: 3 })));
    assert_eq!(*parts, [part(1, 10, None, Some(days(5)), 0), part(2, 2, Some("5.00"), None, 5)]);
    assert_eq!(deadlines(facts[0].clone()), []);
    let given = [reserved(), facts].concat();
    assert_eq!(decided(&late, &given, draw(4)), Err(short(3, 4)));
    let last = decided(&late, &given, draw(3)).unwrap();
    assert_eq!(deadlines(last[0].clone()), [(format!("reservation:{RESERVATION}"), None)]);
    let credits = folded(&[given.clone(), last.clone()].concat());
    assert_eq!((credits.reserved().total(), credits.spendable(days(6))), (0, Units { promo: 0, sold: 5 }));
    assert_eq!(decided(&late, &[given, last].concat(), draw(1)), Err(CreditsError::ReservationNotFound));
}

#[test]
fn a_reservation_that_has_ended_gives_nothing_more_also_before_its_deadline_ran() {
    assert_eq!(decided(&at(days(10), service()), &reserved(), draw(1)), Err(CreditsError::ReservationEnded));
    assert_eq!(decided(&service(), &[], draw(1)), Err(CreditsError::ReservationNotFound));
}

#[test]
fn what_is_given_back_can_be_spent_again_and_what_expired_meanwhile_expires_in_the_same_event() {
    // MNY-54
    let released = |returned, expired| CreditsFact::Released { reservation_id: RESERVATION, by_deadline: false, returned, expired };
    let both = vec![part(1, 10, None, Some(days(5)), 10), part(2, 5, Some("12.50"), None, 10)];
    let early = decided(&service(), &reserved(), release()).unwrap();
    assert_eq!(early, [released(both, vec![])]);
    let again = [(format!("expire:{}", lot(1)), Some(days(5))), (format!("reservation:{RESERVATION}"), None)];
    assert_eq!(deadlines(early[0].clone()), again);
    let credits = folded(&[reserved(), early.clone()].concat());
    assert_eq!(credits.spendable(now()), Units { promo: 10, sold: 10 });
    assert_eq!(credits.liability().into_values().collect::<Vec<_>>(), [Liability { deferred: 2_500, reserved: 0 }]);

    let late = decided(&at(days(5), service()), &reserved(), release()).unwrap();
    assert_eq!(late, [released(vec![part(2, 5, Some("12.50"), None, 10)], vec![part(1, 10, None, Some(days(5)), 0)])]);
    assert_eq!(folded(&[reserved(), late].concat()).spendable(now()), Units { promo: 0, sold: 10 });

    assert_eq!(decided(&service(), &[reserved(), early].concat(), release()).unwrap(), [], "released once");
    assert_eq!(decided(&service(), &[], release()), Err(CreditsError::ReservationNotFound));
}

#[test]
fn the_deadline_ends_a_reservation_that_nobody_released() {
    // MNY-54
    let key = || format!("reservation:{RESERVATION}");
    let facts = decided(&at(days(10), system()), &reserved(), meet(key(), days(10))).unwrap();
    let [CreditsFact::Released { by_deadline: true, returned, expired, .. }] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((returned.len(), expired.len()), (1, 1));
    assert_eq!(decided(&system(), &reserved(), meet(key(), days(9))).unwrap(), []);
    assert_eq!(decided(&system(), &[reserved(), facts].concat(), meet(key(), days(10))).unwrap(), []);
}

#[test]
fn a_lot_expires_without_its_reserved_units() {
    let given = vec![sold(1, 10, "10.00", Some(days(5)))];
    let given = [given.clone(), decided(&service(), &given, reserve(4)).unwrap()].concat();
    let key = format!("expire:{}", lot(1));
    let facts = decided(&at(days(5), system()), &given, meet(key, days(5))).unwrap();
    assert_eq!(facts, [CreditsFact::Expired { part: part(1, 6, Some("6.00"), Some(days(5)), 0) }]);
    let given = [given, facts].concat();
    let back = decided(&at(days(6), service()), &given, release()).unwrap();
    let [CreditsFact::Released { returned, expired, .. }] = &back[..] else { panic!() };
    assert_eq!((returned.len(), expired.clone()), (0, vec![part(1, 4, Some("4.00"), Some(days(5)), 0)]));
    assert_eq!(folded(&[given, back].concat()).liability().len(), 0);
}
