//! Paying for credits from the wallet (MNY-53, row 15).

use chrono::{DateTime, Utc};

use crate::credits::{MAX_UNITS, Worth};
use crate::kernel::Money;
use crate::wallet::{DebitPurpose, Wallet, WalletAction, WalletError, WalletFact, WalletOwner};

impl Wallet {
    /// The debit names the lot completely, so that the sale that follows cannot fail. Tax: none by policy*.
    pub(super) fn buy_credits(
        &self,
        owner: WalletOwner,
        units: i64,
        price: Money,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Vec<WalletFact>, WalletError> {
        if !(1..=MAX_UNITS).contains(&units) {
            return Err(WalletError::UnitsInvalid { most: MAX_UNITS });
        }
        if expires_at.is_some_and(|at| at <= now) {
            return Err(WalletError::ExpiryInvalid);
        }
        self.must_have(owner, price, WalletAction::Spend)?;
        let worth = Worth { value: price, tax: Money::zero(price.currency()) };
        Ok(vec![WalletFact::Debited { amount: price, purpose: DebitPurpose::CreditPurchase { units, worth, expires_at } }])
    }
}
