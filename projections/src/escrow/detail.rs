//! The detail page of one escrow (ESC-12).

use chrono::{DateTime, Utc};
use holdfast_domain::escrow::{Escrow, FundingView, OpenDispute, PartyShare, SettledCaseView};
use holdfast_domain::kernel::{Actor, EscrowId, Money, PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::escrow::summary::{StoredEscrow, named};
use crate::escrow::{EscrowSummary, PROJECTION, TimelineEntry};
use crate::query::{QueryError, Read, Reading};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscrowDetail {
    #[serde(flatten)]
    pub summary: EscrowSummary,
    /// The tenant's rules in force since creation (ESC-06).
    #[schema(value_type = Object)]
    pub rules: serde_json::Value,
    /// Who may get what of it (MNY-03), by rank.
    pub parties: Vec<PartyAmounts>,
    pub funding: FundingState,
    /// The open case; none while nothing is contested.
    pub dispute: Option<DisputeView>,
    /// The last case about money that had been released (MNY-36).
    pub settled_case: Option<SettledCase>,
    /// What a release authorisation stands for, while it stands (MNY-22).
    #[schema(value_type = Option<String>)]
    pub authorized_amount: Option<Decimal>,
    /// 0 before work starts; one more with every redo.
    pub round: u32,
    pub work_started_at: Option<DateTime<Utc>>,
    pub delivery_submitted_at: Option<DateTime<Utc>>,
    pub approved_at: Option<DateTime<Utc>>,
    /// When nothing was left to decide.
    pub ended_at: Option<DateTime<Utc>>,
    /// What the caller may ask for now.
    pub allowed_actions: Vec<String>,
    /// Oldest first.
    pub events: Vec<TimelineEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettledCase {
    pub dispute_id: Uuid,
    /// Gross.
    #[schema(value_type = String, example = "950.00")]
    pub contested: Decimal,
    /// In the wallets of payee and tenant, as far as these have answered.
    #[schema(value_type = String)]
    pub frozen: Decimal,
    /// What these wallets should have frozen and no longer had.
    #[schema(value_type = String)]
    pub shortfall: Decimal,
    #[schema(value_type = String)]
    pub refunded: Decimal,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartyAmounts {
    /// `payee`, `tenant`, `platform`, `tax` or `withholding`.
    pub party: String,
    /// Of the full amount, as agreed.
    #[schema(value_type = String, example = "950.00")]
    pub entitlement: Decimal,
    #[schema(value_type = String)]
    pub released: Decimal,
    /// Of what remains.
    #[schema(value_type = String)]
    pub left: Decimal,
}

/// MNY-07, MNY-10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FundingState {
    pub attempt: u32,
    #[schema(value_type = String)]
    pub received: Decimal,
    #[schema(value_type = String)]
    pub missing: Decimal,
    /// Why the last attempt failed: `INSUFFICIENT_FUNDS`, `WALLET_FROZEN`, `SESSION_FAILED` or `SESSION_EXPIRED`.
    pub funding_failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputeView {
    pub id: Uuid,
    pub case_no: u32,
    /// `delivery_rejected`, `unfair_rejection`, `deadline_missed`, `approval_missing` or `other`.
    pub kind: String,
    pub raised_by: Uuid,
    /// `talent`, `payer`, `tenant` or `system`.
    pub raised_as: String,
    pub raised_at: DateTime<Utc>,
    pub evidence_closed: bool,
    /// Nobody decided in time: the platform must.
    pub escalated: bool,
}

/// None when the tenant has no such escrow, or `party` is neither its payer nor its payee. `actor` and `now` decide
/// which actions are shown as allowed.
///
/// # Errors
/// When the database does not answer.
pub async fn detail(
    pool: &Pool,
    tenant_id: TenantId,
    escrow_id: EscrowId,
    party: Option<PartyId>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Read<Option<EscrowDetail>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let Some(stored) = find(&mut reading, escrow_id, party).await? else { return reading.end(None).await };
    let events = timeline(&mut reading, escrow_id, stored.version).await?;
    let detail = page(&stored, events, actor, now)?;
    reading.end(Some(detail)).await
}

pub(crate) async fn find(reading: &mut Reading, escrow_id: EscrowId, party: Option<PartyId>) -> Result<Option<StoredEscrow>, QueryError> {
    let tenant_id = reading.tenant_id;
    Ok(sqlx::query_as(&format!(
        "SELECT {} FROM escrows WHERE tenant_id = $1 AND escrow_id = $2 AND ($3::uuid IS NULL OR $3 IN (payer_id, payee_id))",
        StoredEscrow::COLUMNS
    ))
    .bind(tenant_id.uuid())
    .bind(escrow_id.uuid())
    .bind(party.map(PartyId::uuid))
    .fetch_optional(reading.connection())
    .await?)
}

/// Up to the version that the page shows: what is written meanwhile does not mix in.
async fn timeline(reading: &mut Reading, escrow_id: EscrowId, version: i64) -> Result<Vec<TimelineEntry>, QueryError> {
    let tenant_id = reading.tenant_id;
    let rows: Vec<TimelineEntry> = sqlx::query_as(&format!(
        "SELECT {} FROM escrow_events WHERE tenant_id = $1 AND escrow_id = $2 AND sequence <= $3 ORDER BY sequence",
        TimelineEntry::COLUMNS
    ))
    .bind(tenant_id.uuid())
    .bind(escrow_id.uuid())
    .bind(version)
    .fetch_all(reading.connection())
    .await?;
    Ok(rows.into_iter().map(TimelineEntry::joined).collect())
}

fn page(stored: &StoredEscrow, events: Vec<TimelineEntry>, actor: &Actor, now: DateTime<Utc>) -> Result<EscrowDetail, QueryError> {
    let state: &Escrow = &stored.state.0;
    let summary = stored.summary()?;
    let (terms, funding) = state.terms().zip(state.funding()).ok_or(QueryError::NoTerms(EscrowId(stored.escrow_id)))?;
    Ok(EscrowDetail {
        summary,
        rules: serde_json::to_value(&terms.rules)?,
        parties: state.shares().into_iter().map(PartyAmounts::from).collect(),
        funding: funding.into(),
        dispute: state.dispute().map(DisputeView::from),
        settled_case: state.settled_case().map(SettledCase::from),
        authorized_amount: state.authorized().map(Money::amount),
        round: state.round(),
        work_started_at: state.work_started_at(),
        delivery_submitted_at: state.delivery_submitted_at(),
        approved_at: state.approved_at(),
        ended_at: state.ended_at(),
        allowed_actions: state.allowed_actions(actor, now).into_iter().map(|action| action.to_string()).collect(),
        events,
    })
}

impl From<PartyShare> for PartyAmounts {
    fn from(share: PartyShare) -> Self {
        Self {
            party: share.party.to_owned(),
            entitlement: share.entitlement.amount(),
            released: share.released.amount(),
            left: share.left.amount(),
        }
    }
}

impl From<FundingView> for FundingState {
    fn from(funding: FundingView) -> Self {
        Self {
            attempt: funding.attempt,
            received: funding.received.amount(),
            missing: funding.missing.amount(),
            funding_failure: funding.failure.map(|failure| named(&failure)),
        }
    }
}

impl From<SettledCaseView> for SettledCase {
    fn from(case: SettledCaseView) -> Self {
        Self {
            dispute_id: case.dispute_id.uuid(),
            contested: case.contested.amount(),
            frozen: case.frozen.amount(),
            shortfall: case.shortfall.amount(),
            refunded: case.refunded.amount(),
        }
    }
}

impl From<&OpenDispute> for DisputeView {
    fn from(dispute: &OpenDispute) -> Self {
        Self {
            id: dispute.dispute_id.uuid(),
            case_no: dispute.case_no,
            kind: named(&dispute.kind),
            raised_by: dispute.raised_by.uuid(),
            raised_as: dispute.raised_as.to_string(),
            raised_at: dispute.raised_at,
            evidence_closed: dispute.evidence_closed,
            escalated: dispute.escalated,
        }
    }
}
