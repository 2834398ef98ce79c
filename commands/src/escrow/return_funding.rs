//! An escrow does not take money that stands on hold for it → the hold is lifted (MNY-07, MNY-11, MNY-12).

use holdfast_domain::escrow::{EscrowFact, FundingPart};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::wallet::{Wallet, WalletCommand};

use crate::escrow::escrow_fact;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction =
    Reaction { name: "return_funding", on: &["escrow.funding_failed", "escrow.funding_returned", "escrow.cancelled"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((_, fact)) = escrow_fact(event) else { return Vec::new() };
    if let EscrowFact::FundingFailed { returned, .. } | EscrowFact::Cancelled { returned, .. } = fact {
        return returned.iter().map(lift).collect();
    }
    if let EscrowFact::FundingReturned { part } = fact {
        return vec![lift(part)];
    }
    Vec::new()
}

fn lift(part: &FundingPart) -> Step {
    Step::new::<Wallet>(format!("lift-{}", part.hold_id), part.wallet_id.uuid(), WalletCommand::LiftHold { hold_id: part.hold_id })
}
