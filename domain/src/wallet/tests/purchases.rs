//! Paying for credits (MNY-53).

use super::*;
use crate::credits::{MAX_UNITS, Worth};

fn buy(units: i64, price: &str) -> WalletCommand {
    WalletCommand::BuyCredits { units, price: eur(price), expires_at: Some(now() + TimeDelta::days(1)) }
}

#[test]
fn credits_are_paid_from_what_is_available_and_the_debit_names_the_whole_lot() {
    let worth = Worth { value: eur("100.00"), tax: eur("0.00") };
    let purpose = DebitPurpose::CreditPurchase { units: 50, worth, expires_at: Some(now() + TimeDelta::days(1)) };
    assert_eq!(decided(&staff(), user(), &hundred(), buy(50, "100.00")).unwrap(), [Debited { amount: eur("100.00"), purpose }]);
}

#[test]
fn a_purchase_is_refused_for_every_reason_in_order() {
    let refused = |given: &[WalletFact], command| decided(&staff(), user(), given, command).unwrap_err();
    assert_eq!(refused(&hundred(), buy(1, "0.00")), WalletError::AmountInvalid);
    assert_eq!(refused(&[], buy(1, "1.00")), WalletError::NotFound);
    for units in [0, -1, MAX_UNITS + 1] {
        assert_eq!(refused(&hundred(), buy(units, "1.00")), WalletError::UnitsInvalid { most: MAX_UNITS });
    }
    let past = WalletCommand::BuyCredits { units: 1, price: eur("1.00"), expires_at: Some(now()) };
    assert_eq!(refused(&hundred(), past), WalletError::ExpiryInvalid);
    assert_eq!(refused(&with(&[frozen("100.00")]), buy(1, "1.00")), WalletError::Frozen);
    let closed = WalletError::NotAllowed { status: WalletStatus::Closed, action: WalletAction::Spend };
    assert_eq!(refused(&[Opened, Closed], buy(1, "1.00")), closed);
    let short = WalletError::InsufficientFunds { available: eur("100.00"), requested: eur("100.01") };
    assert_eq!(refused(&hundred(), buy(1, "100.01")), short);
}
