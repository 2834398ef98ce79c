//! State and how events change it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::escrow::Landing;
use crate::kernel::{Claim, Context, Currency, HoldId, MAX_MINOR, Money, PartyId, TenantAggregate, WalletId};
use crate::wallet::recent::Recent;
use crate::wallet::{CasePart, HoldPurpose, Place, WalletCommand, WalletError, WalletEvent, WalletFact, WalletOwner, WalletStatus};

/// Sums are kept in minor units: unlike one [`Money`] they have no upper limit that a credit could meet.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wallet {
    pub(super) status: WalletStatus,
    pub(super) owner: Option<WalletOwner>,
    version: i64,
    /// Minor units that can be spent now. Never below zero (LED-68).
    pub(super) available: i128,
    /// Minor units that the freeze holds (MNY-51).
    pub(super) frozen: i128,
    pub(super) holds: BTreeMap<HoldId, Hold>,
    pub(super) pending: BTreeMap<u32, PendingItem>,
    pub(super) last_item: u32,
    /// Money in transit that was booked here.
    pub(super) landings: Recent<Landing>,
    /// Holds that were captured, lifted or declined.
    pub(super) ended_holds: Recent<HoldId>,
    /// Those that wait for an approval.
    pub(super) transfers: BTreeMap<i64, RequestedTransfer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub(super) struct Hold {
    pub(super) amount: Money,
    pub(super) purpose: HoldPurpose,
}

/// Credited, not usable before `clears_at` (MNY-24).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PendingItem {
    pub(super) amount: Money,
    pub(super) clears_at: DateTime<Utc>,
}

/// Above somebody's limit: waits for a second person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestedTransfer {
    pub(super) amount: Money,
    pub(super) to_wallet_id: WalletId,
    pub(super) to: WalletOwner,
    pub(super) reason: String,
    pub(super) requested_by: PartyId,
    pub(super) expires_at: DateTime<Utc>,
}

/// All that the wallet has is `available + held + pending`; `frozen` is the part of `held` that the freeze holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balances {
    pub available: Money,
    pub held: Money,
    pub pending: Money,
    pub frozen: Money,
}

impl Wallet {
    /// None before the first event.
    #[must_use]
    pub fn owner(&self) -> Option<WalletOwner> {
        self.owner
    }

    #[must_use]
    pub fn wallet_status(&self) -> WalletStatus {
        self.status
    }

    /// How many events it is made of.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// None before the first event. A sum beyond [`MAX_MINOR`] is shown as that.
    #[must_use]
    pub fn balances(&self) -> Option<Balances> {
        let currency = self.owner?.currency;
        let holds: i128 = self.holds.values().map(|hold| hold.amount.minor()).sum();
        let pending = self.pending.values().map(|item| item.amount.minor()).sum();
        Some(Balances {
            available: capped(self.available, currency),
            held: capped(holds + self.frozen, currency),
            pending: capped(pending, currency),
            frozen: capped(self.frozen, currency),
        })
    }

    /// What the hold holds; none when it is unknown or ended.
    #[must_use]
    pub fn held(&self, hold_id: HoldId) -> Option<Money> {
        self.holds.get(&hold_id).map(|hold| hold.amount)
    }

    /// The open holds with what they hold.
    pub fn holds(&self) -> impl Iterator<Item = (HoldId, Money)> {
        self.holds.iter().map(|(hold_id, hold)| (*hold_id, hold.amount))
    }

    /// The items that have not cleared, by number.
    pub fn pending_items(&self) -> impl Iterator<Item = (u32, Money, DateTime<Utc>)> {
        self.pending.iter().map(|(item, pending)| (*item, pending.amount, pending.clears_at))
    }

    fn put(&mut self, amount: Money, place: Place) {
        match place {
            Place::Available => self.available += amount.minor(),
            Place::Freeze => self.frozen += amount.minor(),
            Place::Pending { item, clears_at } => {
                self.last_item = item;
                self.pending.insert(item, PendingItem { amount, clears_at });
            }
        }
    }

