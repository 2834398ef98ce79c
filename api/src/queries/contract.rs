//! Questions about templates, clauses and contracts (CTR-10, CTR-12, CTR-14, CTR-16, CTR-18, CTR-22, CTR-24).

use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use holdfast_domain::contract::{ContractStatus, TemplateStatus};
use holdfast_domain::kernel::{BookingId, ContractId, JobId, TemplateId};
use holdfast_files::{ContentType, StorageKey};
use holdfast_projections::contract::{
    self, ArtifactEntry, ClauseEntry, ClauseFilter, ContractDetail, ContractFilter, ContractSummary, ContractText, PROJECTION, Reader,
    SigningPage, TemplateDetail, TemplateFilter, TemplateSummary,
};
use holdfast_projections::query::{Direction, List, Read};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Capability::{ContractsRead, ContractsReadOwn};
use crate::commands::signing::{CONSENT, link_of};
use crate::error::ApiError;
use crate::queries::{MinPosition, Shown, Side, ask, ask_for, found, page};
use crate::request::{Caller, NoParameters, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, Kind, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/contract-templates", &[ContractsRead], || web::get().to(list_templates)),
    RouteSpec::query("/v1/contract-templates/{templateId}", &[ContractsRead], || web::get().to(template_detail)),
    RouteSpec::query("/v1/clauses", &[ContractsRead], || web::get().to(list_clauses)),
    RouteSpec::query("/v1/contracts", &[ContractsRead, ContractsReadOwn], || web::get().to(list_contracts)),
    RouteSpec::query("/v1/contracts/{contractId}", &[ContractsRead, ContractsReadOwn], || web::get().to(contract_detail)),
    RouteSpec::query("/v1/contracts/{contractId}/artifacts", &[ContractsRead, ContractsReadOwn], || web::get().to(list_artifacts)),
    RouteSpec::query("/v1/contracts/{contractId}/versions/{number}", &[ContractsRead], || web::get().to(contract_version)),
    RouteSpec::signed("GET", "/v1/signing/{token}", Kind::Query, || web::get().to(signing_page)),
];

use holdfast_domain::kernel::Role::{BillingAdmin, Talent, Viewer};

const CONTRACT: Foreign = Foreign::Path(ForeignId::Contract);

#[rustfmt::skip] // keeps the columns
pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/contract-templates", Talent, Viewer, Foreign::OwnTenantOnly),
    get("/v1/contract-templates/{templateId}", Talent, Viewer, Foreign::Path(ForeignId::Template)),
    get("/v1/clauses", Talent, Viewer, Foreign::OwnTenantOnly),
    get("/v1/contracts", BillingAdmin, Viewer, Foreign::Parameter("bookingId")),
    get("/v1/contracts/{contractId}", BillingAdmin, Viewer, CONTRACT),
    get("/v1/contracts/{contractId}/artifacts", BillingAdmin, Viewer, CONTRACT),
    get("/v1/contracts/{contractId}/versions/{number}", Talent, Viewer, CONTRACT),
];

fn reader(caller: &Caller) -> Reader {
    caller.restricted_to(ContractsRead).map_or(Reader::Staff, Reader::Party)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TemplatesWanted {
    #[param(value_type = Option<String>, example = "published")]
    status: Option<TemplateStatus>,
    /// In the name, any case.
    q: Option<String>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Templates, newest first (CTR-10).
#[utoipa::path(get, path = "/v1/contract-templates", tag = "contracts", params(TemplatesWanted),
    responses((status = 200, body = List<TemplateSummary>)))]
