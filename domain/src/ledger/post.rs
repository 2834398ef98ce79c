//! Event in, balanced entry out: one function per aggregate (credits: `post_credits.rs`), one arm per event, each with
//! its row of the chart's postings or its money case.

use crate::bank_receipt::BankReceiptEvent;
use crate::escrow::{EscrowEvent, EscrowFact, Landing, Leg, LegParty, MoneySource};
use crate::event::AnyEvent;
use crate::kernel::{BankReceiptId, EscrowId, Money, Origin};
use crate::ledger::post_credits::credits;
use crate::ledger::{Account, AccountCode, JournalEntry, JournalLine, Side, UnbalancedEntry};
use crate::wallet::{CasePart, WalletEvent, WalletFact};

/// The entry that books `event`; none when it moves no money.
///
/// `L299` (in transit) is always `{event id of the giver, leg}`: the giver's event credits it, the taker's debits it,
/// so it is zero when every reaction has run (MNY-01).
///
/// # Errors
/// When the lines do not balance: such an event must never be stored.
pub fn post(origin: &Origin, event: &AnyEvent) -> Result<Option<JournalEntry>, UnbalancedEntry> {
    let moved = match event {
        AnyEvent::BankReceipt(event) => bank_receipt(origin, event),
        AnyEvent::Escrow(event) => escrow(origin, event),
        AnyEvent::Wallet(event) => wallet(origin, event),
        AnyEvent::Credits(event) => credits(origin, event),
        AnyEvent::Tenant(_)
        | AnyEvent::Job(_)
        | AnyEvent::Booking(_)
        | AnyEvent::Template(_)
        | AnyEvent::Clause(_)
        | AnyEvent::Contract(_)
        | AnyEvent::Dispute(_)
        | AnyEvent::Asset(_)
        | AnyEvent::Person(_)
        | AnyEvent::Access(_)
        | AnyEvent::Session(_) => None,
    };
    moved.map_or(Ok(None), |(kind, lines)| JournalEntry::try_new(kind, lines))
}

