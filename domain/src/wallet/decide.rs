//! The rules. Pure: the same state, command and context always give the same events or the same refusal.

mod case;
mod credits;
mod transfer;

use chrono::{DateTime, Utc};

use crate::escrow::{FundingFailure, Landing};
use crate::kernel::{Context, HoldId, Money, TenantId, WalletId, find_transition};
use crate::wallet::aggregate::capped;
use crate::wallet::decide::transfer::Transfer;
use crate::wallet::{
    Credit, HoldPurpose, OwnerType, Place, TRANSITIONS, Wallet, WalletAction, WalletCommand, WalletError, WalletEvent, WalletFact,
    WalletOwner, WalletStatus,
};

/// MNY-52.
const CREDIT_AFTER_CLOSE: &str = "credit_after_close";

impl Wallet {
    pub(super) fn decide(&self, command: WalletCommand, context: &Context) -> Result<Vec<WalletEvent>, WalletError> {
        may(&command, context)?;
        must_be_positive(&command)?;
        let Some(owner) = self.owner_for(&command)? else { return Ok(Vec::new()) };
        let facts = match command {
            WalletCommand::Open(_) => self.open()?,
            WalletCommand::Credit(credit) => self.credit(credit, context.now),
            WalletCommand::PlaceHold { hold_id, amount, purpose, .. } => self.place_hold(hold_id, amount, purpose),
            WalletCommand::CaptureHold { hold_id, captured, landing } => self.capture_hold(hold_id, captured, landing)?,
            WalletCommand::LiftHold { hold_id } => self.lift_hold(hold_id),
            WalletCommand::FreezeForCase { owner, hold_id, amount, escrow_id, dispute_id } => {
                self.freeze_for_case(owner, hold_id, amount, escrow_id, dispute_id)
            }
            WalletCommand::Transfer { amount, to_wallet_id, to, reason } => {
                must_name_its_wallet(to, to_wallet_id, context.tenant_id)?;
                self.transfer(owner, Transfer { amount, to_wallet_id, to, reason }, context)?
            }
            WalletCommand::ApproveTransfer { transfer } => self.approve_transfer(owner, transfer, context)?,
            WalletCommand::RejectTransfer { transfer, reason } => self.reject_transfer(transfer, reason)?,
            WalletCommand::BuyCredits { units, price, expires_at } => self.buy_credits(owner, units, price, expires_at, context.now)?,
            WalletCommand::Freeze { reason } => self.freeze(owner, &reason)?,
            WalletCommand::Unfreeze { reason } => self.unfreeze(owner, &reason)?,
            WalletCommand::Close => self.close()?,
            WalletCommand::MeetDeadline { key, at } => self.meet(&key, at),
        };
        Ok(facts.into_iter().map(|fact| WalletEvent { owner, at: context.now, fact }).collect())
    }

    /// Whose wallet the events are about. None: a system command for a wallet that has nothing it could act on.
    fn owner_for(&self, command: &WalletCommand) -> Result<Option<WalletOwner>, WalletError> {
        let owner = match command {
            WalletCommand::Open(owner)
            | WalletCommand::Credit(Credit { owner, .. })
            | WalletCommand::PlaceHold { owner, .. }
            | WalletCommand::FreezeForCase { owner, .. } => {
                if self.owner.is_some_and(|known| known != *owner) {
                    return Err(WalletError::OwnerMismatch);
                }
                Some(*owner)
            }
            WalletCommand::CaptureHold { .. } | WalletCommand::LiftHold { .. } | WalletCommand::MeetDeadline { .. } => self.owner,
            WalletCommand::ApproveTransfer { .. } | WalletCommand::RejectTransfer { .. } => {
                Some(self.owner.ok_or(WalletError::TransferNotFound)?)
            }
            WalletCommand::Transfer { .. }
            | WalletCommand::BuyCredits { .. }
            | WalletCommand::Freeze { .. }
            | WalletCommand::Unfreeze { .. }
            | WalletCommand::Close => Some(self.owner.ok_or(WalletError::NotFound)?),
        };
        match (owner, amount_of(command)) {
            (Some(owner), Some(amount)) if owner.currency != amount.currency() => {
                Err(WalletError::CurrencyMismatch { wallet: owner.currency, given: amount.currency() })
            }
            _ => Ok(owner),
        }
    }

    /// Opening an open wallet changes nothing.
    fn open(&self) -> Result<Vec<WalletFact>, WalletError> {
        match self.status {
            WalletStatus::Active | WalletStatus::Frozen => Ok(Vec::new()),
            WalletStatus::Unopened | WalletStatus::Closed => {
                self.must_allow(WalletAction::Open)?;
                Ok(vec![WalletFact::Opened])
            }
        }
    }

