//! The bank reported money and its payer is known → the payer's wallet is credited, and held when it is meant for an
//! escrow: money that arrives always belongs to the payer first (MNY-09, MNY-10).

use holdfast_domain::bank_receipt::{BankReceipt, BankReceiptEvent};
use holdfast_domain::escrow::Landing;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::{BankReceiptId, HoldId, Recorded, derived_uuid};
use holdfast_domain::wallet::{Credit, CreditPurpose, HoldPurpose, OwnerType, Wallet, WalletCommand, WalletOwner};

use crate::reaction::{Reaction, Step};

pub(crate) const REACTION: Reaction = Reaction { name: "credit_payer", on: &["bank_receipt.recorded", "bank_receipt.assigned"], steps };

fn steps(event: &Recorded<AnyEvent>) -> Vec<Step> {
    let Some(receipt) = event.event.of::<BankReceipt>() else { return Vec::new() };
    let (amount, owner_id, escrow_id) = match receipt {
        BankReceiptEvent::Recorded { amount, payer_id: Some(payer_id), escrow_id, .. }
        | BankReceiptEvent::Assigned { amount, payer_id, escrow_id } => (*amount, *payer_id, *escrow_id),
        BankReceiptEvent::Recorded { payer_id: None, .. } => return Vec::new(),
    };
    let tenant_id = event.origin.tenant_id;
    let receipt_id = BankReceiptId(event.origin.aggregate_id);
    let owner = WalletOwner { owner_type: OwnerType::User, owner_id, currency: amount.currency() };
    let hold = escrow_id.map(|escrow_id| {
        let hold_id = HoldId(derived_uuid(tenant_id, receipt_id.uuid(), "receipt-hold", 0));
        (hold_id, HoldPurpose::EscrowFunding { escrow_id, attempt: 0 })
    });
    let credit = Credit {
        owner,
        amount,
        landing: Landing { event_id: event.metadata.event_id, leg: 0 },
        purpose: CreditPurpose::BankReceipt { receipt_id, escrow_id },
        clears_at: None,
        hold,
    };
    vec![Step::new::<Wallet>("credit", owner.wallet_id(tenant_id).uuid(), WalletCommand::Credit(credit))]
}