/// The kind of the entry and its lines; none when nothing moves.
pub(super) type Movement = Option<(&'static str, Vec<JournalLine>)>;

fn bank_receipt(origin: &Origin, event: &BankReceiptEvent) -> Movement {
    let receipt_id = BankReceiptId(origin.aggregate_id);
    let given = Account::in_transit(own_leg(origin, 0));
    match event {
        // Row 1 with A110 for A100, MNY-09: the payer's wallet takes it.
        BankReceiptEvent::Recorded { amount, payer_id: Some(_), .. } => {
            moves("bank_receipt_recorded", Account::of_tenant(AccountCode::A110), given, *amount)
        }
        // Row 28, MNY-12: nobody knows whose it is.
        BankReceiptEvent::Recorded { amount, payer_id: None, .. } => {
            moves("bank_receipt_unapplied", Account::of_tenant(AccountCode::A110), Account::unapplied(receipt_id), *amount)
        }
        // Row 28: now somebody does.
        BankReceiptEvent::Assigned { amount, .. } => moves("bank_receipt_assigned", Account::unapplied(receipt_id), given, *amount),
    }
}

fn escrow(origin: &Origin, event: &EscrowEvent) -> Movement {
    let escrow_id = EscrowId(origin.aggregate_id);
    let (open, contested) = (Account::escrow_open(escrow_id), Account::escrow_contested(escrow_id));
    match &event.fact {
        // Row 2, MNY-07: what each wallet gives for it; the wallets' captures clear the transit.
        EscrowFact::Funded { amount, parts } => {
            let mut lines: Vec<_> = parts.iter().map(|part| debit(Account::in_transit(own_leg(origin, part.leg)), part.captured)).collect();
            lines.push(credit(open, *amount));
            Some(("escrow_funded", lines))
        }
        // Row 4 and 4b, MNY-23: split by what is left of the entitlements.
        EscrowFact::PartiallyReleased { amount, legs, .. } => {
            gives("escrow_partially_released", origin, open, *amount, legs, AccountCode::R400)
        }
        // Row 4 and 4b; row 9, MNY-29 when a decision releases contested money.
        EscrowFact::Released { source, amount, legs, .. } => {
            gives("escrow_released", origin, from(*source, open, contested), *amount, legs, AccountCode::R400)
        }
        // Row 6b, MNY-16: back to the payer's wallet.
        EscrowFact::Refunded { source, amount, legs, .. } => {
            gives("escrow_refunded", origin, from(*source, open, contested), *amount, legs, AccountCode::R400)
        }
        // MNY-30: one leg, no fee; the platform's own is a penalty, not a commission.
        EscrowFact::PenaltyTaken { amount, legs, .. } => gives("escrow_penalty", origin, contested, *amount, legs, AccountCode::R470),
        // Row 8, MNY-25.
        EscrowFact::Disputed { contested: amount, .. } => moves("escrow_disputed", open, contested, *amount),
        // MNY-26.
        EscrowFact::DisputeWidened { amount, .. } => moves("escrow_dispute_widened", open, contested, *amount),
        // MNY-31.
        EscrowFact::RedoOrdered { returned, .. } => moves("escrow_redo_ordered", contested, open, *returned),
        // MNY-32.
        EscrowFact::DisputeDismissed { returned, .. } => moves("escrow_dispute_dismissed", contested, open, *returned),
        // Rows 7 and 9, MNY-42: what the wallets' holds give and the platform's part and taxes come back to the payer.
        EscrowFact::SettledCaseRefunded { taken, returned, legs, .. } => {
            let held = taken.iter().map(|leg| debit(Account::in_transit(own_leg(origin, leg.leg)), leg.amount));
            let booked = returned.iter().filter_map(|leg| Some(debit(booked_at_once(leg.party, AccountCode::R401)?, leg.amount)));
            let back = legs.iter().map(|leg| credit(Account::in_transit(own_leg(origin, leg.leg)), leg.amount));
            Some(("escrow_settled_case_refunded", held.chain(booked).chain(back).collect()))
        }
        // Holds are the wallets' business, and what a decision moves is in the events that follow it (MNY-29).
        EscrowFact::Created { .. }
        | EscrowFact::FundingRequested { .. }
        | EscrowFact::FundingFailed { .. }
        | EscrowFact::FundingShort { .. }
        | EscrowFact::FundingReturned { .. }
        | EscrowFact::Locked
        | EscrowFact::WorkStarted { .. }
        | EscrowFact::DeliverySubmitted { .. }
        | EscrowFact::DeliveryApproved { .. }
        | EscrowFact::MadeReleasable { .. }
        | EscrowFact::ReleaseAuthorized { .. }
        | EscrowFact::RefundRequested { .. }
        | EscrowFact::RefundDeclined { .. }
        | EscrowFact::Cancelled { .. }
        | EscrowFact::DisputeConceded { .. }
        | EscrowFact::EvidenceClosed { .. }
        | EscrowFact::DisputeEscalated { .. }
        | EscrowFact::DisputeResolved { .. }
        | EscrowFact::DecisionDeclined { .. }
        | EscrowFact::SettlementDisputed { .. }
        | EscrowFact::CaseFrozen { .. }
        | EscrowFact::SettledCaseReleased { .. }
        | EscrowFact::ContractSigned
        | EscrowFact::StartMoved { .. }
        | EscrowFact::LegLanded { .. }
        | EscrowFact::Closed { .. } => None,
    }
}

fn wallet(origin: &Origin, event: &WalletEvent) -> Movement {
    let owner = event.owner;
    let (available, frozen) = (Account::wallet_available(owner), Account::wallet_freeze(owner));
    match &event.fact {
        // MNY-01 (payee: MNY-24; frozen or closed: MNY-51, MNY-52).
        WalletFact::Credited { amount, landing, to, .. } => {
            moves("wallet_credited", Account::in_transit(*landing), Account::wallet_place(owner, *to), *amount)
        }
        // Row 5, MNY-24.
        WalletFact::Cleared { item, amount, to } => {
            moves("wallet_cleared", Account::wallet_pending(owner, *item), Account::wallet_place(owner, *to), *amount)
        }
        // LED-57; row 15 when credits are bought.
        WalletFact::Debited { amount, .. } => moves("wallet_debited", available, Account::in_transit(own_leg(origin, 0)), *amount),
        // MNY-07.
        WalletFact::HoldPlaced { hold_id, amount, .. } => {
            moves("wallet_hold_placed", available, Account::wallet_hold(owner, *hold_id), *amount)
        }
        // MNY-07: what was taken clears the escrow's transit, the rest goes back.
        WalletFact::HoldCaptured { hold_id, captured, released, landing, to } => Some((
            "wallet_hold_captured",
            vec![
                debit(Account::wallet_hold(owner, *hold_id), *captured),
                credit(Account::in_transit(*landing), *captured),
                debit(Account::wallet_hold(owner, *hold_id), *released),
                credit(Account::wallet_place(owner, *to), *released),
            ],
        )),
        // MNY-07, MNY-11.
        WalletFact::HoldLifted { hold_id, amount, to } => {
            moves("wallet_hold_lifted", Account::wallet_hold(owner, *hold_id), Account::wallet_place(owner, *to), *amount)
        }
        // Rows 7 and 9, MNY-36: from wherever it is into the case's hold.
        WalletFact::CaseFrozen { hold_id, parts, .. } => {
            let held = Account::wallet_hold(owner, *hold_id);
            let part = |part: &CasePart| [debit(Account::wallet_place(owner, part.from), part.amount), credit(held.clone(), part.amount)];
            Some(("wallet_case_frozen", parts.iter().flat_map(part).collect()))
        }
        // MNY-51.
        WalletFact::Frozen { amount, .. } => moves("wallet_frozen", available, frozen, *amount),
        WalletFact::Unfrozen { amount, .. } => moves("wallet_unfrozen", frozen, available, *amount),
        WalletFact::Opened
        | WalletFact::HoldDeclined { .. }
        | WalletFact::TransferRequested { .. }
        | WalletFact::TransferApproved { .. }
        | WalletFact::TransferRejected { .. }
        | WalletFact::TransferExpired { .. }
        | WalletFact::Closed => None,
    }
}

fn from(source: MoneySource, open: Account, contested: Account) -> Account {
    match source {
        MoneySource::Open => open,
        MoneySource::Contested => contested,
    }
}

/// Takes `amount` from `source` and gives it to the legs: to wallets through transit, to all others at once.
/// A leg that nobody could take is left out, so that such an event does not balance and is never stored.
fn gives(kind: &'static str, origin: &Origin, source: Account, amount: Money, legs: &[Leg], platform: AccountCode) -> Movement {
    let taker = |leg: &Leg| match leg.wallet_id {
        Some(_) => Some(Account::in_transit(own_leg(origin, leg.leg))),
        None => booked_at_once(leg.party, platform),
    };
    let credits = legs.iter().filter_map(|leg| Some(credit(taker(leg)?, leg.amount)));
    Some((kind, std::iter::once(debit(source, amount)).chain(credits).collect()))
}

/// Parties without a wallet.
fn booked_at_once(party: LegParty, platform: AccountCode) -> Option<Account> {
    match party {
        LegParty::Platform => Some(Account::of_tenant(platform)),
        LegParty::Tax => Some(Account::of_tenant(AccountCode::L260)),
        LegParty::Withholding => Some(Account::of_tenant(AccountCode::L266)),
        LegParty::Payee(_) | LegParty::Tenant | LegParty::Payer(_) => None,
    }
}

fn moves(kind: &'static str, from: Account, to: Account, amount: Money) -> Movement {
    Some((kind, vec![debit(from, amount), credit(to, amount)]))
}

/// Money that this event itself puts in transit.
pub(super) fn own_leg(origin: &Origin, leg: u16) -> Landing {
    Landing { event_id: origin.event_id(), leg }
}

pub(super) fn debit(account: Account, amount: Money) -> JournalLine {
    JournalLine { account, side: Side::Debit, amount }
}

pub(super) fn credit(account: Account, amount: Money) -> JournalLine {
    JournalLine { account, side: Side::Credit, amount }
}
