//! An escrow in a list: what its state says, in words for readers.

use chrono::{DateTime, Utc};
use holdfast_domain::escrow::{Deadline, Escrow, EscrowStatus, LegacyStatus};
use holdfast_domain::kernel::{BookingId, ContractId, EscrowId, MilestoneId, Money, SponsorshipOrderId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::query::QueryError;

/// ESC-01, ESC-11. Amounts are in `currency`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscrowSummary {
    pub id: Uuid,
    pub version: i64,
    /// `created`, `funding_pending`, `funded`, `locked`, `in_progress`, `delivery_submitted`, `releasable`,
    /// `partial_released`, `disputed`, `released`, `resolved_release`, `resolved_refund`, `resolved_split`, `refunded`,
    /// `cancelled` or `closed`.
    pub status: String,
    pub legacy_status: LegacyStatusView,
    /// How it ended: `settled`, `refunded`, `split`, `cancelled` or `charged_back`.
    pub outcome: Option<String>,
    pub settlement: Settlement,
    pub contract_id: Uuid,
    pub milestone_id: Option<Uuid>,
    pub booking_id: Option<Uuid>,
    pub sponsorship_order_id: Option<Uuid>,
    pub payer_id: Uuid,
    pub payee_id: Uuid,
    pub currency: String,
    #[schema(value_type = String, example = "1000.00")]
    pub amount: Decimal,
    #[schema(value_type = String)]
    pub funded_amount: Decimal,
    /// open + contested: what the escrow holds.
    #[schema(value_type = String)]
    pub locked_amount: Decimal,
    #[schema(value_type = String)]
    pub open_amount: Decimal,
    #[schema(value_type = String)]
    pub contested_amount: Decimal,
    /// Gross: with fees and taxes.
    #[schema(value_type = String)]
    pub released_amount: Decimal,
    #[schema(value_type = String)]
    pub refunded_amount: Decimal,
    #[schema(value_type = String)]
    pub penalty_amount: Decimal,
    /// Left the escrow, has not reached its wallets yet (MNY-01).
    #[schema(value_type = String)]
    pub in_transit: Decimal,
    pub refund_requested: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// When the system approves or settles by itself.
    pub auto_release_at: Option<DateTime<Utc>>,
    pub sla_due_at: Option<DateTime<Utc>>,
    pub dispute_window_ends_at: Option<DateTime<Utc>>,
    pub next_deadline: Option<NextDeadline>,
}

/// The status in the words of the sources; null where they have none (ESC-49).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegacyStatusView {
    /// Of the lifecycle list.
    pub list: Option<String>,
    /// Of the working flow.
    #[schema(example = "ESCROW_FUNDED")]
    pub flow: Option<String>,
    /// Of the short machine.
    pub short: Option<String>,
}

/// Has all the money that left the escrow arrived?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    Pending,
    Settled,
}

/// By when somebody must have done something, and what the system does otherwise (MNY-17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextDeadline {
    pub at: DateTime<Utc>,
    /// `cancel`, `refund`, `raise_dispute`, `approve`, `settle`, `close_evidence` or `escalate`.
    pub action: String,
}

/// The columns from which answers are made.
#[derive(Debug, FromRow)]
pub(crate) struct StoredEscrow {
    pub(crate) escrow_id: Uuid,
    pub(crate) version: i64,
    pub(crate) amount: Decimal,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) auto_release_at: Option<DateTime<Utc>>,
    pub(crate) sla_due_at: Option<DateTime<Utc>>,
    pub(crate) next_deadline_at: Option<DateTime<Utc>>,
    pub(crate) state: Json<Escrow>,
}

impl StoredEscrow {
    pub(crate) const COLUMNS: &str =
        "escrow_id, version, amount, created_at, updated_at, auto_release_at, sla_due_at, next_deadline_at, state";

    pub(crate) fn summary(&self) -> Result<EscrowSummary, QueryError> {
        let state = &self.state.0;
        let (terms, amounts) = state.terms().zip(state.amounts()).ok_or(QueryError::NoTerms(EscrowId(self.escrow_id)))?;
        let reference = terms.reference;
        Ok(EscrowSummary {
            id: self.escrow_id,
            version: self.version,
            status: state.status().to_string(),
            legacy_status: state.legacy_status().into(),
            outcome: state.outcome().map(|outcome| outcome.to_string()),
            settlement: settlement(state),
            contract_id: ContractId::uuid(reference.contract_id),
            milestone_id: reference.milestone_id.map(MilestoneId::uuid),
            booking_id: reference.booking_id.map(BookingId::uuid),
            sponsorship_order_id: reference.sponsorship_order_id.map(SponsorshipOrderId::uuid),
            payer_id: terms.payer_id.uuid(),
            payee_id: terms.payee_id.uuid(),
            currency: terms.amount.currency().code().to_owned(),
            amount: terms.amount.amount(),
            funded_amount: amounts.funded.amount(),
            locked_amount: amounts.remainder.amount(),
            open_amount: amounts.open.amount(),
            contested_amount: amounts.contested.amount(),
            released_amount: amounts.released.amount(),
            refunded_amount: amounts.refunded.amount(),
            penalty_amount: amounts.penalty.amount(),
            in_transit: amounts.in_transit.amount(),
            refund_requested: state.refund_requested(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            auto_release_at: state.auto_release_at(),
            sla_due_at: state.sla_due_at(),
            dispute_window_ends_at: state.dispute_window_ends_at(),
            next_deadline: state.next_deadline().map(NextDeadline::from),
        })
    }
}

/// What reactions still add is part of the result: a released escrow is settled when its last leg has landed.
fn settlement(state: &Escrow) -> Settlement {
    let in_transit = state.amounts().is_some_and(|amounts| !Money::is_zero(amounts.in_transit));
    let ended = matches!(state.status(), EscrowStatus::Closed | EscrowStatus::Cancelled);
    if in_transit || (state.status().is_final() && !ended) { Settlement::Pending } else { Settlement::Settled }
}

impl From<LegacyStatus> for LegacyStatusView {
    fn from(names: LegacyStatus) -> Self {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Self { list: owned(names.list), flow: owned(names.flow), short: owned(names.short) }
    }
}

impl From<Deadline> for NextDeadline {
    fn from(deadline: Deadline) -> Self {
        Self { at: deadline.at, action: named(&deadline.action) }
    }
}

/// The name that a plain enum has in JSON.
pub(crate) fn named(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}
