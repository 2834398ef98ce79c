//! Settled money is disputed → the wallets where it landed hold as much of it as they have (MNY-36).

use holdfast_domain::escrow::{CaseLeg, EscrowFact};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::wallet::{Wallet, WalletCommand};

use crate::escrow::credit_legs::owner_of;
use crate::escrow::escrow_fact;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "freeze_settled", on: &["escrow.settlement_disputed"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, EscrowFact::SettlementDisputed { dispute_id, legs, .. })) = escrow_fact(event) else { return Vec::new() };
    let freeze = |leg: &CaseLeg| {
        let owner = owner_of(event, leg.party, leg.amount.currency())?;
        let (hold_id, amount, dispute_id) = (leg.hold_id, leg.amount, *dispute_id);
        let command = WalletCommand::FreezeForCase { owner, hold_id, amount, escrow_id, dispute_id };
        Some(Step::new::<Wallet>(format!("freeze-{}", leg.leg), leg.wallet_id.uuid(), command))
    };
    legs.iter().filter_map(freeze).collect()
}
