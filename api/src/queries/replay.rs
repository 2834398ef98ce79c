//! Replaying the log (ANA-38, NFR-128): a stream in order, its state at a moment, and what is behind a balance or a status.

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::access::{AccessFilter, AccessKind, is_name};
use holdfast_domain::escrow::Escrow;
use holdfast_domain::kernel::{Role, TenantId};
use holdfast_domain::wallet::Wallet;
use holdfast_eventlog::{EventLog, StreamId};
use holdfast_projections::audit::{self, Explained, ExplainedBalance, ExplainedEvent};
use holdfast_projections::ledger;
use holdfast_projections::query::{List, Read};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::audit::replay::{self, EventView, ReplayError, StateView, Until};
use crate::audit::{Side as AuditSide, record};
use crate::auth::Capability::AuditRead;
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, page, refused};
use crate::request::{Caller, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/streams/{streamId}/events", &[AuditRead], || web::get().to(stream_events)),
    RouteSpec::query("/v1/streams/{streamId}/state", &[AuditRead], || web::get().to(stream_state)),
    RouteSpec::query("/v1/audit/explain", &[AuditRead], || web::get().to(explain)),
];

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/streams/{streamId}/events", Role::Payer, Role::Auditor, Foreign::Path(ForeignId::Escrow)),
    get("/v1/streams/{streamId}/state", Role::Payer, Role::Auditor, Foreign::Path(ForeignId::Escrow)),
    get("/v1/audit/explain", Role::Payer, Role::Auditor, Foreign::Parameter("escrow")),
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsWanted {
    /// Only where streams of several aggregates have this id (`escrow`, `wallet`).
    aggregate_type: Option<String>,
    /// The first version that is wanted; 1 when none is given.
    from_version: Option<i64>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// The raw events of one stream, in order, for replay. Fails with `STREAM_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/streams/{streamId}/events", tag = "audit", params(("streamId" = Uuid, Path), EventsWanted),
    responses((status = 200, body = List<EventView>)))]
