//! A case about settled money: what is there of it is held (MNY-36).

use crate::kernel::{DisputeId, EscrowId, HoldId, Money};
use crate::wallet::aggregate::capped;
use crate::wallet::{CasePart, Place, Wallet, WalletFact, WalletOwner};

impl Wallet {
    /// Never refused, and answered once: the latest pending money first, then what is available, or what a freeze holds.
    pub(super) fn freeze_for_case(
        &self,
        owner: WalletOwner,
        hold_id: HoldId,
        asked: Money,
        escrow_id: EscrowId,
        dispute_id: DisputeId,
    ) -> Vec<WalletFact> {
        if self.knows_hold(hold_id) {
            return Vec::new();
        }
        let pending = self.pending.iter().rev();
        let pending = pending.map(|(item, pending)| (Place::Pending { item: *item, clears_at: pending.clears_at }, pending.amount.minor()));
        let usable = [(Place::Available, self.available), (Place::Freeze, self.frozen)];
        let mut left = asked.minor();
        let mut parts = Vec::new();
        for (from, there) in pending.chain(usable) {
            let amount = there.min(left);
            if amount > 0 {
                left -= amount;
                parts.push(CasePart { from, amount: capped(amount, owner.currency), emptied: amount == there });
            }
        }
        let mut facts = self.opened_on_demand();
        facts.push(WalletFact::CaseFrozen { hold_id, escrow_id, dispute_id, asked, parts });
        facts
    }
}
