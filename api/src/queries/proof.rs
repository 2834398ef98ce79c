//! Seals of the tenant's log, proofs from its tree, and the log itself as an export (docs/proof.md).

use std::collections::BTreeSet;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use futures::stream::try_unfold;
use holdfast_domain::access::{AccessFilter, AccessKind, is_name};
use holdfast_domain::kernel::{Role, TenantId};
use holdfast_eventlog::db::{Pool, Tx};
use holdfast_eventlog::export::{Export, ExportError, ExportFilter};
use holdfast_eventlog::seal::{self, Consistency, Inclusion, ProofError, Seal};
use holdfast_projections::query::{List, Page};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::audit::{AuditSide, record};
use crate::auth::Capability::AuditRead;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::long_answer::long_answer;
use crate::queries::MinPosition;
use crate::request::{Caller, QueryParameters};
use crate::routes::{AccessCase, Foreign, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/audit/export", &[AuditRead], || web::get().to(export_log)),
    RouteSpec::query("/v1/audit/seals", &[AuditRead], || web::get().to(list_seals)),
    RouteSpec::query("/v1/audit/proofs/inclusion", &[AuditRead], || web::get().to(prove_inclusion)),
    RouteSpec::query("/v1/audit/proofs/consistency", &[AuditRead], || web::get().to(prove_consistency)),
];

/// Open to everyone: signatures are of use only to those who have the key.
pub(crate) const PUBLIC: &[RouteSpec] = &[RouteSpec::platform("/.well-known/holdfast-seal-keys.json", || web::get().to(seal_keys))];

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/audit/export", Role::Viewer, Role::Auditor, Foreign::Parameter("after")),
    get("/v1/audit/seals", Role::Viewer, Role::Auditor, Foreign::OwnTenantOnly),
    get("/v1/audit/proofs/inclusion", Role::Viewer, Role::Auditor, Foreign::OwnTenantOnly),
    get("/v1/audit/proofs/consistency", Role::Viewer, Role::Auditor, Foreign::OwnTenantOnly),
];

type Side = Option<Data<AuditSide>>;

/// The newest seal of the tenant with a transaction that sees it.
async fn begin(pool: &Pool, tenant_id: TenantId) -> Result<(Tx, Seal), ApiError> {
    let mut tx = pool.begin_tenant_read(tenant_id).await.map_err(|error| unavailable(&error))?;
    let newest = seal::newest_seal(&mut tx, tenant_id).await.map_err(|error| unavailable(&error))?;
    Ok((tx, newest.ok_or_else(not_sealed)?))
}

fn pool(side: Side) -> Result<Pool, ApiError> {
    side.map(|side| side.pool.clone()).ok_or_else(|| ApiError::unavailable("this process does not serve audits"))
}

pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error, "the log could not be read for an audit");
    ApiError::unavailable("the log cannot be reached at the moment")
}

fn not_sealed() -> ApiError {
    ApiError::conflict("LOG_NOT_SEALED", ExportError::NotSealed.to_string(), serde_json::json!({}))
}

fn refused(error: ProofError) -> ApiError {
    match error {
        ProofError::TooSmall(parameter) | ProofError::TooLarge { parameter, .. } => ApiError::validation(parameter, &error),
        ProofError::Incomplete => ApiError::internal(&error),
        ProofError::Log(error) => unavailable(&error),
    }
}

fn export_refused(error: &ExportError) -> ApiError {
    match error {
        ExportError::NotSealed => not_sealed(),
        ExportError::After { .. } => ApiError::validation("after", error),
        ExportError::Damaged => ApiError::internal(error),
        ExportError::Log(error) => unavailable(error),
    }
}

pub(crate) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A signed head of the log (docs/proof.md, "Seals").
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealView {
    #[schema(value_type = uuid::Uuid)]
    pub tenant_id: TenantId,
    /// How many events it covers: positions 1 to this.
    pub size: i64,
    /// Of the Merkle tree, in hexadecimal.
    pub root: String,
    /// As it is signed: RFC 3339 with six decimals.
    pub sealed_at: String,
    pub previous_size: i64,
    pub key_id: String,
    /// Ed25519 in base64.
    pub signature: String,
}

