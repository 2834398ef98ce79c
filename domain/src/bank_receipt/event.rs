//! What happened to a bank receipt.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{BankReceiptId, EscrowId, Money, PartyId, Personal, Sealed, StoredEvent, TenantId, derived_uuid};

/// The stream of a bank reference.
#[must_use]
pub fn bank_receipt_id(tenant_id: TenantId, bank_reference: &str) -> BankReceiptId {
    BankReceiptId(derived_uuid(tenant_id, Uuid::nil(), &format!("bank_receipt:{bank_reference}"), 0))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum BankReceiptEvent {
    /// Without a payer it is unapplied (L205) until somebody says whose it is.
    Recorded {
        bank_reference: String,
        amount: Money,
        received_at: DateTime<Utc>,
        payer_id: Option<PartyId>,
        escrow_id: Option<EscrowId>,
        remitter: Option<Personal<String>>,
    },
    Assigned {
        amount: Money,
        payer_id: PartyId,
        escrow_id: Option<EscrowId>,
    },
}

impl StoredEvent for BankReceiptEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Recorded { .. } => "bank_receipt.recorded",
            Self::Assigned { .. } => "bank_receipt.assigned",
        }
    }

    fn personal(&self) -> Vec<&Sealed> {
        match self {
            Self::Recorded { remitter, .. } => remitter.iter().map(Personal::sealed).collect(),
            Self::Assigned { .. } => Vec::new(),
        }
    }
}

crate::domain_event!(BankReceiptEvent);
