//! One row per movement of an escrow's money (ESC-04).

use chrono::{DateTime, Utc};
use holdfast_domain::escrow::EscrowFact;
use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::Money;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger::entry_id;
use crate::runtime::{ApplyError, Event, Facts, Table};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionKind {
    Fund,
    Release,
    Refund,
    Penalty,
}

impl TransactionKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fund => "fund",
            Self::Release => "release",
            Self::Refund => "refund",
            Self::Penalty => "penalty",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EscrowTransactionRow {
    pub escrow_id: Uuid,
    pub sequence: i64,
    pub event_id: Uuid,
    pub position: i64,
    pub kind: TransactionKind,
    pub amount: Decimal,
    pub currency: &'static str,
    pub ledger_entry_id: Uuid,
    pub at: DateTime<Utc>,
}

impl Facts for EscrowTransactionRow {
    const TABLE: Table = Table {
        name: "escrow_transactions",
        key: &["escrow_id", "sequence"],
        columns: &["event_id", "position", "kind", "amount", "currency", "ledger_entry_id", "at"],
        exact: &["amount"],
    };

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let AnyEvent::Escrow(escrow) = &event.event else { return Ok(Vec::new()) };
        let Some((kind, amount)) = movement(&escrow.fact) else { return Ok(Vec::new()) };
        Ok(vec![Self {
            escrow_id: event.origin.aggregate_id,
            sequence: event.origin.sequence,
            event_id: event.id().uuid(),
            position: event.position,
            kind,
            amount: amount.amount(),
            currency: amount.currency().code(),
            ledger_entry_id: entry_id(event.origin.tenant_id, event.id()),
            at: escrow.at,
        }])
    }
}

/// Money that came into the escrow or left it; what moves between open and contested stays inside, and settled money that is
/// given back comes from where it landed.
fn movement(fact: &EscrowFact) -> Option<(TransactionKind, Money)> {
    match fact {
        EscrowFact::Funded { amount, .. } => Some((TransactionKind::Fund, *amount)),
        EscrowFact::PartiallyReleased { amount, .. } | EscrowFact::Released { amount, .. } => Some((TransactionKind::Release, *amount)),
        EscrowFact::Refunded { amount, .. } => Some((TransactionKind::Refund, *amount)),
        EscrowFact::PenaltyTaken { amount, .. } => Some((TransactionKind::Penalty, *amount)),
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
        | EscrowFact::Disputed { .. }
        | EscrowFact::DisputeWidened { .. }
        | EscrowFact::DisputeConceded { .. }
        | EscrowFact::EvidenceClosed { .. }
        | EscrowFact::DisputeEscalated { .. }
        | EscrowFact::DisputeResolved { .. }
        | EscrowFact::RedoOrdered { .. }
        | EscrowFact::DisputeDismissed { .. }
        | EscrowFact::DecisionDeclined { .. }
        | EscrowFact::SettlementDisputed { .. }
        | EscrowFact::CaseFrozen { .. }
        | EscrowFact::SettledCaseReleased { .. }
        | EscrowFact::SettledCaseRefunded { .. }
        | EscrowFact::ContractSigned
        | EscrowFact::StartMoved { .. }
        | EscrowFact::LegLanded { .. }
        | EscrowFact::Closed { .. } => None,
    }
}
