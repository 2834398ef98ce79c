//! One row per escrow. The aggregate folds its own state; the other columns only help to find and sort rows.

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use holdfast_domain::escrow::{Deadline, DeadlineAction, Escrow, EscrowStatus, Terms};
use holdfast_domain::kernel::TenantAggregate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::escrow::{EscrowEventRow, EscrowTransactionRow};
use crate::runtime::{ApplyError, Event, Projection, Table, View};

pub const PROJECTION: &str = "escrow";

/// How rows are made of states. Rows hold the aggregate's state, so they are also of another version when it folds anew.
const VERSION: u32 = 1 + 100 * Escrow::FOLD_VERSION;

#[must_use]
pub fn projection() -> Projection {
    Projection::new(PROJECTION, VERSION.cast_signed()).view::<EscrowRow>().facts::<EscrowEventRow>().facts::<EscrowTransactionRow>()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EscrowRow {
    pub escrow_id: Uuid,
    pub version: i64,
    pub position: i64,
    pub status: EscrowStatus,
    pub currency: String,
    pub amount: Decimal,
    pub payer_id: Uuid,
    pub payee_id: Uuid,
    pub contract_id: Uuid,
    pub milestone_id: Option<Uuid>,
    pub booking_id: Option<Uuid>,
    pub sponsorship_order_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub auto_release_at: Option<DateTime<Utc>>,
    pub sla_due_at: Option<DateTime<Utc>>,
    pub next_deadline_at: Option<DateTime<Utc>>,
    pub next_deadline_action: Option<DeadlineAction>,
    pub state: Escrow,
}

impl View for EscrowRow {
    const TABLE: Table = Table {
        name: "escrows",
        key: &["escrow_id"],
        columns: &[
            "version",
            "position",
            "status",
            "currency",
            "amount",
            "payer_id",
            "payee_id",
            "contract_id",
            "milestone_id",
            "booking_id",
            "sponsorship_order_id",
            "created_at",
            "updated_at",
            "auto_release_at",
            "sla_due_at",
            "next_deadline_at",
            "next_deadline_action",
            "state",
        ],
        exact: &["amount"],
    };

    fn keys(event: &Event<'_>) -> Result<Vec<Uuid>, ApplyError> {
        Ok(event.event.of::<Escrow>().map(|_| event.origin.aggregate_id).into_iter().collect())
    }

    fn new(id: Uuid) -> Self {
        Self {
            escrow_id: id,
            version: 0,
            position: 0,
            status: EscrowStatus::Unopened,
            currency: String::new(),
            amount: Decimal::ZERO,
            payer_id: Uuid::nil(),
            payee_id: Uuid::nil(),
            contract_id: Uuid::nil(),
            milestone_id: None,
            booking_id: None,
            sponsorship_order_id: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            auto_release_at: None,
            sla_due_at: None,
            next_deadline_at: None,
            next_deadline_action: None,
            state: Escrow::default(),
        }
    }

    fn id(&self) -> Uuid {
        self.escrow_id
    }

    fn apply(&mut self, event: &Event<'_>) -> Result<(), ApplyError> {
        let Some(escrow) = event.event.of::<Escrow>() else { return Ok(()) };
        if self.version == 0 {
            self.created_at = escrow.at;
        }
        self.version = event.origin.sequence;
        self.position = event.position;
        self.updated_at = escrow.at;
        self.state.apply(escrow.clone());
        self.status = self.state.status();
        self.auto_release_at = self.state.auto_release_at();
        self.sla_due_at = self.state.sla_due_at();
        let next = self.state.next_deadline();
        self.next_deadline_at = next.map(|Deadline { at, .. }| at);
        self.next_deadline_action = next.map(|Deadline { action, .. }| action);
        if let Some(terms) = self.state.terms().cloned() {
            self.agree(&terms);
        }
        Ok(())
    }
}

impl EscrowRow {
    fn agree(&mut self, terms: &Terms) {
        terms.amount.currency().code().clone_into(&mut self.currency);
        self.amount = terms.amount.amount();
        self.payer_id = terms.payer_id.uuid();
        self.payee_id = terms.payee_id.uuid();
        self.contract_id = terms.reference.contract_id.uuid();
        self.milestone_id = terms.reference.milestone_id.map(holdfast_domain::kernel::MilestoneId::uuid);
        self.booking_id = terms.reference.booking_id.map(holdfast_domain::kernel::BookingId::uuid);
        self.sponsorship_order_id = terms.reference.sponsorship_order_id.map(holdfast_domain::kernel::SponsorshipOrderId::uuid);
    }
}
