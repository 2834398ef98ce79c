//! A wallet booked money that left an escrow → the escrow knows that it has landed; with the last leg it closes (MNY-01).

use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::wallet::{CreditPurpose, Wallet, WalletFact};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "record_landing", on: &["wallet.credited"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(wallet) = event.event.of::<Wallet>() else { return Vec::new() };
    let WalletFact::Credited { landing, purpose, .. } = &wallet.fact else { return Vec::new() };
    let escrow_id = match purpose {
        CreditPurpose::EscrowRelease { escrow_id }
        | CreditPurpose::EscrowRefund { escrow_id }
        | CreditPurpose::EscrowPenalty { escrow_id } => escrow_id,
        CreditPurpose::BankReceipt { .. }
        | CreditPurpose::Transfer { .. }
        | CreditPurpose::CreditsRefund { .. }
        | CreditPurpose::CreditsUse { .. } => return Vec::new(),
    };
    vec![Step::new::<Escrow>("landed", escrow_id.uuid(), EscrowCommand::RecordLanding { event_id: landing.event_id, leg: landing.leg })]
}
