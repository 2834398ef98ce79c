//! An escrow is funded → every hold that paid for it is captured; what it has too much goes back (MNY-07, MNY-10).

use holdfast_domain::escrow::{EscrowFact, Landing};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::wallet::{Wallet, WalletCommand};

use crate::escrow::escrow_fact;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "capture_funding", on: &["escrow.funded"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((_, EscrowFact::Funded { parts, .. })) = escrow_fact(event) else { return Vec::new() };
    let step = |part: &holdfast_domain::escrow::FundingPart| {
        let command = if part.captured.is_zero() {
            WalletCommand::LiftHold { hold_id: part.hold_id }
        } else {
            let landing = Landing { event_id: event.metadata.event_id, leg: part.leg };
            WalletCommand::CaptureHold { hold_id: part.hold_id, captured: part.captured, landing }
        };
        Step::new::<Wallet>(format!("capture-{}", part.leg), part.wallet_id.uuid(), command)
    };
    parts.iter().map(step).collect()
}
