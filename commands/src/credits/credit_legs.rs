//! Credits paid for a service of the tenant, or sold ones were revoked → the wallet that each leg names is credited, once
//! per leg (row 16, MNY-53).

use holdfast_domain::credits::{Credits, CreditsFact, CreditsLeg};
use holdfast_domain::escrow::Landing;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{CreditsId, Recorded};
use holdfast_domain::wallet::{Credit, CreditPurpose, Wallet, WalletCommand};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "credit_legs_of_credits", on: &["credits.consumed", "credits.revoked"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let credits_id = CreditsId(event.origin.aggregate_id);
    let (legs, purpose) = match event.event.of::<Credits>().map(|credits| &credits.fact) {
        Some(CreditsFact::Consumed { legs, .. }) => (legs, CreditPurpose::CreditsUse { credits_id }),
        Some(CreditsFact::Revoked { legs, .. }) => (legs, CreditPurpose::CreditsRefund { credits_id }),
        Some(
            CreditsFact::Issued { .. }
            | CreditsFact::Sold { .. }
            | CreditsFact::Reserved { .. }
            | CreditsFact::Released { .. }
            | CreditsFact::Expired { .. },
        )
        | None => return Vec::new(),
    };
    let step = |leg: &CreditsLeg| {
        let landing = Landing { event_id: event.metadata.event_id, leg: leg.leg };
        let credit = Credit { owner: leg.to, amount: leg.amount, landing, purpose, clears_at: None, hold: None };
        let wallet_id = leg.to.wallet_id(event.origin.tenant_id);
        Step::new::<Wallet>(format!("credit-{}", leg.leg), wallet_id.uuid(), WalletCommand::Credit(credit))
    };
    legs.iter().map(step).collect()
}
