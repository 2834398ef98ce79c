//! The queue: disputes by status, reference, resolver, raiser and age (DSP-11, DSP-45).

use chrono::{DateTime, Utc};
use holdfast_domain::dispute::{Dispute, DisputeStatus};
use holdfast_domain::kernel::{BookingId, EscrowId, Money, PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dispute::PROJECTION;
use crate::query::{Direction, List, Page, QueryError, Read, Reading};
use crate::runtime::{self, Stored};

/// Who sees a dispute as its own, for `a`, an event of it.
pub(crate) const PARTIES: &str =
    "SELECT ARRAY[d.payer_id, d.payee_id] FROM disputes d WHERE d.tenant_id = a.tenant_id AND d.id = a.entity_id";

/// Every field narrows the list.
#[derive(Debug, Clone, Default)]
pub struct DisputeFilter {
    pub status: Option<DisputeStatus>,
    /// False: only those that are not closed.
    pub closed: Option<bool>,
    pub escrow_id: Option<EscrowId>,
    pub booking_id: Option<BookingId>,
    pub assignee_id: Option<PartyId>,
    /// True: only those without a resolver.
    pub unassigned: bool,
    pub raised_by: Option<PartyId>,
    /// DSP-42.
    pub escalated: Option<bool>,
    /// Opened at or after.
    pub from: Option<DateTime<Utc>>,
    /// Opened before.
    pub to: Option<DateTime<Utc>>,
    /// Only those of which this one is payer or payee: what somebody without `disputes.read` may see.
    pub party: Option<PartyId>,
    pub direction: Direction,
}

/// DSP-01.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputeSummary {
    pub id: Uuid,
    pub version: i64,
    /// `opened`, `evidence`, `review`, `decision_pending`, `decided` or `closed`.
    pub status: String,
    /// `opened`, `evidence`, `review`, `decision` or `closed` (DSP-27).
    pub stage: String,
    /// In the words of bookings and payouts: `none`, `open`, `resolved_refunded` or `resolved_rejected` (DSP-27).
    pub dispute_status: String,
    /// Who holds the money: `escrow`.
    pub ref_type: String,
    pub ref_id: Uuid,
    pub booking_id: Option<Uuid>,
    pub contract_id: Uuid,
    /// The first, second … case of its escrow.
    pub case_no: u32,
    /// `delivery_rejected`, `unfair_rejection`, `deadline_missed`, `approval_missing`, `agreement_ended` or `other`.
    pub dispute_type: String,
    pub payer_id: Uuid,
    pub payee_id: Uuid,
    pub raised_by: Uuid,
    /// `talent`, `payer`, `tenant` or `system`.
    pub raised_by_role: String,
    pub assignee_id: Option<Uuid>,
    /// What is frozen for it, or what a decision is about.
    #[schema(value_type = String, example = "1000.00")]
    pub contested_amount: Decimal,
    pub currency: String,
    /// `none`, `release`, `refund`, `split`, `redo` or `rejected`.
    pub resolution: String,
    /// What went back to the payer by the decision.
    #[schema(value_type = Option<String>)]
    pub refund_amount: Option<Decimal>,
    /// Evidence is accepted until then.
    pub evidence_due_at: DateTime<Utc>,
    /// Undecided by then, it is the platform's; null while evidence is accepted.
    pub decision_due_at: Option<DateTime<Utc>>,
    pub escalated_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
}

/// By age: newest first, or oldest first for a queue.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(pool: &Pool, tenant_id: TenantId, filter: &DisputeFilter, page: &Page) -> Result<Read<List<DisputeSummary>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let stored = runtime::list::<Dispute>(&mut reading, page, filter.direction, |sql| narrow(sql, filter)).await?;
    let items = stored.items.iter().filter_map(summary).collect();
    reading.end(List { items, next_cursor: stored.next_cursor }).await
}

fn narrow(sql: &mut QueryBuilder<'_, Postgres>, filter: &DisputeFilter) {
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    match filter.closed {
        Some(true) => drop(sql.push(" AND status = 'closed'")),
        Some(false) => drop(sql.push(" AND status <> 'closed'")),
        None => {}
    }
    let ids = [
        ("escrow_id", filter.escrow_id.map(EscrowId::uuid)),
        ("booking_id", filter.booking_id.map(BookingId::uuid)),
        ("assignee_id", filter.assignee_id.map(PartyId::uuid)),
        ("raised_by", filter.raised_by.map(PartyId::uuid)),
    ];
    for (column, id) in ids {
        if let Some(id) = id {
            sql.push(format!(" AND {column} = ")).push_bind(id);
        }
    }
    if filter.unassigned {
        sql.push(" AND assignee_id IS NULL");
    }
    if let Some(escalated) = filter.escalated {
        sql.push(" AND escalated = ").push_bind(escalated);
    }
    if let Some(from) = filter.from {
        sql.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND created_at < ").push_bind(to);
    }
    if let Some(party) = filter.party {
        sql.push(" AND (payer_id = ").push_bind(party.uuid()).push(" OR payee_id = ").push_bind(party.uuid()).push(")");
    }
}

/// None for a row without a case, which no event makes.
pub(super) fn summary(stored: &Stored<Dispute>) -> Option<DisputeSummary> {
    let state = &stored.state;
    let case = state.case()?;
    let contested = state.contested().unwrap_or(case.contested);
    Some(DisputeSummary {
        id: stored.id,
        version: stored.version,
        status: state.status().to_string(),
        stage: state.status().stage().to_owned(),
        dispute_status: named(&state.mark()),
        ref_type: "escrow".to_owned(),
        ref_id: case.facts.escrow_id.uuid(),
        booking_id: case.facts.reference.booking_id.map(BookingId::uuid),
        contract_id: case.facts.reference.contract_id.uuid(),
        case_no: case.case_no,
        dispute_type: named(&case.kind),
        payer_id: case.facts.payer_id.uuid(),
        payee_id: case.facts.payee_id.uuid(),
        raised_by: case.raised_by.uuid(),
        raised_by_role: case.raised_as.to_string(),
        assignee_id: state.assignee_id().map(PartyId::uuid),
        contested_amount: contested.amount(),
        currency: contested.currency().code().to_owned(),
        resolution: named(&state.resolution()),
        refund_amount: state.outcome().map(|outcome| Money::amount(outcome.refunded)),
        evidence_due_at: case.facts.evidence_due_at,
        decision_due_at: state.decision_due_at(),
        escalated_at: state.escalated_at(),
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        closed_at: state.closing().map(|closing| closing.at),
    })
}

/// The name of a plain enum value, as in JSON.
pub(super) fn named<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}
