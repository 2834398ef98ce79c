//! A case about settled money is decided → the holds give what was decided, and the rest goes back (MNY-36, MNY-42).

use holdfast_domain::escrow::{CaseLeg, EscrowFact, Landing};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::wallet::{Wallet, WalletCommand};

use crate::escrow::escrow_fact;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction =
    Reaction { name: "end_settled_case", on: &["escrow.settled_case_released", "escrow.settled_case_refunded"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let step = |leg: &CaseLeg, command| Step::new::<Wallet>(format!("end-{}", leg.leg), leg.wallet_id.uuid(), command);
    let Some((_, fact)) = escrow_fact(event) else { return Vec::new() };
    if let EscrowFact::SettledCaseReleased { legs, .. } = fact {
        return legs.iter().map(|leg| step(leg, WalletCommand::LiftHold { hold_id: leg.hold_id })).collect();
    }
    if let EscrowFact::SettledCaseRefunded { taken, .. } = fact {
        let capture = |leg: &CaseLeg| {
            let landing = Landing { event_id: event.metadata.event_id, leg: leg.leg };
            WalletCommand::CaptureHold { hold_id: leg.hold_id, captured: leg.amount, landing }
        };
        return taken.iter().map(|leg| step(leg, capture(leg))).collect();
    }
    Vec::new()
}