pub(crate) async fn stream_events(
    caller: Caller,
    id: PathId<Uuid>,
    wanted: QueryParameters<EventsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: AuditSide,
) -> Result<Shown<List<EventView>>, ApiError> {
    const SORT: &str = "stream";
    let EventsWanted { aggregate_type, from_version, cursor, limit } = wanted.0;
    let aggregate_type = named("aggregateType", aggregate_type)?;
    if from_version.is_some_and(|version| version < 1) {
        return Err(ApiError::validation("fromVersion", "the first version is 1"));
    }
    let page = page(limit, cursor)?;
    let after = page.after::<i64>(SORT).map_err(refused)?.unwrap_or(0).max(from_version.unwrap_or(1) - 1);
    let filter = AccessFilter { from_version: Some(after + 1), entity_type: aggregate_type.clone(), ..AccessFilter::default() };
    let position = record(&shared, &side, &caller, AccessKind::StreamEvents, Some(id.0), filter).await?;
    not_behind(minimum, position)?;
    let (log, tenant_id, fetch) = (side.log.clone(), caller.tenant_id, page.fetch());
    let events = async move {
        let stream = replay::find(&log, tenant_id, id.0, aggregate_type.as_deref()).await.map_err(told)?;
        replay::events(&log, stream, after, fetch).await.map_err(told)
    };
    let events = shared.tasks.run(events).await?;
    let value = page.list(SORT, events, |event| event.sequence).map_err(refused)?;
    Ok(Shown(Read { position, value }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StateWanted {
    /// Only where streams of several aggregates have this id (`escrow`, `wallet`).
    aggregate_type: Option<String>,
    /// After this event of the stream …
    sequence: Option<i64>,
    /// … or at this position of the tenant's log …
    position: Option<i64>,
    /// … or at this time. At most one of the three; none: now.
    at: Option<DateTime<Utc>>,
}

/// What the stream's events make of it, up to a moment: the aggregate itself folds them, sealed values stay sealed.
/// Fails with `STREAM_NOT_FOUND`, `STREAM_STATE_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/streams/{streamId}/state", tag = "audit", params(("streamId" = Uuid, Path), StateWanted),
    responses((status = 200, body = StateView)))]
pub(crate) async fn stream_state(
    caller: Caller,
    id: PathId<Uuid>,
    wanted: QueryParameters<StateWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: AuditSide,
) -> Result<Shown<StateView>, ApiError> {
    let StateWanted { aggregate_type, sequence, position: until_position, at } = wanted.0;
    let aggregate_type = named("aggregateType", aggregate_type)?;
    let until = match (sequence, until_position, at) {
        (None, None, None) => Until::Now,
        (Some(sequence), None, None) => Until::Sequence(sequence),
        (None, Some(position), None) => Until::Position(position),
        (None, None, Some(at)) => Until::At(at),
        (Some(_), Some(_), _) | (_, Some(_), Some(_)) => {
            return Err(ApiError::validation("position", "name one of sequence, position and at, or none"));
        }
        (Some(_), None, Some(_)) => return Err(ApiError::validation("at", "name one of sequence, position and at, or none")),
    };
    let filter = AccessFilter { sequence, position: until_position, at, entity_type: aggregate_type.clone(), ..AccessFilter::default() };
    let position = record(&shared, &side, &caller, AccessKind::StreamState, Some(id.0), filter).await?;
    not_behind(minimum, position)?;
    let value = state_of(&shared, &side, caller.tenant_id, id.0, aggregate_type, until).await?;
    Ok(Shown(Read { position, value }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainWanted {
    /// A wallet …
    wallet: Option<Uuid>,
    /// … or an escrow …
    escrow: Option<Uuid>,
    /// … or any other stream. Exactly one of the three.
    stream: Option<Uuid>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// What is explained, and by what.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplanationView {
    /// What the log makes of it now. On the first page only: the whole stream is folded for it.
    pub subject: Option<SubjectView>,
    /// What stands on the accounts of a wallet or an escrow: the sum of the `effect`s of all pages.
    pub balances: Vec<ExplainedBalance>,
    /// Oldest first.
    pub items: Vec<ExplainedEvent>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubjectView {
    pub stream_id: Uuid,
    pub aggregate_type: &'static str,
    pub version: i64,
    pub status: &'static str,
}

/// From a balance or a status to what is behind it: every event with who did it, what led to it, and the journal lines that it
/// booked. Fails with `STREAM_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/audit/explain", tag = "audit", params(ExplainWanted), responses((status = 200, body = ExplanationView)))]
pub(crate) async fn explain(
    caller: Caller,
    wanted: QueryParameters<ExplainWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
    audit_side: AuditSide,
) -> Result<Shown<ExplanationView>, ApiError> {
    let ExplainWanted { wallet, escrow, stream, cursor, limit } = wanted.0;
    let (id, aggregate_type) = subject(wallet, escrow, stream).ok_or_else(|| ApiError::validation("wallet", ONE_SUBJECT))?;
    let first = cursor.is_none();
    let page = page(limit, cursor)?;
    let aggregate_type = aggregate_type.map(str::to_owned);
    let filter = AccessFilter { entity_type: aggregate_type.clone(), ..AccessFilter::default() };
    record(&shared, &audit_side, &caller, AccessKind::Explanation, Some(id), filter).await?;
    let tenant_id = caller.tenant_id;
    let (entity_type, subject) = if first {
        let now = state_of(&shared, &audit_side, tenant_id, id, aggregate_type, Until::Now).await?;
        let StateView { stream_id, aggregate_type, version, status, .. } = now;
        (aggregate_type, Some(SubjectView { stream_id, aggregate_type, version, status }))
    } else {
        let log = audit_side.log.clone();
        let found = async move { replay::find(&log, tenant_id, id, aggregate_type.as_deref()).await.map_err(told) };
        (shared.tasks.run(found).await?.aggregate_type, None)
    };
    let question = |pool| async move { audit::explain(&pool, tenant_id, Explained { entity_type, entity_id: id }, &page).await };
    let read = ask(&shared, &side, &caller, minimum, &[audit::PROJECTION, ledger::PROJECTION], question).await?;
    let (balances, events) = (read.value.balances, read.value.events);
    let value = ExplanationView { subject, balances, items: events.items, next_cursor: events.next_cursor };
    Ok(Shown(Read { position: read.position, value }))
}

pub(crate) const ONE_SUBJECT: &str = "name exactly one of wallet, escrow and stream";

/// Which stream is meant, and of which aggregate; none where it is not exactly one.
pub(crate) fn subject(wallet: Option<Uuid>, escrow: Option<Uuid>, stream: Option<Uuid>) -> Option<(Uuid, Option<&'static str>)> {
    match (wallet, escrow, stream) {
        (Some(id), None, None) => Some((id, Some(<Wallet as cqrs_es::Aggregate>::TYPE))),
        (None, Some(id), None) => Some((id, Some(<Escrow as cqrs_es::Aggregate>::TYPE))),
        (None, None, Some(id)) => Some((id, None)),
        (None, None, None) | (Some(_), Some(_), _) | (Some(_), None, Some(_)) | (None, Some(_), Some(_)) => None,
    }
}

async fn state_of(
    shared: &Shared,
    side: &AuditSide,
    tenant_id: TenantId,
    id: Uuid,
    aggregate_type: Option<String>,
    until: Until,
) -> Result<StateView, ApiError> {
    let log: EventLog = side.log.clone();
    let state = async move {
        let stream: StreamId = replay::find(&log, tenant_id, id, aggregate_type.as_deref()).await.map_err(told)?;
        replay::state(&log, stream, until).await.map_err(told)
    };
    shared.tasks.run(state).await
}

fn named(field: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    match text {
        Some(text) if !is_name(&text) => Err(ApiError::validation(field, "is no aggregate's name")),
        text => Ok(text),
    }
}

/// The log is read where it is written: what was written down last is all that there can be to wait for.
fn not_behind(minimum: MinPosition, position: i64) -> Result<(), ApiError> {
    match minimum.0 {
        Some(minimum) if minimum > position => Err(ApiError::projection_behind(minimum, position)),
        Some(_) | None => Ok(()),
    }
}

fn told(error: ReplayError) -> ApiError {
    match error {
        ReplayError::NoStream => ApiError::not_found("STREAM_NOT_FOUND", "stream"),
        ReplayError::NoState => ApiError::not_found("STREAM_STATE_NOT_FOUND", "state of the stream"),
        ReplayError::Ambiguous(_) => ApiError::validation("aggregateType", error),
        ReplayError::Log(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the log could not be read for an auditor");
            ApiError::unavailable("the log cannot be reached at the moment")
        }
        ReplayError::Unreadable(_) | ReplayError::Json(_) => ApiError::internal(&error),
    }
}
