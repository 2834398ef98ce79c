//! Chart of accounts (file of codes: docs/domain/ledger.md).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::credits::CreditsOwner;
use crate::escrow::Landing;
use crate::kernel::{BankReceiptId, EscrowId, HoldId, LotId, ReservationId};
use crate::ledger::Side;
use crate::wallet::{OwnerType, Place, WalletOwner};

macro_rules! chart {
    ($($code:ident $text:literal $name:literal $kind:literal $side:ident $constrained:literal;)+) => {
        /// The codes that events of this version post to; they order the reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum AccountCode { $($code),+ }

        impl AccountCode {
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// `L225`
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$code => $text),+ }
            }

            /// `talent_available`
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// LED-04: cash, escrow, liability, revenue, held, clearing, tax, credits, expense.
            #[must_use]
            pub const fn kind(self) -> &'static str {
                match self { $(Self::$code => $kind),+ }
            }

            /// The side on which its balance grows.
            #[must_use]
            pub const fn normal_side(self) -> Side {
                match self { $(Self::$code => Side::$side),+ }
            }

            /// True where the balance may never fall below zero.
            #[must_use]
            pub const fn never_negative(self) -> bool {
                match self { $(Self::$code => $constrained),+ }
            }
        }
    };
}

chart! {
    A110 "A110" "client_bank" "cash" Debit false;
    A120 "A120" "operating_bank" "cash" Debit false;
    L200 "L200" "wallet" "liability" Credit true;
    L202 "L202" "wallet_held" "held" Credit true;
    L205 "L205" "unapplied_receipts" "liability" Credit true;
    L210 "L210" "escrow" "escrow" Credit true;
    L215 "L215" "escrow_disputed" "escrow" Credit true;
    L220 "L220" "talent_pending" "liability" Credit true;
    L225 "L225" "talent_available" "liability" Credit true;
    L226 "L226" "talent_hold" "held" Credit true;
    L240 "L240" "tenant_payable" "liability" Credit true;
    L241 "L241" "tenant_held" "held" Credit true;
    L260 "L260" "gst_output" "tax" Credit false;
    L266 "L266" "tcs_payable" "tax" Credit false;
    L270 "L270" "credits_deferred" "credits" Credit true;
    L272 "L272" "ads_reserved" "credits" Credit true;
    L299 "L299" "in_transit" "clearing" Credit false;
    R400 "R400" "commission" "revenue" Credit false;
    R401 "R401" "commission_refunds" "revenue" Debit false;
    R430 "R430" "credits_used" "revenue" Credit false;
    R440 "R440" "breakage" "revenue" Credit false;
    R470 "R470" "penalties" "revenue" Credit false;
    X530 "X530" "promo_contra" "expense" Debit false;
}

/// One account: a code, whose it is and what for, e.g. `L226{talent, hold}` or `L299{event, leg}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub code: AccountCode,
    /// Party, escrow, receipt or event that the account is about; none for accounts of the whole tenant.
    pub owner_id: Option<Uuid>,
    /// Distinguishes accounts of one owner: a hold, a pending item, the number of a leg. Empty when there is one only.
    pub detail: String,
}

/// The accounts by what they stand for: the only place that says how their dimensions are made.
impl Account {
    /// Of the whole tenant: bank, revenue, taxes.
    #[must_use]
    pub fn of_tenant(code: AccountCode) -> Self {
        Self { code, owner_id: None, detail: String::new() }
    }

    fn of(code: AccountCode, owner_id: Uuid) -> Self {
        Self { code, owner_id: Some(owner_id), detail: String::new() }
    }

    fn detailed(code: AccountCode, owner_id: Uuid, detail: impl ToString) -> Self {
        Self { code, owner_id: Some(owner_id), detail: detail.to_string() }
    }

    /// `L299{event, leg}` (MNY-01).
    #[must_use]
    pub fn in_transit(landing: Landing) -> Self {
        Self::detailed(AccountCode::L299, landing.event_id.0, landing.leg)
    }

    /// `L205{receipt}`: money whose owner is not known (MNY-12).
    #[must_use]
    pub fn unapplied(receipt_id: BankReceiptId) -> Self {
        Self::of(AccountCode::L205, receipt_id.0)
    }

    /// `L210{escrow}`: what the escrow has open.
    #[must_use]
    pub fn escrow_open(escrow_id: EscrowId) -> Self {
        Self::of(AccountCode::L210, escrow_id.0)
    }

    /// `L215{escrow}`: what is contested.
    #[must_use]
    pub fn escrow_contested(escrow_id: EscrowId) -> Self {
        Self::of(AccountCode::L215, escrow_id.0)
    }

    /// `L200`, `L225` or `L240` of the owner.
    #[must_use]
    pub fn wallet_available(owner: WalletOwner) -> Self {
        let code = match owner.owner_type {
            OwnerType::User => AccountCode::L200,
            OwnerType::Talent => AccountCode::L225,
            OwnerType::Tenant => AccountCode::L240,
        };
        Self::of(code, owner.owner_id.0)
    }

    /// `L202`, `L226` or `L241` of owner and hold.
    #[must_use]
    pub fn wallet_hold(owner: WalletOwner, hold_id: HoldId) -> Self {
        Self::detailed(held_code(owner.owner_type), owner.owner_id.0, hold_id)
    }

    /// The hold of the freeze, detail `freeze` (MNY-51).
    #[must_use]
    pub fn wallet_freeze(owner: WalletOwner) -> Self {
        Self::detailed(held_code(owner.owner_type), owner.owner_id.0, "freeze")
    }

    /// `L220{owner, item}` (MNY-24).
    #[must_use]
    pub fn wallet_pending(owner: WalletOwner, item: u32) -> Self {
        Self::detailed(AccountCode::L220, owner.owner_id.0, item)
    }

    /// `L270{owner, lot}`: what is owed for sold units that nobody has reserved.
    #[must_use]
    pub fn credits_deferred(owner: CreditsOwner, lot_id: LotId) -> Self {
        Self::detailed(AccountCode::L270, owner.owner_id.0, lot_id)
    }

    /// `L272{reservation, lot}`: what is owed for reserved ones.
    #[must_use]
    pub fn credits_reserved(reservation_id: ReservationId, lot_id: LotId) -> Self {
        Self::detailed(AccountCode::L272, reservation_id.0, lot_id)
    }

    /// The account of a place within the wallet.
    #[must_use]
    pub fn wallet_place(owner: WalletOwner, place: Place) -> Self {
        match place {
            Place::Available => Self::wallet_available(owner),
            Place::Pending { item, .. } => Self::wallet_pending(owner, item),
            Place::Freeze => Self::wallet_freeze(owner),
        }
    }
}

const fn held_code(owner_type: OwnerType) -> AccountCode {
    match owner_type {
        OwnerType::User => AccountCode::L202,
        OwnerType::Talent => AccountCode::L226,
        OwnerType::Tenant => AccountCode::L241,
    }
}
