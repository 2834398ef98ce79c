//! What happened to a wallet. Stored for ever: names and shapes never change, a new shape is a new version.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::credits::Worth;
use crate::escrow::{FundingFailure, Landing};
use crate::kernel::{
    BankReceiptId, CreditsId, Currency, DeadlineChange, DisputeId, EscrowId, HoldId, Money, PartyId, StoredEvent, TenantId, WalletId,
    derived_uuid,
};

/// Whose money it is; decides the accounts it stands on (file of accounts: docs/domain/ledger.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerType {
    /// A payer (brand, buyer, sponsor): L200, held L202.
    User,
    /// A payee (talent, organizer): available L225, held L226, pending L220.
    Talent,
    /// The tenant's own share: L240, held L241.
    Tenant,
}

impl OwnerType {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Talent => "talent",
            Self::Tenant => "tenant",
        }
    }
}

/// One wallet per owner and currency: its id follows from them, so it can be credited before anyone opened it (MNY-01).
#[must_use]
pub fn wallet_id(tenant_id: TenantId, owner_type: OwnerType, owner_id: PartyId, currency: Currency) -> WalletId {
    WalletId(derived_uuid(tenant_id, owner_id.0, &format!("wallet:{}:{}", owner_type.as_str(), currency.code()), 0))
}

/// Every event names the wallet's owner, so that the ledger can post it without looking anything up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletEvent {
    pub owner: WalletOwner,
    pub at: DateTime<Utc>,
    pub fact: WalletFact,
}

/// Whose wallet, in which currency. Never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WalletOwner {
    pub owner_type: OwnerType,
    pub owner_id: PartyId,
    pub currency: Currency,
}

impl WalletOwner {
    #[must_use]
    pub fn wallet_id(self, tenant_id: TenantId) -> WalletId {
        wallet_id(tenant_id, self.owner_type, self.owner_id, self.currency)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum WalletFact {
    Opened,
    /// Money that was in transit has landed (MNY-01).
    Credited {
        amount: Money,
        landing: Landing,
        to: Place,
        purpose: CreditPurpose,
    },
    /// Pending money became usable (MNY-24); into the freeze when the wallet is frozen (MNY-51).
    Cleared {
        item: u32,
        amount: Money,
        to: Place,
    },
    /// Money left for another aggregate; in transit as leg 0 of this event.
    Debited {
        amount: Money,
        purpose: DebitPurpose,
    },
    HoldPlaced {
        hold_id: HoldId,
        amount: Money,
        purpose: HoldPurpose,
    },
    /// MNY-07: there was too little, or the wallet is frozen.
    HoldDeclined {
        hold_id: HoldId,
        amount: Money,
        purpose: HoldPurpose,
        reason: FundingFailure,
    },
    /// `captured` clears the transit of `landing`; `released` goes back to the owner.
    HoldCaptured {
        hold_id: HoldId,
        captured: Money,
        released: Money,
        landing: Landing,
        to: Place,
    },
    HoldLifted {
        hold_id: HoldId,
        amount: Money,
        to: Place,
    },
    /// MNY-36: the hold now holds the sum of `parts`, at most `asked`.
    CaseFrozen {
        hold_id: HoldId,
        escrow_id: EscrowId,
        dispute_id: DisputeId,
        asked: Money,
        parts: Vec<CasePart>,
    },
    /// LED-18: too much for one person alone. Nothing is held; funds are checked again at the approval. `transfer` is the
    /// sequence of this event.
    TransferRequested {
        transfer: i64,
        amount: Money,
        to_wallet_id: WalletId,
        to: WalletOwner,
        reason: String,
        requested_by: PartyId,
        expires_at: DateTime<Utc>,
    },
    /// The debit follows in the same append.
    TransferApproved {
        transfer: i64,
    },
    TransferRejected {
        transfer: i64,
        reason: String,
    },
    TransferExpired {
        transfer: i64,
    },
    /// MNY-51: `amount` (all that was available) moves to the freeze.
    Frozen {
        amount: Money,
        reason: String,
    },
    /// `amount`: all that is in the freeze moves back.
    Unfrozen {
        amount: Money,
        reason: String,
    },
    Closed,
}

/// What one balance gave to a case (MNY-36).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CasePart {
    pub from: Place,
    /// Above zero.
    pub amount: Money,
    /// Nothing is left there: a pending item is gone.
    pub emptied: bool,
}

/// Which of the wallet's balances takes the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Place {
    Available,
    /// `item` numbers pending credits within the wallet.
    Pending {
        item: u32,
        clears_at: DateTime<Utc>,
    },
    /// Held by the freeze (MNY-51).
    Freeze,
}

