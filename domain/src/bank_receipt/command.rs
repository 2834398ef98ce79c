//! What can be asked of a bank receipt: platform staff only.

use chrono::{DateTime, Utc};

use crate::kernel::{EscrowId, Money, PartyId, Personal};

#[derive(Debug, Clone, PartialEq)]
pub enum BankReceiptCommand {
    /// The same reference with the same amount again changes nothing; with another amount it is refused.
    Record {
        bank_reference: String,
        amount: Money,
        received_at: DateTime<Utc>,
        payer_id: Option<PartyId>,
        escrow_id: Option<EscrowId>,
        remitter: Option<Personal<String>>,
    },
    /// Names the owner of an unapplied receipt.
    Assign { payer_id: PartyId, escrow_id: Option<EscrowId> },
}
