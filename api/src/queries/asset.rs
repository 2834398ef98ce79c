//! Questions about files, and the links to download them (TAL-06, TAL-43).

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_domain::asset::{AssetError, AssetStatus, OwnerType};
use holdfast_domain::kernel::{AssetId, Role};
use holdfast_files::{ContentType, DownloadLink, StorageKey};
use holdfast_projections::asset;
use holdfast_projections::asset::{AssetFilter, AssetView, AssetViewer};
use holdfast_projections::query::{List, Read};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Capability::{AssetsRead, AssetsUpload, JobsRead};
use crate::error::ApiError;
use crate::files::refused;
use crate::queries::{MinPosition, Shown, Side, ask, found, page};
use crate::request::{Caller, NoParameters, PathId, QueryParameters};
use crate::routes::{AccessCase, Foreign, ForeignId, RouteSpec, get};
use crate::state::Shared;

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec::query("/v1/assets", &[AssetsRead, AssetsUpload], || web::get().to(list_assets)),
    RouteSpec::query("/v1/assets/{assetId}", &[AssetsRead, AssetsUpload], || web::get().to(asset_detail)),
    RouteSpec::query("/v1/assets/{assetId}/download", &[AssetsRead, AssetsUpload], || web::get().to(download_asset)),
];

pub(crate) const CASES: &[AccessCase] = &[
    get("/v1/assets", Role::Viewer, Role::TenantAdmin, Foreign::Parameter("ownerId")),
    get("/v1/assets/{assetId}", Role::Viewer, Role::Auditor, Foreign::Path(ForeignId::Asset)),
    get("/v1/assets/{assetId}/download", Role::Viewer, Role::Auditor, Foreign::Path(ForeignId::Asset)),
];

/// None: all of the tenant's files.
fn viewer(caller: &Caller) -> Option<AssetViewer> {
    let party = caller.restricted_to(AssetsRead)?;
    Some(AssetViewer { party, reads_jobs: caller.holds(JobsRead) })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AssetsWanted {
    #[param(value_type = Option<String>, example = "dispute_evidence")]
    owner_type: Option<OwnerType>,
    owner_id: Option<Uuid>,
    #[param(value_type = Option<String>, example = "ready")]
    status: Option<AssetStatus>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// Files, newest first. Without `assets.read`: one's own, and those of one's own deliveries and disputes.
#[utoipa::path(get, path = "/v1/assets", tag = "assets", params(AssetsWanted), responses((status = 200, body = List<AssetView>)))]
pub(crate) async fn list_assets(
    caller: Caller,
    wanted: QueryParameters<AssetsWanted>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<List<AssetView>>, ApiError> {
    let AssetsWanted { owner_type, owner_id, status, cursor, limit } = wanted.0;
    let filter = AssetFilter { owner_type, owner_id, status };
    let (tenant_id, viewer, page) = (caller.tenant_id, viewer(&caller), page(limit, cursor)?);
    let question = |pool| async move { asset::list(&pool, tenant_id, &filter, viewer, &page).await };
    ask(&shared, &side, &caller, minimum, &[asset::PROJECTION], question).await.map(Shown)
}

/// One file, without its content. Fails with `ASSET_NOT_FOUND`.
#[utoipa::path(get, path = "/v1/assets/{assetId}", tag = "assets", params(("assetId" = Uuid, Path)),
    responses((status = 200, body = AssetView)))]
pub(crate) async fn asset_detail(
    caller: Caller,
    id: PathId<AssetId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<AssetView>, ApiError> {
    detail(&caller, id.0, minimum, &shared, &side).await
}

async fn detail(caller: &Caller, id: AssetId, minimum: MinPosition, shared: &Shared, side: &Side) -> Result<Shown<AssetView>, ApiError> {
    let (tenant_id, viewer) = (caller.tenant_id, viewer(caller));
    let question = |pool| async move { asset::detail(&pool, tenant_id, id, viewer).await };
    let read = ask(shared, side, caller, minimum, &[asset::PROJECTION], question).await?;
    found(read, "ASSET_NOT_FOUND", "asset")
}

/// Good for whoever has it, until it expires.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkView {
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

impl From<DownloadLink> for LinkView {
    fn from(link: DownloadLink) -> Self {
        Self { url: link.url, expires_at: link.expires_at }
    }
}

/// A link to download the file, good for a few minutes. Fails with `ASSET_NOT_FOUND`, `ASSET_NOT_READY`.
#[utoipa::path(get, path = "/v1/assets/{assetId}/download", tag = "assets", params(("assetId" = Uuid, Path)),
    responses((status = 200, body = LinkView)))]
pub(crate) async fn download_asset(
    caller: Caller,
    id: PathId<AssetId>,
    _none: QueryParameters<NoParameters>,
    minimum: MinPosition,
    shared: Shared,
    side: Side,
) -> Result<Shown<LinkView>, ApiError> {
    let Shown(Read { position, value: asset }) = detail(&caller, id.0, minimum, &shared, &side).await?;
    let not_ready = || ApiError::by_rule(&AssetError::NotReady { status: asset.status });
    let sha256 = asset.sha256.as_deref().filter(|_| asset.status == AssetStatus::Ready).ok_or_else(not_ready)?;
    let sha256 = sha256.parse().map_err(|error| ApiError::internal(&error))?;
    let key = StorageKey::ready(caller.tenant_id, id.0, sha256);
    let content_type = ContentType::of(&asset.mime).map_err(|refusal| ApiError::by_rule(&refusal))?;
    let file_name = asset.file_name.unwrap_or_else(|| format!("{}.{}", asset.id, content_type.extension()));
    let link = link(&shared, &side, key, file_name, content_type).await?;
    Ok(Shown(Read { position, value: link.into() }))
}

/// For whoever may have the file: that was asked before.
pub(crate) async fn link(
    shared: &Shared,
    side: &Side,
    key: StorageKey,
    file_name: String,
    content_type: ContentType,
) -> Result<DownloadLink, ApiError> {
    let files = side.files.clone();
    let signed = async move { files.presign_download(&key, &file_name, content_type, Utc::now()).await.map_err(refused) };
    shared.tasks.run(signed).await
}
