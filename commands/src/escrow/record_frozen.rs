//! A wallet froze settled money → the escrow knows how much of its leg (MNY-36).

use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::wallet::{Wallet, WalletFact};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "record_frozen", on: &["wallet.case_frozen"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let fact = event.event.of::<Wallet>().map(|wallet| &wallet.fact);
    let Some(fact @ WalletFact::CaseFrozen { hold_id, escrow_id, .. }) = fact else { return Vec::new() };
    let frozen = fact.frozen_for_case();
    frozen
        .map(|frozen| Step::new::<Escrow>("frozen", escrow_id.uuid(), EscrowCommand::RecordCaseFrozen { hold_id: *hold_id, frozen }))
        .into_iter()
        .collect()
}
