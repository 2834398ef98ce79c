//! Chart of accounts (file of codes: docs/domain/ledger.md).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::Side;

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

            /// LED-04: cash, escrow, liability, revenue, held, clearing, tax, expense.
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
    L299 "L299" "in_transit" "clearing" Credit false;
    R400 "R400" "commission" "revenue" Credit false;
    R470 "R470" "penalties" "revenue" Credit false;
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