/// Why money came in, and from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum CreditPurpose {
    EscrowRelease {
        escrow_id: EscrowId,
    },
    EscrowRefund {
        escrow_id: EscrowId,
    },
    EscrowPenalty {
        escrow_id: EscrowId,
    },
    /// A bank receipt; with an escrow, the money is held for it in the same append (MNY-09, MNY-10).
    BankReceipt {
        receipt_id: BankReceiptId,
        escrow_id: Option<EscrowId>,
    },
    Transfer {
        from_wallet_id: WalletId,
    },
    /// Sold credits were revoked (MNY-53).
    CreditsRefund {
        credits_id: CreditsId,
    },
    /// Credits paid for a service of the tenant (row 16).
    CreditsUse {
        credits_id: CreditsId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum DebitPurpose {
    /// LED-18, LED-57: names the taker completely, so that the credit cannot fail.
    Transfer { to_wallet_id: WalletId, to: WalletOwner, reason: String },
    /// Row 15: the lot of credits that the wallet's owner gets for it. `amount` = value + tax.
    CreditPurchase { units: i64, worth: Worth, expires_at: Option<DateTime<Utc>> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum HoldPurpose {
    /// Attempt 0: whichever attempt the escrow has open (bank receipts know only the escrow).
    EscrowFunding { escrow_id: EscrowId, attempt: u32 },
    /// MNY-36.
    SettledCase { escrow_id: EscrowId, dispute_id: DisputeId },
}

impl StoredEvent for WalletEvent {
    fn name(&self) -> &'static str {
        self.fact.name()
    }

    /// Pending money clears, and a transfer that nobody approved expires, by deadline.
    fn deadline_changes(&self) -> Vec<DeadlineChange> {
        match &self.fact {
            WalletFact::Credited { to: Place::Pending { item, clears_at }, .. } => {
                vec![DeadlineChange { key: format!("clear:{item}"), at: Some(*clears_at) }]
            }
            WalletFact::Cleared { item, .. } => vec![DeadlineChange { key: format!("clear:{item}"), at: None }],
            WalletFact::CaseFrozen { parts, .. } => {
                let gone = parts.iter().filter(|part| part.emptied).filter_map(|part| match part.from {
                    Place::Pending { item, .. } => Some(item),
                    Place::Available | Place::Freeze => None,
                });
                gone.map(|item| DeadlineChange { key: format!("clear:{item}"), at: None }).collect()
            }
            WalletFact::TransferRequested { transfer, expires_at, .. } => {
                vec![DeadlineChange { key: format!("transfer:{transfer}"), at: Some(*expires_at) }]
            }
            WalletFact::TransferApproved { transfer }
            | WalletFact::TransferRejected { transfer, .. }
            | WalletFact::TransferExpired { transfer } => vec![DeadlineChange { key: format!("transfer:{transfer}"), at: None }],
            WalletFact::Opened
            | WalletFact::Credited { .. }
            | WalletFact::Debited { .. }
            | WalletFact::HoldPlaced { .. }
            | WalletFact::HoldDeclined { .. }
            | WalletFact::HoldCaptured { .. }
            | WalletFact::HoldLifted { .. }
            | WalletFact::Frozen { .. }
            | WalletFact::Unfrozen { .. }
            | WalletFact::Closed => Vec::new(),
        }
    }
}

impl WalletFact {
    /// MNY-36: what the hold of a case holds; none for every other fact.
    #[must_use]
    pub fn frozen_for_case(&self) -> Option<Money> {
        let Self::CaseFrozen { asked, parts, .. } = self else { return None };
        let sum = parts.iter().map(|part| part.amount.minor()).sum();
        Money::try_from_minor(sum, asked.currency()).ok()
    }

    /// The stored name, as documented in LED-81.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened => "wallet.opened",
            Self::Credited { .. } => "wallet.credited",
            Self::Cleared { .. } => "wallet.cleared",
            Self::Debited { .. } => "wallet.debited",
            Self::HoldPlaced { .. } => "wallet.hold_placed",
            Self::HoldDeclined { .. } => "wallet.hold_declined",
            Self::HoldCaptured { .. } => "wallet.hold_captured",
            Self::HoldLifted { .. } => "wallet.hold_lifted",
            Self::CaseFrozen { .. } => "wallet.case_frozen",
            Self::TransferRequested { .. } => "wallet.transfer_requested",
            Self::TransferApproved { .. } => "wallet.transfer_approved",
            Self::TransferRejected { .. } => "wallet.transfer_rejected",
            Self::TransferExpired { .. } => "wallet.transfer_expired",
            Self::Frozen { .. } => "wallet.frozen",
            Self::Unfrozen { .. } => "wallet.unfrozen",
            Self::Closed => "wallet.closed",
        }
    }
}

crate::domain_event!(WalletEvent);