impl From<Seal> for SealView {
    fn from(seal: Seal) -> Self {
        Self {
            tenant_id: seal.tenant_id,
            size: seal.size,
            root: hex(&seal.root),
            sealed_at: seal.sealed_at.as_str().to_owned(),
            previous_size: seal.previous_size,
            key_id: seal.key_id,
            signature: seal.signature,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SealsWanted {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// The seals of the tenant's log, newest first.
#[utoipa::path(get, path = "/v1/audit/seals", tag = "audit", params(SealsWanted), responses((status = 200, body = List<SealView>)))]
pub(crate) async fn list_seals(
    caller: Caller,
    wanted: QueryParameters<SealsWanted>,
    _minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<web::Json<List<SealView>>, ApiError> {
    let SealsWanted { cursor, limit } = wanted.0;
    let limit = limit.unwrap_or(Page::DEFAULT);
    super::page(Some(limit), None)?;
    // The cursor is the size of the last seal of the page before.
    let before: Option<i64> = cursor
        .map(|cursor| cursor.parse().map_err(|_| ApiError::validation("cursor", "this cursor does not belong to this query")))
        .transpose()?;
    let (pool, tenant_id) = (pool(side)?, caller.tenant_id);
    let question = async move {
        let mut tx = pool.begin_tenant_read(tenant_id).await.map_err(|error| unavailable(&error))?;
        let fetch = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut seals = seal::seals(&mut tx, tenant_id, before, fetch).await.map_err(|error| unavailable(&error))?;
        tx.rollback().await.map_err(|error| unavailable(&error))?;
        let more = seals.len() > limit;
        seals.truncate(limit);
        let next_cursor = seals.last().filter(|_| more).map(|seal| seal.size.to_string());
        Ok(List { items: seals.into_iter().map(SealView::from).collect(), next_cursor })
    };
    shared.tasks.run(question).await.map(web::Json)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InclusionWanted {
    position: i64,
    /// In the tree of so many events; when none is given, of the newest seal.
    size: Option<i64>,
}

/// That an event is in the log (RFC 6962, 2.1.1).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InclusionView {
    pub position: i64,
    pub size: i64,
    pub leaf_hash: String,
    /// Lowest first.
    pub path: Vec<String>,
    pub root: String,
    /// The newest seal; its root is the proof's where the sizes are the same.
    pub seal: SealView,
}

/// Proof that the event at `position` is in the log. Fails with `LOG_NOT_SEALED`.
#[utoipa::path(get, path = "/v1/audit/proofs/inclusion", tag = "audit", params(InclusionWanted),
    responses((status = 200, body = InclusionView)))]
pub(crate) async fn prove_inclusion(
    caller: Caller,
    wanted: QueryParameters<InclusionWanted>,
    _minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<web::Json<InclusionView>, ApiError> {
    let (pool, tenant_id, InclusionWanted { position, size }) = (pool(side)?, caller.tenant_id, wanted.0);
    let question = async move {
        let (mut tx, newest) = begin(&pool, tenant_id).await?;
        let size = within("size", size, &newest)?;
        let proof = seal::inclusion(&mut tx, tenant_id, position, size).await.map_err(refused)?;
        tx.rollback().await.map_err(|error| unavailable(&error))?;
        let Inclusion { position, size, leaf_hash, path, root } = proof;
        let path = path.iter().map(|hash| hex(hash)).collect();
        Ok(InclusionView { position, size, leaf_hash: hex(&leaf_hash), path, root: hex(&root), seal: newest.into() })
    };
    shared.tasks.run(question).await.map(web::Json)
}

fn within(parameter: &'static str, size: Option<i64>, newest: &Seal) -> Result<i64, ApiError> {
    match size {
        Some(size) if size > newest.size => Err(refused(ProofError::TooLarge { parameter, most: newest.size })),
        Some(size) => Ok(size),
        None => Ok(newest.size),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsistencyWanted {
    /// The size of the head that was kept.
    from: i64,
    /// When none is given, the size of the newest seal.
    to: Option<i64>,
}

/// That a log is the beginning of a later one (RFC 6962, 2.1.2).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsistencyView {
    pub from: i64,
    pub to: i64,
    pub from_root: String,
    pub to_root: String,
    pub path: Vec<String>,
    /// The newest seal; its root is `toRoot` where the sizes are the same.
    pub seal: SealView,
}

/// Proof that the log of `from` events is the beginning of the log of `to` events. Fails with `LOG_NOT_SEALED`.
#[utoipa::path(get, path = "/v1/audit/proofs/consistency", tag = "audit", params(ConsistencyWanted),
    responses((status = 200, body = ConsistencyView)))]
pub(crate) async fn prove_consistency(
    caller: Caller,
    wanted: QueryParameters<ConsistencyWanted>,
    _minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<web::Json<ConsistencyView>, ApiError> {
    let (pool, tenant_id, ConsistencyWanted { from, to }) = (pool(side)?, caller.tenant_id, wanted.0);
    let question = async move {
        let (mut tx, newest) = begin(&pool, tenant_id).await?;
        let to = within("to", to, &newest)?;
        let proof = seal::consistency(&mut tx, tenant_id, from, to).await.map_err(refused)?;
        tx.rollback().await.map_err(|error| unavailable(&error))?;
        let Consistency { from, to, from_root, to_root, path } = proof;
        let path = path.iter().map(|hash| hex(hash)).collect();
        Ok(ConsistencyView { from, to, from_root: hex(&from_root), to_root: hex(&to_root), path, seal: newest.into() })
    };
    shared.tasks.run(question).await.map(web::Json)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportWanted {
    /// The last position that is there already; 0 when none is given.
    after: Option<i64>,
    /// `escrow.released`; several with commas. Of other events only the hash is written.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// Recorded at or after.
    from: Option<DateTime<Utc>>,
    /// Recorded before.
    to: Option<DateTime<Utc>>,
}

/// The log up to its newest seal as lines of JSON, to be verified offline. Without a footer it was cut short: ask again with
/// `after`. Fails with `LOG_NOT_SEALED`.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit", params(ExportWanted),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn export_log(
    caller: Caller,
    wanted: QueryParameters<ExportWanted>,
    _minimum: MinPosition,
    connection: Connection,
    shared: Shared,
    side: Side,
) -> Result<HttpResponse, ApiError> {
    let (pool, tenant_id, ExportWanted { after, event_type, from, to }) = (pool(side.clone())?, caller.tenant_id, wanted.0);
    let types = types(event_type.as_deref()).map_err(|problem| ApiError::validation("type", problem))?;
    let after = after.unwrap_or(0);
    let event_types = (!types.is_empty()).then(|| types.iter().cloned().collect());
    let looked_for = AccessFilter { event_types, position: Some(after), from, to, ..AccessFilter::default() };
    if let Some(side) = &side {
        record(&shared, side, &caller, AccessKind::LogExport, None, looked_for).await?;
    }
    let filter = ExportFilter { types, from, to };
    let begun = async move { Export::begin(&pool, tenant_id, after, filter).await.map_err(|error| export_refused(&error)) };
    let export = shared.tasks.run(begun).await?;
    let size = export.seal().size;
    let pieces = try_unfold(export, move |mut export| async move {
        let piece = export.next().await.inspect_err(|error| {
            tracing::error!(error = error as &dyn std::error::Error, %tenant_id, "an export was cut short");
        })?;
        Ok::<_, ExportError>(piece.map(|piece| (Bytes::from(piece), export)))
    });
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{tenant_id}-{after}-{size}.ndjson\"")))
        .streaming(long_answer(&shared.tasks, connection, pieces)))
}

/// Event types from a list with commas.
pub(crate) fn types(list: Option<&str>) -> Result<BTreeSet<String>, &'static str> {
    let Some(list) = list else { return Ok(BTreeSet::new()) };
    let types: BTreeSet<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    if types.iter().any(|name| !is_name(name)) || types.len() > 100 {
        return Err("names of events with commas, e.g. escrow.released,wallet.credited");
    }
    Ok(types)
}

/// One public key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealKeyView {
    pub key_id: String,
    /// Always `ed25519`.
    pub algorithm: &'static str,
    /// 32 bytes in base64.
    pub public_key: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SealKeysView {
    pub keys: Vec<SealKeyView>,
}

/// The public keys of seals: today's first, then those of before.
#[utoipa::path(get, path = "/.well-known/holdfast-seal-keys.json", tag = "platform", responses((status = 200, body = SealKeysView)))]
pub(crate) async fn seal_keys(side: Side) -> HttpResponse {
    let key = |(key_id, public): (&str, [u8; 32])| SealKeyView {
        key_id: key_id.to_owned(),
        algorithm: "ed25519",
        public_key: BASE64.encode(public),
    };
    let keys = side.map(|side| side.keys.published().map(key).collect()).unwrap_or_default();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(SealKeysView { keys })
}
