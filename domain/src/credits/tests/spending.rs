//! In which order units go, what they are worth, and when they can no longer be spent (LED-70, MNY-53).

use super::*;

fn parts_of(facts: &[CreditsFact]) -> Vec<LotPart> {
    let [CreditsFact::Consumed { parts, .. }] = facts else { panic!("{facts:?}") };
    parts.clone()
}

#[test]
fn soonest_expiry_goes_first_then_given_then_older() {
    // LED-70, MNY-53
    let given = [
        sold(1, 10, "10.00", None),
        issued(2, 10, None),
        sold(3, 10, "10.00", Some(days(2))),
        issued(4, 10, Some(days(2))),
        issued(5, 10, Some(days(2))),
        sold(6, 10, "10.00", Some(days(1))),
    ];
    let parts = parts_of(&decided(&service(), &given, consume(60)).unwrap());
    assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [6, 4, 5, 3, 2, 1]);
    let parts = parts_of(&decided(&service(), &given, consume(15)).unwrap());
    assert_eq!(parts, [part(6, 10, Some("10.00"), Some(days(1)), 0), part(4, 5, None, Some(days(2)), 5)]);
}

#[test]
fn units_carry_their_share_of_what_is_left_half_up_and_the_last_takes_the_rest() {
    // MNY-53: 10.00 over 3 units is 3.33, then half of 6.67 is 3.34, then 3.33.
    let mut history = vec![sold(1, 3, "10.00", None)];
    let mut values = Vec::new();
    for _ in 0..3 {
        let facts = decided(&service(), &history, consume(1)).unwrap();
        values.push(parts_of(&facts)[0].worth.unwrap().value);
        history.extend(facts);
    }
    assert_eq!(values, [eur("3.33"), eur("3.34"), eur("3.33")]);
    assert_eq!(folded(&history).liability().len(), 0);
    // Half a cent per unit: up, down, up, down.
    let half = Worth { value: Money::try_from_minor(2, eur("0").currency()).unwrap(), tax: eur("0") };
    assert_eq!((half.of_units(1, 4).value, half.of_units(4, 4).value), (eur("0.01"), eur("0.02")));
}

#[test]
fn expired_units_cannot_be_spent_although_nothing_swept_them() {
    // MNY-54
    let given = [issued(1, 10, Some(days(1))), sold(2, 10, "10.00", Some(days(2)))];
    assert_eq!(decided(&at(days(1), service()), &given, consume(11)), Err(short(10, 11)));
    assert_eq!(parts_of(&decided(&at(days(1), service()), &given, consume(10)).unwrap())[0].number, 2);
    assert_eq!(decided(&at(days(2), service()), &given, consume(1)), Err(short(0, 1)));
    assert_eq!(decided(&at(days(2), staff()), &given, revoke(1, None)), Err(short(0, 1)));
    assert_eq!(
        decided(
            &at(days(2), service()),
            &given,
            CreditsCommand::Reserve { owner: OWNER, reservation_id: RESERVATION, units: 1, until: days(3), reference: reference() }
        ),
        Err(short(0, 1))
    );
    let credits = folded(&given);
    assert_eq!(credits.spendable(days(1)), Units { promo: 0, sold: 10 });
    assert_eq!(credits.expiring(now(), days(1)), Units { promo: 10, sold: 0 });
    assert_eq!(credits.expiring(days(1), days(30)), Units { promo: 0, sold: 10 });
}

#[test]
fn the_deadline_of_a_lot_books_what_is_left_of_it() {
    // LED-70, row 17
    let given = [sold(1, 4, "10.00", Some(days(1)))];
    let spent = [given.to_vec(), decided(&service(), &given, consume(1)).unwrap()].concat();
    let key = || format!("expire:{}", lot(1));
    let expired = CreditsFact::Expired { part: part(1, 3, Some("7.50"), Some(days(1)), 0) };
    assert_eq!(decided(&at(days(1), system()), &spent, meet(key(), days(1))).unwrap(), std::slice::from_ref(&expired));
    assert_eq!(decided(&system(), &spent, meet(key(), days(1) - TimeDelta::seconds(1))).unwrap(), []);
    let swept = [spent, vec![expired.clone()]].concat();
    assert_eq!(decided(&at(days(1), system()), &swept, meet(key(), days(1))).unwrap(), []);
    for key in ["expire:", "expire:x", "reservation:", "", "lot"] {
        assert_eq!(decided(&system(), &given, meet(key.to_owned(), days(9))).unwrap(), [], "{key}");
    }
    assert_eq!(decided(&system(), &[], meet(key(), days(9))).unwrap(), []);
    assert_eq!(deadlines(expired), [(key(), None)]);
}

