//! Questions about assets.

use chrono::{DateTime, Utc};
use holdfast_domain::asset::{Asset, AssetStatus, OwnerType};
use holdfast_domain::kernel::{AssetId, PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::asset::PROJECTION;
use crate::query::{Direction, List, Page, QueryError, Read, Reading};
use crate::runtime::{self, Stored};

/// Who sees a file as its own, for `a`, an event of it: who brought it, and its owner's parties when it is ready.
pub(crate) const PARTIES: &str = "SELECT s.uploaded_by || CASE WHEN s.status = 'ready' THEN s.shared_with END
     FROM assets s WHERE s.tenant_id = a.tenant_id AND s.id = a.entity_id";

/// Every field narrows the list.
#[derive(Debug, Clone, Default)]
pub struct AssetFilter {
    pub owner_type: Option<OwnerType>,
    pub owner_id: Option<Uuid>,
    pub status: Option<AssetStatus>,
}

/// Somebody who may not see all of the tenant's assets: sees what it has uploaded, and what is ready and belongs to something
/// that it is a party of.
#[derive(Debug, Clone, Copy)]
pub struct AssetViewer {
    pub party: PartyId,
    /// Whoever may read jobs may read their briefs.
    pub reads_jobs: bool,
}

/// TAL-06. Its bytes are behind the download link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetView {
    pub id: Uuid,
    pub version: i64,
    /// `pending_upload`, `ready`, `deleted` or `expired`.
    #[schema(value_type = String)]
    pub status: AssetStatus,
    /// `talent_portfolio`, `dispute_evidence`, `delivery_artifact`, `contract_artifact` or `job_brief`.
    #[schema(value_type = String)]
    pub owner_type: OwnerType,
    pub owner_id: Uuid,
    #[schema(example = "headshot")]
    pub kind: String,
    #[schema(example = "image/png")]
    pub mime: String,
    /// Bytes.
    pub size: u64,
    /// None where none was given, its uploader was erased, or the file is gone.
    pub file_name: Option<String>,
    /// Of confirmed content, hex.
    pub sha256: Option<String>,
    pub uploaded_by: Uuid,
    /// It cannot be deleted (DSP-38).
    pub kept: bool,
    /// By when it must be confirmed, while it is not.
    pub confirm_by: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Assets by creation, newest first, a page at a time.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(
    pool: &Pool,
    tenant_id: TenantId,
    filter: &AssetFilter,
    viewer: Option<AssetViewer>,
    page: &Page,
) -> Result<Read<List<AssetView>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let narrow = |sql: &mut QueryBuilder<'_, Postgres>| {
        if let Some(owner_type) = filter.owner_type {
            sql.push(" AND owner_type = ").push_bind(owner_type.as_str());
        }
        if let Some(owner_id) = filter.owner_id {
            sql.push(" AND owner_id = ").push_bind(owner_id);
        }
        if let Some(status) = filter.status {
            sql.push(" AND status = ").push_bind(status.as_str());
        }
        if let Some(AssetViewer { party, reads_jobs }) = viewer {
            sql.push(" AND (uploaded_by = ").push_bind(party.uuid());
            sql.push(" OR (status = 'ready' AND (").push_bind(party.uuid()).push(" = ANY (shared_with)");
            sql.push(" OR (owner_type = 'job_brief' AND ").push_bind(reads_jobs).push("))))");
        }
    };
    let rows = runtime::list::<Asset>(&mut reading, page, Direction::Desc, narrow).await?;
    let items = rows.items.iter().filter_map(AssetView::of).collect();
    reading.end(List { items, next_cursor: rows.next_cursor }).await
}

/// None when the tenant has no such asset, or `viewer` may not see it.
///
/// # Errors
/// When the database does not answer.
pub async fn detail(
    pool: &Pool,
    tenant_id: TenantId,
    asset_id: AssetId,
    viewer: Option<AssetViewer>,
) -> Result<Read<Option<AssetView>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let stored = runtime::find::<Asset>(&mut reading, asset_id.uuid()).await?;
    let seen = stored.filter(|stored| viewer.is_none_or(|viewer| viewer.sees(&stored.state)));
    reading.end(seen.as_ref().and_then(AssetView::of)).await
}

impl AssetViewer {
    /// The same as the list's condition.
    fn sees(self, asset: &Asset) -> bool {
        asset.about().is_some_and(|about| {
            let is_brief = self.reads_jobs && about.owner.owner_type == OwnerType::JobBrief;
            about.uploaded_by == self.party || (asset.is_ready() && (is_brief || about.shared_with.contains(&self.party)))
        })
    }
}

impl AssetView {
    /// None for a row that is no asset.
    fn of(stored: &Stored<Asset>) -> Option<Self> {
        let asset = &stored.state;
        let about = asset.about()?;
        let status = asset.asset_status();
        Some(Self {
            id: stored.id,
            version: stored.version,
            status,
            owner_type: about.owner.owner_type,
            owner_id: about.owner.owner_id,
            kind: about.kind.as_str().to_owned(),
            mime: about.mime.clone(),
            size: about.size,
            file_name: stored.texts.open_some(about.file_name.as_ref()),
            sha256: asset.sha256().map(str::to_owned),
            uploaded_by: about.uploaded_by.uuid(),
            kept: asset.is_kept(),
            confirm_by: Some(about.confirm_by).filter(|_| status == AssetStatus::PendingUpload),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        })
    }
}
