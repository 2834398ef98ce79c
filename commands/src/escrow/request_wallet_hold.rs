//! Funding from the wallet was asked for → the payer's wallet holds the money, or says that it cannot (MNY-07).

use holdfast_domain::escrow::{EscrowFact, FundingSource};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Recorded;
use holdfast_domain::wallet::{HoldPurpose, OwnerType, Wallet, WalletCommand, WalletOwner};

use crate::escrow::escrow_fact;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "request_wallet_hold", on: &["escrow.funding_requested"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, EscrowFact::FundingRequested { attempt, source: FundingSource::Wallet, payer_id, hold_id, missing, .. })) =
        escrow_fact(event)
    else {
        return Vec::new();
    };
    let owner = WalletOwner { owner_type: OwnerType::User, owner_id: *payer_id, currency: missing.currency() };
    let purpose = HoldPurpose::EscrowFunding { escrow_id, attempt: *attempt };
    let command = WalletCommand::PlaceHold { owner, hold_id: *hold_id, amount: *missing, purpose };
    vec![Step::new::<Wallet>("hold", owner.wallet_id(event.origin.tenant_id).uuid(), command)]
}