#[test]
fn a_lot_that_is_used_up_has_no_deadline_any_more() {
    let given = [issued(1, 4, Some(days(1)))];
    let some = decided(&service(), &given, consume(3)).unwrap();
    assert_eq!(deadlines(some[0].clone()), []);
    let all = decided(&service(), &given, consume(4)).unwrap();
    assert_eq!(deadlines(all[0].clone()), [(format!("expire:{}", lot(1)), None)]);
    let revoked = decided(&staff(), &given, revoke(4, None)).unwrap();
    assert_eq!(deadlines(revoked[0].clone()), [(format!("expire:{}", lot(1)), None)]);
}

#[test]
fn the_platforms_service_earns_and_the_tenants_service_is_paid() {
    // MNY-53, rows 16 and 18
    let given = [issued(1, 10, Some(days(1))), sold(2, 10, "25.00", None)];
    let spend = |units, provider, unit_value: Option<&str>| {
        decided(&service(), &given, CreditsCommand::Consume { owner: OWNER, units, usage: usage(provider, unit_value) })
    };
    let money = |facts: Vec<CreditsFact>| {
        let [CreditsFact::Consumed { promo, legs, .. }] = &facts[..] else { panic!("{facts:?}") };
        (*promo, legs.iter().map(|leg| (leg.leg, leg.to.owner_type, leg.amount)).collect::<Vec<_>>())
    };
    assert_eq!(money(spend(14, Provider::Platform, None).unwrap()), (None, vec![]));
    assert_eq!(money(spend(14, Provider::Platform, Some("0.50")).unwrap()), (Some(eur("5.00")), vec![]));
    assert_eq!(money(spend(14, Provider::Tenant, Some("0.50")).unwrap()), (Some(eur("5.00")), vec![(0, OwnerType::Tenant, eur("15.00"))]));
    assert_eq!(spend(14, Provider::Tenant, None), Err(CreditsError::UnitValueMissing));
    for value in ["0.00", "-1.00"] {
        assert_eq!(spend(1, Provider::Platform, Some(value)), Err(CreditsError::UnitValueInvalid));
    }
    let only_sold = [sold(1, 10, "25.00", None)];
    let command = CreditsCommand::Consume { owner: OWNER, units: 2, usage: usage(Provider::Tenant, None) };
    let facts = decided(&service(), &only_sold, command).unwrap();
    assert_eq!(money(facts), (None, vec![(0, OwnerType::Tenant, eur("5.00"))]));
}

#[test]
fn lots_of_two_currencies_are_two_legs() {
    let yen: crate::kernel::Currency = "JPY".parse().unwrap();
    let in_yen = Worth { value: Money::try_from_minor(1_000, yen).unwrap(), tax: Money::zero(yen) };
    let other =
        CreditsFact::Sold { lot_id: lot(2), number: 2, units: 10, worth: in_yen, expires_at: None, landing: landing(2), wallet_id: WALLET };
    let given = [sold(1, 10, "25.00", None), other];
    let facts = decided(&staff(), &given, revoke(15, None)).unwrap();
    let CreditsFact::Revoked { legs, .. } = &facts[0] else { panic!() };
    let shown: Vec<_> = legs.iter().map(|leg| (leg.leg, leg.to.currency.code(), leg.amount.minor())).collect();
    assert_eq!(shown, [(0, "EUR", 2_500), (1, "JPY", 500)]);
    assert_eq!(folded(&given).liability().len(), 2);
}

#[test]
fn a_sum_that_no_amount_can_hold_is_refused_or_split() {
    let largest = Money::try_from_minor(crate::kernel::MAX_MINOR, eur("0").currency()).unwrap();
    let worth = Worth { value: largest, tax: eur("0") };
    let rich = |number| CreditsFact::Sold {
        lot_id: lot(number),
        number,
        units: 1,
        worth,
        expires_at: None,
        landing: landing(0),
        wallet_id: WALLET,
    };
    let facts = decided(&staff(), &[rich(1), rich(2)], revoke(2, None)).unwrap();
    let CreditsFact::Revoked { legs, .. } = &facts[0] else { panic!() };
    assert_eq!(legs.iter().map(|leg| (leg.leg, leg.amount)).collect::<Vec<_>>(), [(0, largest), (1, largest)]);
    let usage = Usage { unit_value: Some(largest), ..usage(Provider::Platform, None) };
    let command = CreditsCommand::Consume { owner: OWNER, units: 2, usage };
    assert_eq!(decided(&service(), &[issued(1, 2, None)], command), Err(CreditsError::UnitValueInvalid));
}
