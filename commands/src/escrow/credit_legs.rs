//! Money left an escrow → every wallet that it names is credited, once per leg (MNY-01, MNY-16, MNY-24, MNY-30, MNY-42).

use chrono::{DateTime, Utc};
use holdfast_domain::escrow::{EscrowFact, Landing, Leg, LegParty};
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{Currency, EscrowId, PartyId, Recorded};
use holdfast_domain::wallet::{Credit, CreditPurpose, OwnerType, Wallet, WalletCommand, WalletOwner};

use crate::escrow::escrow_fact;
use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction {
    name: "credit_legs",
    on: &["escrow.released", "escrow.partially_released", "escrow.refunded", "escrow.penalty_taken", "escrow.settled_case_refunded"],
    steps,
};

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some((escrow_id, fact)) = escrow_fact(event) else { return Vec::new() };
    let Some(Movement { legs, clears_at, purpose }) = movement(escrow_id, fact) else { return Vec::new() };
    legs.iter()
        .filter_map(|leg| {
            let owner = owner(event, leg)?;
            let landing = Landing { event_id: event.metadata.event_id, leg: leg.leg };
            // Only a payee's money has to clear.
            let clears_at = clears_at.filter(|_| owner.owner_type == OwnerType::Talent);
            let credit = Credit { owner, amount: leg.amount, landing, purpose, clears_at, hold: None };
            Some(Step::new::<Wallet>(
                format!("credit-{}", leg.leg),
                owner.wallet_id(event.origin.tenant_id).uuid(),
                WalletCommand::Credit(credit),
            ))
        })
        .collect()
}

struct Movement<'a> {
    legs: &'a [Leg],
    /// When a payee's part of it clears.
    clears_at: Option<DateTime<Utc>>,
    purpose: CreditPurpose,
}

fn movement(escrow_id: EscrowId, fact: &EscrowFact) -> Option<Movement<'_>> {
    if let EscrowFact::Released { legs, clears_at, .. } | EscrowFact::PartiallyReleased { legs, clears_at, .. } = fact {
        return Some(Movement { legs, clears_at: Some(*clears_at), purpose: CreditPurpose::EscrowRelease { escrow_id } });
    }
    if let EscrowFact::PenaltyTaken { legs, clears_at, .. } = fact {
        return Some(Movement { legs, clears_at: Some(*clears_at), purpose: CreditPurpose::EscrowPenalty { escrow_id } });
    }
    if let EscrowFact::Refunded { legs, .. } | EscrowFact::SettledCaseRefunded { legs, .. } = fact {
        return Some(Movement { legs, clears_at: None, purpose: CreditPurpose::EscrowRefund { escrow_id } });
    }
    None
}

/// Whose wallet takes the leg; none for what was booked at once.
fn owner(event: &Recorded<AnyEvent>, leg: &Leg) -> Option<WalletOwner> {
    owner_of(event, leg.party, leg.amount.currency())
}

pub(crate) fn owner_of(event: &Recorded<AnyEvent>, party: LegParty, currency: Currency) -> Option<WalletOwner> {
    match party {
        LegParty::Payee(owner_id) => Some(WalletOwner { owner_type: OwnerType::Talent, owner_id, currency }),
        LegParty::Payer(owner_id) => Some(WalletOwner { owner_type: OwnerType::User, owner_id, currency }),
        LegParty::Tenant => Some(WalletOwner { owner_type: OwnerType::Tenant, owner_id: PartyId(event.origin.tenant_id.uuid()), currency }),
        LegParty::Platform | LegParty::Tax | LegParty::Withholding => None,
    }
}
