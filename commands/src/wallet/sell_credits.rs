//! A wallet paid for credits → its owner has a lot of them (MNY-53, row 15).

use holdfast_domain::credits::{Credits, CreditsCommand, CreditsOwner, Sale};
use holdfast_domain::escrow::Landing;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Recorded, WalletId};
use holdfast_domain::wallet::{DebitPurpose, Wallet, WalletFact};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "sell_credits", on: &["wallet.debited"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(wallet) = event.event.of::<Wallet>() else { return Vec::new() };
    let WalletFact::Debited { purpose: DebitPurpose::CreditPurchase { units, worth, expires_at }, .. } = &wallet.fact else {
        return Vec::new();
    };
    let owner = CreditsOwner::from(wallet.owner);
    let sale = Sale {
        owner,
        units: *units,
        worth: *worth,
        expires_at: *expires_at,
        landing: Landing { event_id: event.metadata.event_id, leg: 0 },
        wallet_id: WalletId(event.origin.aggregate_id),
    };
    vec![Step::new::<Credits>("sell", owner.credits_id(event.origin.tenant_id).uuid(), CreditsCommand::Sell(sale))]
}