    /// MNY-01: never refused and never booked twice; state decides only where it lands.
    fn credit(&self, credit: Credit, now: DateTime<Utc>) -> Vec<WalletFact> {
        let Credit { owner, amount, landing, purpose, clears_at, hold } = credit;
        if self.landings.contains(&landing) {
            return Vec::new();
        }
        let mut facts = self.opened_on_demand();
        if self.status == WalletStatus::Closed {
            facts.push(WalletFact::Frozen { amount: Money::zero(owner.currency), reason: CREDIT_AFTER_CLOSE.to_owned() });
        }
        let credited = |to| WalletFact::Credited { amount, landing, to, purpose };
        // Only payees' money waits for clearance (MNY-24).
        let clears_at = clears_at.filter(|_| owner.owner_type == OwnerType::Talent);
        let usable = match (self.destination(), clears_at) {
            (Place::Available, Some(clears_at)) => {
                let item = self.last_item + 1;
                facts.push(credited(Place::Pending { item, clears_at }));
                if clears_at <= now {
                    facts.push(WalletFact::Cleared { item, amount, to: Place::Available });
                }
                clears_at <= now
            }
            (destination, _) => {
                facts.push(credited(destination));
                destination == Place::Available
            }
        };
        // MNY-09: what came for an escrow is never spendable in between.
        if let Some((hold_id, purpose)) = hold
            && usable
            && !self.knows_hold(hold_id)
        {
            facts.push(WalletFact::HoldPlaced { hold_id, amount, purpose });
        }
        facts
    }

    /// MNY-07: placed or declined, never refused. What is held is no longer available from this event on.
    fn place_hold(&self, hold_id: HoldId, amount: Money, purpose: HoldPurpose) -> Vec<WalletFact> {
        if self.knows_hold(hold_id) {
            return Vec::new();
        }
        let declined = |reason| WalletFact::HoldDeclined { hold_id, amount, purpose, reason };
        let mut facts = self.opened_on_demand();
        facts.push(match self.status {
            WalletStatus::Frozen => declined(FundingFailure::WalletFrozen),
            WalletStatus::Active if self.available >= amount.minor() => WalletFact::HoldPlaced { hold_id, amount, purpose },
            // A closed wallet stays closed: it has nothing to hold.
            WalletStatus::Active | WalletStatus::Unopened | WalletStatus::Closed => declined(FundingFailure::InsufficientFunds),
        });
        facts
    }

    /// The part that the escrow took leaves; the rest goes back. A hold that is unknown or ended: nothing to do.
    fn capture_hold(&self, hold_id: HoldId, captured: Money, landing: Landing) -> Result<Vec<WalletFact>, WalletError> {
        let Some(held) = self.held(hold_id) else { return Ok(Vec::new()) };
        if captured.is_zero() {
            return Ok(self.lift_hold(hold_id));
        }
        let released =
            held.try_sub(captured).ok().filter(|left| left.minor() >= 0).ok_or(WalletError::HoldTooSmall { held, requested: captured })?;
        Ok(vec![WalletFact::HoldCaptured { hold_id, captured, released, landing, to: self.destination() }])
    }

    fn lift_hold(&self, hold_id: HoldId) -> Vec<WalletFact> {
        let lifted = |amount| WalletFact::HoldLifted { hold_id, amount, to: self.destination() };
        self.held(hold_id).map(lifted).into_iter().collect()
    }

    /// MNY-51: a move of all that is available, not a flag.
    fn freeze(&self, owner: WalletOwner, reason: &str) -> Result<Vec<WalletFact>, WalletError> {
        self.must_allow(WalletAction::Freeze)?;
        let frozen = |amount| WalletFact::Frozen { amount, reason: reason.to_owned() };
        Ok(pieces(self.available, owner).map(frozen).collect())
    }

    /// MNY-51: exactly what the freeze holds comes back; other holds stay.
    fn unfreeze(&self, owner: WalletOwner, reason: &str) -> Result<Vec<WalletFact>, WalletError> {
        self.must_allow(WalletAction::Unfreeze)?;
        let unfrozen = |amount| WalletFact::Unfrozen { amount, reason: reason.to_owned() };
        Ok(pieces(self.frozen, owner).map(unfrozen).collect())
    }

    /// LED-30, MNY-52: every balance zero.
    fn close(&self) -> Result<Vec<WalletFact>, WalletError> {
        self.must_allow(WalletAction::Close)?;
        let Some(balances) = self.balances() else { return Err(WalletError::NotFound) };
        if balances.available.is_zero() && balances.held.is_zero() && balances.pending.is_zero() {
            return Ok(vec![WalletFact::Closed]);
        }
        Err(WalletError::NotEmpty { available: balances.available, held: balances.held, pending: balances.pending })
    }

    fn meet(&self, key: &str, at: DateTime<Utc>) -> Vec<WalletFact> {
        [self.clear(key, at), self.expire_transfer(key, at)].concat()
    }

    /// MNY-24: the deadline `clear:<item>`. Compared with the state, not with a clock; deadlines are kept to the microsecond.
    fn clear(&self, key: &str, at: DateTime<Utc>) -> Vec<WalletFact> {
        let item = key.strip_prefix("clear:").and_then(|number| number.parse::<u32>().ok());
        let due = item.and_then(|item| self.pending.get_key_value(&item));
        due.filter(|(_, pending)| pending.clears_at.timestamp_micros() <= at.timestamp_micros())
            .map(|(item, pending)| WalletFact::Cleared { item: *item, amount: pending.amount, to: self.destination() })
            .into_iter()
            .collect()
    }

