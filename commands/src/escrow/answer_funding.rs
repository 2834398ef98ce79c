//! A wallet holds money for an escrow, or declined to → the escrow takes it, or the attempt has failed (MNY-07, MNY-10).

use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Recorded, WalletId};
use holdfast_domain::wallet::{HoldPurpose, Wallet, WalletFact};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "answer_funding", on: &["wallet.hold_placed", "wallet.hold_declined"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(wallet) = event.event.of::<Wallet>() else { return Vec::new() };
    if let WalletFact::HoldPlaced { hold_id, amount, purpose: HoldPurpose::EscrowFunding { escrow_id, attempt } } = &wallet.fact {
        let wallet_id = WalletId(event.origin.aggregate_id);
        let command = EscrowCommand::AcceptFunding { attempt: *attempt, wallet_id, hold_id: *hold_id, amount: *amount };
        return vec![Step::new::<Escrow>("accept", escrow_id.uuid(), command)];
    }
    if let WalletFact::HoldDeclined { purpose: HoldPurpose::EscrowFunding { escrow_id, attempt }, reason, .. } = &wallet.fact {
        let command = EscrowCommand::FailFunding { attempt: *attempt, reason: *reason };
        return vec![Step::new::<Escrow>("fail", escrow_id.uuid(), command)];
    }
    Vec::new()
}
