//! Every event of Holdfast as one type: what the ledger, reactions, deadlines and read models take.

use cqrs_es::Aggregate;

use crate::bank_receipt::{BankReceipt, BankReceiptEvent};
use crate::escrow::{Escrow, EscrowEvent};
use crate::kernel::{DeadlineChange, Sealed};
use crate::tenant::{Tenant, TenantEvent};
use crate::wallet::{Wallet, WalletEvent};

#[derive(Debug, Clone, PartialEq)]
pub enum AnyEvent {
    Tenant(TenantEvent),
    Escrow(Box<EscrowEvent>),
    Wallet(WalletEvent),
    BankReceipt(BankReceiptEvent),
}

/// The stored text is not an event of this program: it was written by a newer version, or changed.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("unknown aggregate type {0:?}")]
    UnknownAggregate(String),
    #[error("unreadable {aggregate_type} event")]
    Unreadable {
        aggregate_type: &'static str,
        #[source]
        source: serde_json::Error,
    },
}

/// Names of all aggregates, as stored.
pub const AGGREGATE_TYPES: &[&str] = &[Tenant::TYPE, Escrow::TYPE, Wallet::TYPE, BankReceipt::TYPE];

/// The static name equal to `stored`.
///
/// # Errors
/// `UnknownAggregate` when it is none of ours.
pub fn aggregate_type(stored: &str) -> Result<&'static str, DecodeError> {
    AGGREGATE_TYPES.iter().find(|name| **name == stored).copied().ok_or_else(|| DecodeError::UnknownAggregate(stored.to_owned()))
}

impl AnyEvent {
    /// # Errors
    /// When the type is unknown or the payload does not have the shape of its type.
    pub fn decode(stored_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let aggregate_type = aggregate_type(stored_type)?;
        let unreadable = |source| DecodeError::Unreadable { aggregate_type, source };
        match aggregate_type {
            Tenant::TYPE => serde_json::from_str(payload).map(Self::Tenant).map_err(unreadable),
            Escrow::TYPE => serde_json::from_str(payload).map(Self::Escrow).map_err(unreadable),
            Wallet::TYPE => serde_json::from_str(payload).map(Self::Wallet).map_err(unreadable),
            BankReceipt::TYPE => serde_json::from_str(payload).map(Self::BankReceipt).map_err(unreadable),
            other => Err(DecodeError::UnknownAggregate(other.to_owned())),
        }
    }

    /// The stored name, `<aggregate>.<what happened>`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tenant(event) => event.name(),
            Self::Escrow(event) => event.fact.name(),
            Self::Wallet(event) => event.fact.name(),
            Self::BankReceipt(event) => event.name(),
        }
    }

    /// Rows of the deadlines table after this event.
    #[must_use]
    pub fn deadline_changes(&self) -> Vec<DeadlineChange> {
        match self {
            Self::Escrow(event) => event.deadline_changes(),
            Self::Wallet(event) => event.deadline_changes(),
            Self::Tenant(_) | Self::BankReceipt(_) => Vec::new(),
        }
    }

    /// Every sealed value in it, for the reader that opens them.
    #[must_use]
    pub fn personal(&self) -> Vec<&Sealed> {
        match self {
            Self::Escrow(event) => event.personal(),
            Self::BankReceipt(BankReceiptEvent::Recorded { remitter, .. }) => {
                remitter.iter().map(crate::kernel::Personal::sealed).collect()
            }
            Self::Tenant(_) | Self::Wallet(_) | Self::BankReceipt(BankReceiptEvent::Assigned { .. }) => Vec::new(),
        }
    }
}

impl From<TenantEvent> for AnyEvent {
    fn from(event: TenantEvent) -> Self {
        Self::Tenant(event)
    }
}

impl From<EscrowEvent> for AnyEvent {
    fn from(event: EscrowEvent) -> Self {
        Self::Escrow(Box::new(event))
    }
}

impl From<WalletEvent> for AnyEvent {
    fn from(event: WalletEvent) -> Self {
        Self::Wallet(event)
    }
}

impl From<BankReceiptEvent> for AnyEvent {
    fn from(event: BankReceiptEvent) -> Self {
        Self::BankReceipt(event)
    }
}