    /// Where money lands that is usable at once: in the freeze while there is one (MNY-51, MNY-52).
    fn destination(&self) -> Place {
        match self.status {
            WalletStatus::Unopened | WalletStatus::Active => Place::Available,
            WalletStatus::Frozen | WalletStatus::Closed => Place::Freeze,
        }
    }

    fn opened_on_demand(&self) -> Vec<WalletFact> {
        if self.status == WalletStatus::Unopened { vec![WalletFact::Opened] } else { Vec::new() }
    }

    fn knows_hold(&self, hold_id: HoldId) -> bool {
        self.holds.contains_key(&hold_id) || self.ended_holds.contains(&hold_id)
    }

    /// What every payment out of the wallet must meet.
    fn must_have(&self, owner: WalletOwner, amount: Money, action: WalletAction) -> Result<(), WalletError> {
        if self.status == WalletStatus::Frozen {
            return Err(WalletError::Frozen);
        }
        self.must_allow(action)?;
        if self.available < amount.minor() {
            return Err(WalletError::InsufficientFunds { available: capped(self.available, owner.currency), requested: amount });
        }
        Ok(())
    }

    fn must_allow(&self, action: WalletAction) -> Result<(), WalletError> {
        let next = find_transition(TRANSITIONS, self.status, action).next();
        next.map(|_| ()).ok_or(WalletError::NotAllowed { status: self.status, action })
    }
}

/// Capabilities are checked at the HTTP edge; here is asked only in which role somebody acts.
fn may(command: &WalletCommand, context: &Context) -> Result<(), WalletError> {
    let actor = &context.actor;
    let staff = actor.is_platform() || actor.is_tenant_staff();
    let permitted = match command {
        WalletCommand::Credit(_)
        | WalletCommand::PlaceHold { .. }
        | WalletCommand::CaptureHold { .. }
        | WalletCommand::LiftHold { .. }
        | WalletCommand::FreezeForCase { .. }
        | WalletCommand::MeetDeadline { .. } => actor.is_system(),
        WalletCommand::Open(_) => actor.is_system() || staff,
        WalletCommand::Transfer { .. }
        | WalletCommand::ApproveTransfer { .. }
        | WalletCommand::RejectTransfer { .. }
        | WalletCommand::BuyCredits { .. }
        | WalletCommand::Freeze { .. }
        | WalletCommand::Unfreeze { .. }
        | WalletCommand::Close => staff,
    };
    if permitted { Ok(()) } else { Err(WalletError::NotPermitted) }
}

/// MNY-02. A capture of zero is a lift.
fn must_be_positive(command: &WalletCommand) -> Result<(), WalletError> {
    let least = if matches!(command, WalletCommand::CaptureHold { .. }) { 0 } else { 1 };
    if amount_of(command).is_some_and(|amount| amount.minor() < least) { Err(WalletError::AmountInvalid) } else { Ok(()) }
}

fn amount_of(command: &WalletCommand) -> Option<Money> {
    match command {
        WalletCommand::Credit(Credit { amount, .. })
        | WalletCommand::PlaceHold { amount, .. }
        | WalletCommand::FreezeForCase { amount, .. }
        | WalletCommand::CaptureHold { captured: amount, .. }
        | WalletCommand::Transfer { amount, .. }
        | WalletCommand::BuyCredits { price: amount, .. } => Some(*amount),
        WalletCommand::Open(_)
        | WalletCommand::LiftHold { .. }
        | WalletCommand::ApproveTransfer { .. }
        | WalletCommand::RejectTransfer { .. }
        | WalletCommand::Freeze { .. }
        | WalletCommand::Unfreeze { .. }
        | WalletCommand::Close
        | WalletCommand::MeetDeadline { .. } => None,
    }
}

/// The debit names its taker completely, so that the credit that follows cannot go wrong.
fn must_name_its_wallet(to: WalletOwner, to_wallet_id: WalletId, tenant_id: TenantId) -> Result<(), WalletError> {
    if to.wallet_id(tenant_id) == to_wallet_id { Ok(()) } else { Err(WalletError::OwnerMismatch) }
}

/// A sum as amounts that each fit [`Money`]: one of zero for zero, otherwise as few as possible.
fn pieces(minor: i128, owner: WalletOwner) -> impl Iterator<Item = Money> {
    let mut left = Some(minor);
    std::iter::from_fn(move || {
        let piece = capped(left?, owner.currency);
        left = left.map(|left| left - piece.minor()).filter(|left| *left > 0);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{MAX_MINOR, PartyId};
    use uuid::Uuid;

    #[test]
    fn a_sum_of_any_size_is_frozen_whole() {
        let owner = WalletOwner { owner_type: OwnerType::User, owner_id: PartyId(Uuid::nil()), currency: "EUR".parse().unwrap() };
        let minor = |sum| pieces(sum, owner).map(Money::minor).collect::<Vec<_>>();
        assert_eq!(minor(0), [0]);
        assert_eq!(minor(7), [7]);
        assert_eq!(minor(2 * MAX_MINOR + 1), [MAX_MINOR, MAX_MINOR, 1]);
    }
}
