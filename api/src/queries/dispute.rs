//! Questions about disputes (DSP-11, DSP-12, DSP-45). Parties without `disputes.read` see those in which they are payer or payee.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::dispute::{DisputeAction, DisputeStatus};
use holdfast_domain::kernel::{BookingId, DisputeId, EscrowId, PartyId, Role};
use holdfast_projections::dispute::{self, DisputeDetail, DisputeFilter, DisputeSummary};
use holdfast_projections::query::{Direction, List};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::auth::Capability;
use crate::auth::Capability::{DisputesRead, DisputesReadOwn};
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, found, page};
use crate::request::{Caller, NoParameters, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/disputes", &[DisputesRead, DisputesReadOwn], || web::get().to(list_disputes)),
    RouteSpec::query("/v1/disputes/{disputeId}", &[DisputesRead, DisputesReadOwn], || web::get().to(dispute_detail)),
];

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/disputes", Role::BillingAdmin, Role::Viewer, Foreign::Parameter("raisedBy")),
    get("/v1/disputes/{disputeId}", Role::BillingAdmin, Role::Viewer, Foreign::Path(ForeignId::Dispute)),
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DisputesWanted {
    /// `opened`, `evidence`, `review`, `decision_pending`, `decided` or `closed`.
    #[param(value_type = Option<String>, example = "review")]
    status: Option<DisputeStatus>,
    /// False: only those that are not closed.
    closed: Option<bool>,
    /// `escrow` or `booking`, with `refId`.
    #[param(value_type = Option<String>)]
    ref_type: Option<RefType>,
    ref_id: Option<Uuid>,
    /// A resolver's id, or `none` for those that have no resolver yet.
    assignee: Option<String>,
    #[param(value_type = Option<Uuid>)]
    raised_by: Option<PartyId>,
    /// True: only those that are the platform's to decide.
    escalated: Option<bool>,
    /// Opened at or after.
    from: Option<DateTime<Utc>>,
    /// Opened before.
    to: Option<DateTime<Utc>>,
    /// `created_at:desc` (default) or `created_at:asc`: the oldest first, as a queue.
    sort: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefType {
    Escrow,
    Booking,
}

/// Disputes, a page at a time: the queue of who decides, and every party's own (DSP-11).
#[utoipa::path(get, path = "/v1/disputes", tag = "dispute", params(DisputesWanted), responses((status = 200, body = List<DisputeSummary>)))]
pub(crate) async fn list_disputes(
    caller: Caller,
    wanted: QueryParameters<DisputesWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<DisputeSummary>>, ApiError> {
    let DisputesWanted { limit, cursor, .. } = &wanted.0;
    let (tenant_id, page) = (caller.tenant_id, page(*limit, cursor.clone())?);
    let filter = filter(wanted.0, caller.restricted_to(DisputesRead))?;
    let question = |pool| async move { dispute::list(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[dispute::PROJECTION], question).await.map(Shown)
}

fn filter(wanted: DisputesWanted, party: Option<PartyId>) -> Result<DisputeFilter, ApiError> {
    let (escrow_id, booking_id) = match (wanted.ref_type, wanted.ref_id) {
        (None, None) => (None, None),
        (Some(RefType::Escrow), Some(id)) => (Some(EscrowId(id)), None),
        (Some(RefType::Booking), Some(id)) => (None, Some(BookingId(id))),
        (Some(_), None) => return Err(ApiError::validation("refId", "goes with refType")),
        (None, Some(_)) => return Err(ApiError::validation("refType", "goes with refId")),
    };
    let unassigned = wanted.assignee.as_deref() == Some("none");
    let named = wanted.assignee.filter(|_| !unassigned).map(|id| id.parse::<Uuid>()).transpose();
    let assignee_id = named.map_err(|_| ApiError::validation("assignee", "is a UUID or \"none\""))?.map(PartyId);
    let direction = match wanted.sort.as_deref() {
        None | Some("created_at:desc") => Direction::Desc,
        Some("created_at" | "created_at:asc") => Direction::Asc,
        Some(_) => return Err(ApiError::validation("sort", "is created_at, then :asc or :desc")),
    };
    let DisputesWanted { status, closed, raised_by, escalated, from, to, .. } = wanted;
    Ok(DisputeFilter { status, closed, escrow_id, booking_id, assignee_id, unassigned, raised_by, escalated, from, to, party, direction })
}

/// One dispute with its evidence, everything that was done, and what the caller may do now (DSP-12). Fails with `DISPUTE_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/disputes/{disputeId}", tag = "dispute", params(("disputeId" = Uuid, Path)),
    responses((status = 200, body = DisputeDetail)))]
pub(crate) async fn dispute_detail(
    caller: Caller,
    id: PathId<DisputeId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<DisputeDetail>, ApiError> {
    let (tenant_id, wide, actor) = (caller.tenant_id, caller.holds(DisputesRead), caller.actor.clone());
    let question = |pool| async move { dispute::detail(&pool, tenant_id, id.0, wide, &actor, Utc::now()).await };
    let mut read = ask(&shared, &side, &caller, minimum, &[dispute::PROJECTION], question).await?;
    if let Some(detail) = &mut read.value {
        detail.allowed_actions.retain(|action| has_a_route_for(&caller, action));
    }
    found(read, "DISPUTE_NOT_FOUND", "dispute")
}

/// The domain says what the caller's hat allows; the route's capability has to as well.
fn has_a_route_for(caller: &Caller, action: &str) -> bool {
    let action = serde_json::from_value::<DisputeAction>(serde_json::Value::String(action.to_owned()));
    action.is_ok_and(|action| needed_for(action).iter().any(|capability| caller.holds(*capability)))
}

/// The capabilities of the route that takes this action; none for what only the machinery does.
fn needed_for(action: DisputeAction) -> &'static [Capability] {
    use DisputeAction as A;
    match action {
        A::AddEvidence => &[Capability::DisputesEvidence],
        A::Assign => &[Capability::DisputesAssign],
        A::RequestDecision => &[Capability::DisputesAssign, Capability::DisputesDecide],
        A::Decide | A::Close => &[Capability::DisputesDecide],
        A::Escalate => &[Capability::DisputesRaise, Capability::DisputesDecide],
        A::Open
        | A::RecordWidened
        | A::RecordConceded
        | A::RecordEvidenceClosed
        | A::RecordEscalated
        | A::RecordOutcome
        | A::RecordDeclined => &[],
    }
}