    fn take(&mut self, part: &CasePart) {
        match part.from {
            Place::Available => self.available -= part.amount.minor(),
            Place::Freeze => self.frozen -= part.amount.minor(),
            Place::Pending { item, .. } if part.emptied => {
                self.pending.remove(&item);
            }
            Place::Pending { item, .. } => {
                if let Some(pending) = self.pending.get_mut(&item) {
                    pending.amount = capped(pending.amount.minor() - part.amount.minor(), part.amount.currency());
                }
            }
        }
    }

    fn end_hold(&mut self, hold_id: HoldId) {
        self.holds.remove(&hold_id);
        self.ended_holds.add(hold_id);
    }
}

/// The largest amount that is not above `minor` and fits [`Money`].
pub(super) fn capped(minor: i128, currency: Currency) -> Money {
    Money::try_from_minor(minor.clamp(-MAX_MINOR, MAX_MINOR), currency).unwrap_or(Money::zero(currency))
}

impl cqrs_es::Aggregate for Wallet {
    const TYPE: &'static str = "wallet";
    type Command = WalletCommand;
    type Event = WalletEvent;
    type Error = WalletError;
    type Services = Context;

    async fn handle(&mut self, command: WalletCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), WalletError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: WalletEvent) {
        self.version += 1;
        self.owner = Some(event.owner);
        match event.fact {
            WalletFact::Opened => self.status = WalletStatus::Active,
            WalletFact::Credited { amount, landing, to, .. } => {
                self.landings.add(landing);
                self.put(amount, to);
            }
            WalletFact::Cleared { item, amount, to } => {
                self.pending.remove(&item);
                self.put(amount, to);
            }
            WalletFact::Debited { amount, .. } => self.available -= amount.minor(),
            WalletFact::HoldPlaced { hold_id, amount, purpose } => {
                self.available -= amount.minor();
                self.holds.insert(hold_id, Hold { amount, purpose });
            }
            WalletFact::HoldDeclined { hold_id, .. } => self.ended_holds.add(hold_id),
            WalletFact::HoldCaptured { hold_id, released, to, .. } => {
                self.end_hold(hold_id);
                self.put(released, to);
            }
            WalletFact::HoldLifted { hold_id, amount, to } => {
                self.end_hold(hold_id);
                self.put(amount, to);
            }
            WalletFact::CaseFrozen { hold_id, escrow_id, dispute_id, asked, parts } => {
                let mut sum = 0;
                for part in &parts {
                    sum += part.amount.minor();
                    self.take(part);
                }
                if parts.is_empty() {
                    self.ended_holds.add(hold_id);
                } else {
                    let purpose = HoldPurpose::SettledCase { escrow_id, dispute_id };
                    self.holds.insert(hold_id, Hold { amount: capped(sum, asked.currency()), purpose });
                }
            }
            WalletFact::TransferRequested { transfer, amount, to_wallet_id, to, reason, requested_by, expires_at } => {
                self.transfers.insert(transfer, RequestedTransfer { amount, to_wallet_id, to, reason, requested_by, expires_at });
            }
            WalletFact::TransferApproved { transfer }
            | WalletFact::TransferRejected { transfer, .. }
            | WalletFact::TransferExpired { transfer } => {
                self.transfers.remove(&transfer);
            }
            WalletFact::Frozen { amount, .. } => {
                self.status = WalletStatus::Frozen;
                self.available -= amount.minor();
                self.frozen += amount.minor();
            }
            WalletFact::Unfrozen { amount, .. } => {
                self.status = WalletStatus::Active;
                self.frozen -= amount.minor();
                self.available += amount.minor();
            }
            WalletFact::Closed => self.status = WalletStatus::Closed,
        }
    }
}

impl TenantAggregate for Wallet {
    const FOLD_VERSION: u32 = 2;

    fn exists(&self) -> bool {
        self.owner.is_some()
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// Whether a transfer needs an approval is the tenant's rule.
    fn depends_on_settings(command: &WalletCommand) -> bool {
        matches!(command, WalletCommand::Transfer { .. })
    }

    /// Wallets take no claims (their id is the unique thing), so this is not reached; the answer is right all the same.
    fn claim_taken(claim: &Claim, _holder: Uuid) -> WalletError {
        WalletError::ClaimTaken { kind: claim.kind }
    }
}
