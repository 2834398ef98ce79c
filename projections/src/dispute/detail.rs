//! The detail page of one dispute (DSP-12).

use chrono::{DateTime, Utc};
use holdfast_domain::dispute::{CaseDecision, Dispute};
use holdfast_domain::kernel::{Actor, DisputeId, Money, TenantId};
use holdfast_eventlog::db::Pool;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dispute::queries::{named, summary};
use crate::dispute::{DisputeAction, DisputeEvidence, DisputeSummary, PROJECTION};
use crate::query::{QueryError, Read, Reading};
use crate::runtime::{self, Stored};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputeDetail {
    #[serde(flatten)]
    pub summary: DisputeSummary,
    /// In the raiser's words; null when the machinery raised it, or when the raiser was erased.
    pub reason: Option<String>,
    /// True while evidence is accepted.
    pub evidence_open: bool,
    /// True when the money had left the escrow already (MNY-36): it cannot be worked for again.
    pub after_settlement: bool,
    /// The most that a decision may deduct, in basis points of the contested amount, and for whom.
    pub penalty_cap_bp: u32,
    /// `payer`, `payee`, `tenant` or `platform`.
    pub penalty_beneficiary: String,
    /// How often work can be ordered anew still.
    pub redos_left: u32,
    /// What was decided; null before that, and when the decision came back.
    pub decision: Option<DecisionView>,
    /// What it did with the money.
    pub outcome: Option<DecisionView>,
    /// Closed by the raiser, or by the payee who gave in.
    pub withdrawn: bool,
    pub conceded: bool,
    /// Oldest first.
    pub evidence: Vec<DisputeEvidence>,
    /// The timeline, oldest first: everything that was done, by whom.
    pub actions: Vec<DisputeAction>,
    /// What the caller may ask for now.
    pub allowed_actions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionView {
    /// `release`, `refund`, `split`, `redo` or `rejected`.
    pub decision: String,
    #[schema(value_type = Option<String>)]
    pub release_amount: Option<Decimal>,
    #[schema(value_type = Option<String>)]
    pub refund_amount: Option<Decimal>,
    #[schema(value_type = Option<String>)]
    pub penalty_amount: Option<Decimal>,
}

/// None when the tenant has no such dispute, or when `actor` has no part in it. `wide`: staff who may see all of them.
///
/// # Errors
/// When the database does not answer.
pub async fn detail(
    pool: &Pool,
    tenant_id: TenantId,
    dispute_id: DisputeId,
    wide: bool,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Read<Option<DisputeDetail>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let stored = runtime::find::<Dispute>(&mut reading, dispute_id.uuid()).await?;
    let visible = stored.filter(|stored| wide || !stored.state.hats(actor, tenant_id).is_empty());
    let Some(stored) = visible else { return reading.end(None).await };
    let evidence = evidence(&mut reading, &stored).await?;
    let actions = actions(&mut reading, &stored).await?;
    let page = page(&stored, evidence, actions, actor, tenant_id, now);
    reading.end(page).await
}

async fn evidence(reading: &mut Reading, stored: &Stored<Dispute>) -> Result<Vec<DisputeEvidence>, QueryError> {
    let tenant_id = reading.tenant_id;
    let rows: Vec<DisputeEvidence> = sqlx::query_as(&format!(
        "SELECT {} FROM dispute_evidence WHERE tenant_id = $1 AND dispute_id = $2 AND number <= $3 ORDER BY number",
        DisputeEvidence::COLUMNS
    ))
    .bind(tenant_id.uuid())
    .bind(stored.id)
    .bind(i64::from(stored.state.evidence()))
    .fetch_all(reading.connection())
    .await?;
    Ok(rows.into_iter().map(DisputeEvidence::joined).collect())
}

/// Up to the version that the page shows: what is written meanwhile does not mix in.
async fn actions(reading: &mut Reading, stored: &Stored<Dispute>) -> Result<Vec<DisputeAction>, QueryError> {
    let tenant_id = reading.tenant_id;
    let rows: Vec<DisputeAction> = sqlx::query_as(&format!(
        "SELECT {} FROM dispute_actions WHERE tenant_id = $1 AND dispute_id = $2 AND sequence <= $3 ORDER BY sequence",
        DisputeAction::COLUMNS
    ))
    .bind(tenant_id.uuid())
    .bind(stored.id)
    .bind(stored.version)
    .fetch_all(reading.connection())
    .await?;
    Ok(rows.into_iter().map(DisputeAction::joined).collect())
}

fn page(
    stored: &Stored<Dispute>,
    evidence: Vec<DisputeEvidence>,
    actions: Vec<DisputeAction>,
    actor: &Actor,
    tenant_id: TenantId,
    now: DateTime<Utc>,
) -> Option<DisputeDetail> {
    let state = &stored.state;
    let facts = &state.case()?.facts;
    let closing = state.closing();
    let amount = |money: Money| Some(money.amount());
    let outcome = state.outcome().map(|outcome| DecisionView {
        decision: named(&state.resolution()),
        release_amount: amount(outcome.released),
        refund_amount: amount(outcome.refunded),
        penalty_amount: amount(outcome.penalty),
    });
    Some(DisputeDetail {
        summary: summary(stored)?,
        reason: actions.first().and_then(|opened| opened.text("reason")),
        evidence_open: state.closing().is_none() && state.decision().is_none() && !state.is_evidence_closed(now),
        after_settlement: facts.after_settlement,
        penalty_cap_bp: facts.penalty.cap_bp,
        penalty_beneficiary: named(&facts.penalty.beneficiary),
        redos_left: facts.redos_left,
        decision: state.decision().map(DecisionView::from),
        outcome,
        withdrawn: closing.is_some_and(|closing| closing.withdrawn),
        conceded: closing.is_some_and(|closing| closing.conceded),
        evidence,
        actions,
        allowed_actions: state.allowed_actions(actor, tenant_id, now).into_iter().map(|action| action.to_string()).collect(),
    })
}

impl From<CaseDecision> for DecisionView {
    fn from(decision: CaseDecision) -> Self {
        let parts = match decision {
            CaseDecision::Split { release, refund, penalty } => [release, refund, penalty].map(|part| Some(part.amount())),
            CaseDecision::Release | CaseDecision::Refund | CaseDecision::Redo | CaseDecision::Close => [None; 3],
        };
        let [release_amount, refund_amount, penalty_amount] = parts;
        Self { decision: named(&decision.resolution()), release_amount, refund_amount, penalty_amount }
    }
}
