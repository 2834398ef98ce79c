//! Templates: the current one, and every version (CTR-10, CTR-12, CTR-13).

use chrono::{DateTime, Utc};
use holdfast_domain::contract::{Template, TemplateEvent, TemplateStatus, Variable};
use holdfast_domain::kernel::{TemplateId, TenantId};
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract::PROJECTION;
use crate::query::{Direction, List, Page, QueryError, Read, Reading};
use crate::runtime::{self, ApplyError, Event, Facts, Stored, Table};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TemplateVersionRow {
    pub template_id: Uuid,
    pub number: u32,
    pub position: i64,
    pub name: String,
    pub body_md: String,
    pub variables: Vec<Variable>,
    pub status: TemplateStatus,
    pub at: DateTime<Utc>,
}

impl Facts for TemplateVersionRow {
    const TABLE: Table = Table {
        name: "template_versions",
        key: &["template_id", "number"],
        columns: &["position", "name", "body_md", "variables", "status", "at"],
        exact: &[],
    };

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let Some(TemplateEvent::Created(version) | TemplateEvent::Updated(version)) = event.event.of::<Template>() else {
            return Ok(Vec::new());
        };
        Ok(vec![Self {
            template_id: event.origin.aggregate_id,
            number: version.version,
            position: event.position,
            name: version.name.clone(),
            body_md: version.body_md.clone(),
            variables: version.variables.clone(),
            status: version.status,
            at: event.metadata.occurred_at,
        }])
    }
}

#[derive(Debug, Clone, Default)]
pub struct TemplateFilter {
    pub status: Option<TemplateStatus>,
    /// In the name, any case.
    pub q: Option<String>,
}

/// CTR-10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateSummary {
    pub id: Uuid,
    pub name: String,
    /// `draft`, `published` or `archived`.
    pub status: String,
    /// Of its text.
    pub version: u32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// CTR-12.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateDetail {
    pub id: Uuid,
    /// The version that was asked for; the current one when none was.
    #[serde(flatten)]
    pub text: TemplateText,
    pub current_version: u32,
    /// Numbers of all versions, oldest first; each can be asked for.
    pub versions: Vec<i32>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct TemplateText {
    #[sqlx(rename = "number")]
    pub version: i32,
    pub name: String,
    pub body_md: String,
    /// `name`, `description`, `required` and perhaps `default`.
    #[schema(value_type = Vec<Object>)]
    pub variables: Json<Value>,
    pub status: String,
    #[sqlx(rename = "at")]
    pub updated_at: DateTime<Utc>,
}

/// Newest first.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn list(
    pool: &Pool,
    tenant_id: TenantId,
    filter: &TemplateFilter,
    page: &Page,
) -> Result<Read<List<TemplateSummary>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let rows = runtime::list::<Template>(&mut reading, page, Direction::Desc, |sql| {
        if let Some(status) = filter.status {
            sql.push(" AND status = ").push_bind(status.as_str());
        }
        if let Some(text) = &filter.q {
            sql.push(" AND strpos(lower(name), lower(").push_bind(text.clone()).push(")) > 0");
        }
    });
    let rows = rows.await?.try_map(|row| Ok(summary(&row)))?;
    reading.end(rows).await
}

fn summary(row: &Stored<Template>) -> TemplateSummary {
    let current = row.state.current();
    TemplateSummary {
        id: row.id,
        name: current.map(|current| current.name.clone()).unwrap_or_default(),
        status: current.map_or("", |current| current.status.as_str()).to_owned(),
        version: current.map_or(0, |current| current.version),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// None when the tenant has no such template, or it has no such version.
///
/// # Errors
/// When the database does not answer.
pub async fn detail(
    pool: &Pool,
    tenant_id: TenantId,
    id: TemplateId,
    version: Option<u32>,
) -> Result<Read<Option<TemplateDetail>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let Some(row) = runtime::find::<Template>(&mut reading, id.uuid()).await? else { return reading.end(None).await };
    let current_version = row.state.current().map_or(0, |current| current.version);
    let wanted = i32::try_from(version.unwrap_or(current_version)).unwrap_or(i32::MAX);
    let text: Option<TemplateText> = sqlx::query_as(
        "SELECT number, name, body_md, variables, status, at FROM template_versions
         WHERE tenant_id = $1 AND template_id = $2 AND number = $3",
    )
    .bind(tenant_id.uuid())
    .bind(id.uuid())
    .bind(wanted)
    .fetch_optional(reading.connection())
    .await?;
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT number FROM template_versions WHERE tenant_id = $1 AND template_id = $2 ORDER BY number")
            .bind(tenant_id.uuid())
            .bind(id.uuid())
            .fetch_all(reading.connection())
            .await?;
    let detail = text.map(|text| TemplateDetail { id: row.id, text, current_version, versions, created_at: row.created_at });
    reading.end(detail).await
}
