//! Money left one wallet for another → the other is credited (LED-57, MNY-01).

use holdfast_domain::escrow::Landing;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Recorded, WalletId};
use holdfast_domain::wallet::{Credit, CreditPurpose, DebitPurpose, Wallet, WalletCommand, WalletFact};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "credit_transfer", on: &["wallet.debited"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(wallet) = event.event.of::<Wallet>() else { return Vec::new() };
    let WalletFact::Debited { amount, purpose: DebitPurpose::Transfer { to_wallet_id, to, .. } } = &wallet.fact else { return Vec::new() };
    let credit = Credit {
        owner: *to,
        amount: *amount,
        landing: Landing { event_id: event.metadata.event_id, leg: 0 },
        purpose: CreditPurpose::Transfer { from_wallet_id: WalletId(event.origin.aggregate_id) },
        clears_at: None,
        hold: None,
    };
    vec![Step::new::<Wallet>("credit", to_wallet_id.uuid(), WalletCommand::Credit(credit))]
}
