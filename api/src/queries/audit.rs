//! Who did what, when, in which role (ESC-63, ANA-29), as a list and as a file (ANA-36). Looking is written down too.

use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use futures::stream;
use holdfast_domain::access::AccessKind;
use holdfast_domain::kernel::{PartyId, Role};
use holdfast_projections::audit;
use holdfast_projections::audit::{AuditEntry, AuditFilter};
use holdfast_projections::query::{List, Page, Read};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::audit::{Side as AuditSide, csv, record, recorded};
use crate::auth::Capability::AuditRead;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::long_answer::long_answer;
use crate::queries::{MinPosition, Shown, Side, ask, page};
use crate::request::{Caller, QueryParameters};
use crate::routes::{AccessCase, Foreign, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/audit-logs", &[AuditRead], || web::get().to(list_audit_logs)),
    RouteSpec::query("/v1/audit", &[AuditRead], || web::get().to(list_audit)),
    RouteSpec::query("/v1/exports/audit-logs", &[AuditRead], || web::get().to(export_audit_logs)),
];

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/audit-logs", Role::Viewer, Role::Auditor, Foreign::Parameter("entityId")),
    get("/v1/exports/audit-logs", Role::Payer, Role::Auditor, Foreign::Parameter("entityId")),
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditWanted {
    #[param(value_type = Option<Uuid>)]
    actor_id: Option<PartyId>,
    /// The same as `actorId`.
    #[param(value_type = Option<Uuid>)]
    actor: Option<PartyId>,
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
#[utoipa::path(get, path = "/v1/audit-logs", tag = "audit", params(AuditWanted), responses((status = 200, body = List<AuditEntry>)))]
pub(crate) async fn list_audit_logs(
    caller: Caller,
    wanted: QueryParameters<AuditWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
    audit_side: AuditSide,
) -> Result<Shown<List<AuditEntry>>, ApiError> {
    let AuditWanted { actor_id, actor, action, entity_type, entity_id, from, to, cursor, limit } = wanted.0;
    let filter = AuditFilter { actor_id: one_actor(actor_id, actor)?, action, entity_type, entity_id, from, to };
    let page = page(limit, cursor)?;
    record(&shared, &audit_side, &caller, AccessKind::AuditLog, entity_id, recorded(&filter)?).await?;
    list(&shared, &side, &caller, minimum, filter, page).await.map(Shown)
}

/// The same as `GET /v1/audit-logs`.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditWanted), responses((status = 200, body = List<AuditEntry>)))]
pub(crate) async fn list_audit(
    caller: Caller,
    wanted: QueryParameters<AuditWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
    audit_side: AuditSide,
) -> Result<Shown<List<AuditEntry>>, ApiError> {
    list_audit_logs(caller, wanted, minimum, shared, side, audit_side).await
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportFormat {
    #[default]
    Csv,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportWanted {
    /// `csv`.
    #[serde(default)]
    #[param(inline)]
    format: ExportFormat,
    #[param(value_type = Option<Uuid>)]
    actor_id: Option<PartyId>,
    /// The same as `actorId`.
    #[param(value_type = Option<Uuid>)]
    actor: Option<PartyId>,
    /// `escrow.released`
    action: Option<String>,
    /// `escrow`, `wallet`, `bank_receipt` or `tenant`.
    entity_type: Option<String>,
    entity_id: Option<Uuid>,
    /// Recorded at or after.
    from: Option<DateTime<Utc>>,
    /// Recorded before.
    to: Option<DateTime<Utc>>,
}

/// The audit log as a file, newest first. It is made while it is read: an answer that ends early is broken off.
#[utoipa::path(get, path = "/v1/exports/audit-logs", tag = "audit", params(ExportWanted),
    responses((status = 200, content_type = "text/csv", body = String)))]
pub(crate) async fn export_audit_logs(
    caller: Caller,
    wanted: QueryParameters<ExportWanted>,
    minimum: MinPosition,
    connection: Connection,
    shared: Shared,
    side: Side,
    audit_side: AuditSide,
) -> Result<HttpResponse, ApiError> {
    let ExportWanted { format: ExportFormat::Csv, actor_id, actor, action, entity_type, entity_id, from, to } = wanted.0;
    let filter = AuditFilter { actor_id: one_actor(actor_id, actor)?, action, entity_type, entity_id, from, to };
    record(&shared, &audit_side, &caller, AccessKind::AuditExport, entity_id, recorded(&filter)?).await?;
    let first = list(&shared, &side, &caller, minimum, filter.clone(), page(Some(Page::MAX), None)?).await?;
    let position = first.position;
    let mut head = csv::header().map_err(|error| ApiError::internal(&error))?;
    head.extend(csv::entries(&first.value.items).map_err(|error| ApiError::internal(&error))?);
    let tasks = shared.tasks.clone();
    let rest = Export { shared, side, caller, filter, cursor: first.value.next_cursor, head: Some(head) };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", "attachment; filename=\"audit-logs.csv\""))
        .insert_header(("X-Position", position.to_string()))
        .streaming(long_answer(&tasks, connection, stream::try_unfold(rest, Export::next))))
}

/// The part of a file that is still to come, page by page.
struct Export {
    shared: Shared,
    side: Side,
    caller: Caller,
    filter: AuditFilter,
    cursor: Option<String>,
    /// What was read before the answer began.
    head: Option<Vec<u8>>,
}

impl Export {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ApiError> {
        if let Some(head) = self.head.take() {
            return Ok(Some((head.into(), self)));
        }
        let Some(cursor) = self.cursor.take() else { return Ok(None) };
        let page = page(Some(Page::MAX), Some(cursor))?;
        let read = list(&self.shared, &self.side, &self.caller, MinPosition(None), self.filter.clone(), page).await?;
        self.cursor = read.value.next_cursor;
        let lines = csv::entries(&read.value.items).map_err(|error| ApiError::internal(&error))?;
        Ok(Some((lines.into(), self)))
    }
}

async fn list(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    minimum: MinPosition,
    filter: AuditFilter,
    page: Page,
) -> Result<Read<List<AuditEntry>>, ApiError> {
    let tenant_id = caller.tenant_id;
    let question = |pool| async move { audit::list(&pool, tenant_id, &filter, &page).await };
    ask(shared, side, caller, minimum, &[audit::PROJECTION], question).await
}

fn one_actor(actor_id: Option<PartyId>, actor: Option<PartyId>) -> Result<Option<PartyId>, ApiError> {
    match (actor_id, actor) {
        (Some(_), Some(_)) => Err(ApiError::validation("actor", "is the same as actorId: name one of them")),
        (one, other) => Ok(one.or(other)),
    }
}
