//! Who did what, when, in which role (ESC-63).

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::kernel::PartyId;
use holdfast_projections::audit;
use holdfast_projections::audit::{AuditEntry, AuditFilter};
use holdfast_projections::query::List;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::auth::Capability::AuditRead;
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, page};
use crate::request::{Caller, QueryParameters};
use crate::routes::RouteSpec;
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[RouteSpec::query("/v1/audit", &[AuditRead], || web::get().to(list_audit))];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditWanted {
    #[param(value_type = Option<Uuid>)]
    actor_id: Option<PartyId>,
    /// `escrow.released`
    action: Option<String>,
    /// `escrow`, `wallet`, `bank_receipt` or `tenant`.
    entity_type: Option<String>,
    entity_id: Option<Uuid>,
    /// Recorded at or after.
    from: Option<DateTime<Utc>>,
    /// Recorded before.
    to: Option<DateTime<Utc>>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditWanted), responses((status = 200, body = List<AuditEntry>)))]
pub(crate) async fn list_audit(
    caller: Caller,
    wanted: QueryParameters<AuditWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<AuditEntry>>, ApiError> {
    let wanted = wanted.0;
    let filter = AuditFilter {
        actor_id: wanted.actor_id,
        action: wanted.action,
        entity_type: wanted.entity_type,
        entity_id: wanted.entity_id,
        from: wanted.from,
        to: wanted.to,
    };
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { audit::list(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[audit::PROJECTION], question).await.map(Shown)
}