pub(crate) async fn list_templates(
    caller: Caller,
    wanted: QueryParameters<TemplatesWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<TemplateSummary>>, ApiError> {
    let wanted = wanted.0;
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let filter = TemplateFilter { status: wanted.status, q: wanted.q };
    let question = |pool| async move { contract::templates(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionWanted {
    /// The current one when none is given.
    version: Option<u32>,
}

/// One template in its current version or an earlier one (CTR-12). Fails with `TEMPLATE_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/contract-templates/{templateId}", tag = "contracts", params(("templateId" = Uuid, Path), VersionWanted),
    responses((status = 200, body = TemplateDetail)))]
pub(crate) async fn template_detail(
    caller: Caller,
    id: PathId<TemplateId>,
    wanted: QueryParameters<VersionWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<TemplateDetail>, ApiError> {
    let (tenant_id, id, version) = (caller.tenant_id, id.0, wanted.0.version);
    let question = |pool| async move { contract::template(&pool, tenant_id, id, version).await };
    found(ask(&shared, &side, &caller, minimum, &[PROJECTION], question).await?, "TEMPLATE_NOT_FOUND", "template")
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClausesWanted {
    /// In key or title, any case.
    q: Option<String>,
    tag: Option<String>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// The clause library, newest first (CTR-14).
#[utoipa::path(get, path = "/v1/clauses", tag = "contracts", params(ClausesWanted), responses((status = 200, body = List<ClauseEntry>)))]
pub(crate) async fn list_clauses(
    caller: Caller,
    wanted: QueryParameters<ClausesWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<ClauseEntry>>, ApiError> {
    let wanted = wanted.0;
    let (tenant_id, page) = (caller.tenant_id, page(wanted.limit, wanted.cursor)?);
    let filter = ClauseFilter { q: wanted.q, tag: wanted.tag };
    let question = |pool| async move { contract::clauses(&pool, tenant_id, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[PROJECTION], question).await.map(Shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContractsWanted {
    #[param(value_type = Option<String>, example = "sent")]
    status: Option<ContractStatus>,
    #[param(value_type = Option<Uuid>)]
    job_id: Option<JobId>,
    #[param(value_type = Option<Uuid>)]
    booking_id: Option<BookingId>,
    /// Created at or after.
    from: Option<DateTime<Utc>>,
    /// Created before.
    to: Option<DateTime<Utc>>,
    /// `created_at:asc` or `created_at:desc`; the latter when none is given.
    #[param(example = "created_at:desc")]
    sort: Option<String>,
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Contracts, a page at a time; parties see those that they sign, pay or are paid by, once they were sent (CTR-16).
#[utoipa::path(get, path = "/v1/contracts", tag = "contracts", params(ContractsWanted),
    responses((status = 200, body = List<ContractSummary>)))]
pub(crate) async fn list_contracts(
    caller: Caller,
    wanted: QueryParameters<ContractsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<ContractSummary>>, ApiError> {
    let wanted = wanted.0;
    let direction = match wanted.sort.as_deref() {
        None | Some("created_at:desc") => Direction::Desc,
        Some("created_at:asc") => Direction::Asc,
        Some(_) => return Err(ApiError::validation("sort", "is created_at:asc or created_at:desc")),
    };
    let filter = ContractFilter {
        status: wanted.status,
        job_id: wanted.job_id,
        booking_id: wanted.booking_id,
        from: wanted.from,
        to: wanted.to,
        direction,
    };
    let (tenant_id, reader, page) = (caller.tenant_id, reader(&caller), page(wanted.limit, wanted.cursor)?);
    let question = |pool| async move { contract::list(&pool, tenant_id, reader, &filter, &page).await };
    ask(&shared, &side, &caller, minimum, &[PROJECTION], question).await.map(Shown)
}

/// One contract with text, signers and milestones (CTR-18). Fails with `CONTRACT_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/contracts/{contractId}", tag = "contracts", params(("contractId" = Uuid, Path)),
    responses((status = 200, body = ContractDetail)))]
pub(crate) async fn contract_detail(
    caller: Caller,
    id: PathId<ContractId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<ContractDetail>, ApiError> {
    let (tenant_id, reader, id) = (caller.tenant_id, reader(&caller), id.0);
    let question = |pool| async move { contract::detail(&pool, tenant_id, reader, id).await };
    found(ask(&shared, &side, &caller, minimum, &[PROJECTION], question).await?, "CONTRACT_NOT_FOUND", "contract")
}

/// One version of a contract's text (CTR-04). Fails with `CONTRACT_NOT_FOUND`, also where there is no such version.
#[utoipa::path(get, path = "/v1/contracts/{contractId}/versions/{number}", tag = "contracts",
    params(("contractId" = Uuid, Path), ("number" = u32, Path)), responses((status = 200, body = ContractText)))]
pub(crate) async fn contract_version(
    caller: Caller,
    id: PathId<ContractId>,
    request: HttpRequest,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<ContractText>, ApiError> {
    // What is no number names no version.
    let number = request.match_info().get("number").and_then(|number| number.parse().ok()).unwrap_or(0);
    let (tenant_id, id) = (caller.tenant_id, id.0);
    let question = |pool| async move { contract::version(&pool, tenant_id, id, number).await };
    found(ask(&shared, &side, &caller, minimum, &[PROJECTION], question).await?, "CONTRACT_NOT_FOUND", "contract")
}

/// CTR-06.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArtifactAnswer {
    /// `rendered_pdf` as it was sent, `signed_pdf` with the evidence of signing.
    kind: String,
    /// Of the file, hex.
    sha256: String,
    size: u64,
    mime: String,
    /// Good for a few minutes, for whoever has it.
    download_url: String,
    expires_at: DateTime<Utc>,
}

/// The documents of a contract, each with a link to download it (CTR-22). Fails with `CONTRACT_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/contracts/{contractId}/artifacts", tag = "contracts", params(("contractId" = Uuid, Path)),
    responses((status = 200, body = List<ArtifactAnswer>)))]
pub(crate) async fn list_artifacts(
    caller: Caller,
    id: PathId<ContractId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<ArtifactAnswer>>, ApiError> {
    let (tenant_id, reader, id) = (caller.tenant_id, reader(&caller), id.0);
    let question = |pool| async move { contract::artifacts(&pool, tenant_id, reader, id).await };
    let read = ask(&shared, &side, &caller, minimum, &[PROJECTION], question).await?;
    let Shown(Read { position, value: artifacts }) = found(read, "CONTRACT_NOT_FOUND", "contract")?;
    let files = side.files.clone();
    let linked = async move {
        let mut items = Vec::new();
        for artifact in artifacts {
            items.push(linked(&files, id, artifact).await?);
        }
        Ok(List { items, next_cursor: None })
    };
    Ok(Shown(Read { position, value: shared.tasks.run(linked).await? }))
}

async fn linked(files: &holdfast_files::Files, id: ContractId, artifact: ArtifactEntry) -> Result<ArtifactAnswer, ApiError> {
    let ArtifactEntry { kind, storage_key, sha256, size, mime } = artifact;
    let key: StorageKey = storage_key.parse().map_err(|error| ApiError::internal(&error))?;
    let content_type = ContentType::of(&mime).map_err(|error| ApiError::internal(&error))?;
    let link = files.presign_download(&key, &format!("contract-{id}-{kind}.pdf"), content_type, Utc::now()).await;
    let link = link.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no link to a document could be made");
        ApiError::unavailable("the files cannot be reached at the moment")
    })?;
    Ok(ArtifactAnswer { kind, sha256, size, mime, download_url: link.url, expires_at: link.expires_at })
}

/// CTR-24.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningAnswer {
    #[serde(flatten)]
    page: SigningPage,
    /// What the signature agrees to.
    consent: &'static str,
    link_expires_at: DateTime<Utc>,
}

/// What a signer with a link reads before signing (CTR-24). Fails with `SIGNING_LINK_INVALID`.
#[utoipa::path(get, path = "/v1/signing/{token}", tag = "contracts", params(("token" = String, Path)),
    responses((status = 200, body = SigningAnswer)))]
pub(crate) async fn signing_page(
    request: HttpRequest,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<SigningAnswer>, ApiError> {
    let link = link_of(&request, &shared)?;
    let question = |pool| async move { contract::signing_page(&pool, link.tenant_id, link.contract_id, link.signer_id).await };
    let read = ask_for(&shared, &side, link.tenant_id, minimum, &[PROJECTION], question).await?;
    let Shown(Read { position, value: page }) = found(read, "CONTRACT_NOT_FOUND", "contract")?;
    Ok(Shown(Read { position, value: SigningAnswer { page, consent: CONSENT, link_expires_at: link.expires_at } }))
}
