//! The clause library (CTR-14).

use chrono::{DateTime, Utc};
use holdfast_domain::contract::Clause;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract::PROJECTION;
use crate::query::{Direction, List, Page, QueryError, Read, Reading};
use crate::runtime::{self, Stored};

#[derive(Debug, Clone, Default)]
pub struct ClauseFilter {
    /// In key or title, any case.
    pub q: Option<String>,
    pub tag: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClauseEntry {
    pub id: Uuid,
    /// `{{clause:key}}` in a template.
    pub key: String,
    pub title: String,
    pub body_md: String,
    pub tags: Vec<String>,
    pub created_at: DateTime<Utc>,
}

/// Newest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(pool: &Pool, tenant_id: TenantId, filter: &ClauseFilter, page: &Page) -> Result<Read<List<ClauseEntry>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let rows = runtime::list::<Clause>(&mut reading, page, Direction::Desc, |sql| {
        if let Some(text) = &filter.q {
            sql.push(" AND strpos(lower(key || ' ' || title), lower(").push_bind(text.clone()).push(")) > 0");
        }
        if let Some(tag) = &filter.tag {
            sql.push(" AND ").push_bind(tag.clone()).push(" = ANY (tags)");
        }
    });
    let rows = rows.await?.try_map(|row| Ok(entry(row)))?;
    reading.end(rows).await
}

fn entry(row: Stored<Clause>) -> ClauseEntry {
    let text = row.state.text().cloned();
    let (key, title, body_md, tags) = text.map_or_else(Default::default, |text| (text.key, text.title, text.body_md, text.tags));
    ClauseEntry { id: row.id, key, title, body_md, tags, created_at: row.created_at }
}
