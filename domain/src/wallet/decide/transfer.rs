//! Transfers between wallets, and the second pair of eyes that large ones need (LED-18, LED-57, IDN-70).

use chrono::{DateTime, TimeDelta, Utc};

use crate::kernel::{Context, Money, WalletId};
use crate::wallet::aggregate::RequestedTransfer;
use crate::wallet::{DebitPurpose, Wallet, WalletAction, WalletError, WalletFact, WalletOwner};

/// So that state stays small.
pub(in crate::wallet) const MAX_WAITING: usize = 50;
/// A transfer that nobody answers is over.
const WAITS: TimeDelta = TimeDelta::days(7);

pub(super) struct Transfer {
    pub(super) amount: Money,
    pub(super) to_wallet_id: WalletId,
    pub(super) to: WalletOwner,
    pub(super) reason: String,
}

impl Wallet {
    /// At once, or, above the tenant's or the actor's own limit, after a second person has agreed.
    pub(super) fn transfer(&self, owner: WalletOwner, transfer: Transfer, context: &Context) -> Result<Vec<WalletFact>, WalletError> {
        let Transfer { amount, to_wallet_id, to, reason } = transfer;
        if to == owner {
            return Err(WalletError::ToItself);
        }
        if to.currency != owner.currency {
            return Err(WalletError::CurrencyMismatch { wallet: owner.currency, given: to.currency });
        }
        self.must_have(owner, amount, WalletAction::Transfer)?;
        let limit = context.settings.transfer.approval_above_minor.map(i128::from);
        if limit.is_none_or(|limit| amount.minor() <= limit) && within_own_limit(amount, context) {
            return Ok(vec![WalletFact::Debited { amount, purpose: DebitPurpose::Transfer { to_wallet_id, to, reason } }]);
        }
        if self.transfers.len() >= MAX_WAITING {
            return Err(WalletError::TooManyTransfers { limit: MAX_WAITING });
        }
        Ok(vec![WalletFact::TransferRequested {
            transfer: self.version() + 1,
            amount,
            to_wallet_id,
            to,
            reason,
            requested_by: context.actor.id,
            expires_at: context.now + WAITS,
        }])
    }

    /// Nothing was held since it was asked for, so funds and status are looked at now.
    pub(super) fn approve_transfer(&self, owner: WalletOwner, transfer: i64, context: &Context) -> Result<Vec<WalletFact>, WalletError> {
        let RequestedTransfer { amount, to_wallet_id, to, reason, requested_by, expires_at } =
            self.transfers.get(&transfer).cloned().ok_or(WalletError::TransferNotFound)?;
        if context.now >= expires_at {
            return Err(WalletError::TransferExpired);
        }
        if context.actor.id == requested_by {
            return Err(WalletError::FourEyesRequired);
        }
        if !within_own_limit(amount, context) {
            return Err(WalletError::ApprovalRequired { amount });
        }
        self.must_have(owner, amount, WalletAction::Transfer)?;
        let purpose = DebitPurpose::Transfer { to_wallet_id, to, reason };
        Ok(vec![WalletFact::TransferApproved { transfer }, WalletFact::Debited { amount, purpose }])
    }

    pub(super) fn reject_transfer(&self, transfer: i64, reason: String) -> Result<Vec<WalletFact>, WalletError> {
        self.transfers.get(&transfer).ok_or(WalletError::TransferNotFound)?;
        Ok(vec![WalletFact::TransferRejected { transfer, reason }])
    }

    /// The deadline `transfer:<number>`.
    pub(super) fn expire_transfer(&self, key: &str, at: DateTime<Utc>) -> Vec<WalletFact> {
        let number = key.strip_prefix("transfer:").and_then(|number| number.parse::<i64>().ok());
        let due = number.and_then(|number| self.transfers.get_key_value(&number));
        due.filter(|(_, waiting)| waiting.expires_at.timestamp_micros() <= at.timestamp_micros())
            .map(|(transfer, _)| WalletFact::TransferExpired { transfer: *transfer })
            .into_iter()
            .collect()
    }
}

/// IDN-70: whoever has limits at all has none to spend in a currency that they do not name.
fn within_own_limit(amount: Money, context: &Context) -> bool {
    let limits = &context.actor.amount_limits;
    limits.is_empty() || limits.iter().any(|limit| limit.currency() == amount.currency() && amount.minor() <= limit.minor())
}
