//! Steps of reactions that were refused and wait for somebody's decision, over all tenants (ADM-20).

use actix_web::web;
use chrono::{DateTime, Utc};
use holdfast_commands::reaction::{DeadLetter, DeadLetterFilter};
use holdfast_domain::kernel::{Role, TenantId};
use holdfast_projections::query::List;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::admin::Desk;
use crate::auth::Capability::DeadLettersRedrive;
use crate::error::ApiError;
use crate::queries::{page, refused};
use crate::request::{Caller, QueryParameters};
use crate::routes::{AccessCase, Foreign, RouteSpec, get};

pub(crate) const ROUTES: &[RouteSpec] =
    &[RouteSpec::query("/v1/super/dead-letters", &[DeadLettersRedrive], || web::get().to(list_dead_letters))];

pub(crate) const CASES: &[AccessCase] = &[get("/v1/super/dead-letters", Role::TenantAdmin, Role::PlatformOps, Foreign::EveryTenant)];

/// A refused step: a reference to its event, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetterView {
    pub id: Uuid,
    pub tenant_id: Uuid,
    #[schema(example = "credit_legs")]
    pub reaction: String,
    pub step: String,
    pub event_position: i64,
    pub event_id: Uuid,
    pub correlation_id: Uuid,
    pub attempt: i32,
    /// The refusal: its code and its message.
    #[schema(value_type = Object)]
    pub reason: Value,
    pub created_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter {
            id,
            tenant_id,
            reaction,
            step,
            event_position,
            event_id,
            correlation_id,
            attempt,
            reason,
            created_at,
            resolved_at,
        } = letter;
        Self { id, tenant_id, reaction, step, event_position, event_id, correlation_id, attempt, reason, created_at, resolved_at }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLettersWanted {
    #[param(value_type = Option<Uuid>)]
    tenant_id: Option<TenantId>,
    /// `credit_legs`
    reaction: Option<String>,
    /// True: those that were resolved. Those that wait when it is not given.
    #[serde(default)]
    resolved: bool,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 when none is given.
    limit: Option<usize>,
}

/// What was put aside, of all tenants, oldest first (ADM-20).
#[utoipa::path(get, path = "/v1/super/dead-letters", tag = "admin", params(DeadLettersWanted),
    responses((status = 200, body = List<DeadLetterView>)))]
pub(crate) async fn list_dead_letters(
    _caller: Caller,
    wanted: QueryParameters<DeadLettersWanted>,
    desk: Desk,
) -> Result<web::Json<List<DeadLetterView>>, ApiError> {
    const SORT: &str = "dead_letters";
    let DeadLettersWanted { tenant_id, reaction, resolved, cursor, limit } = wanted.0;
    let page = page(limit, cursor)?;
    let after = page.after::<(DateTime<Utc>, Uuid)>(SORT).map_err(refused)?;
    let letters = desk.dead_letters(DeadLetterFilter { tenant_id, reaction, resolved }, after, page.fetch()).await?;
    let letters = letters.into_iter().map(DeadLetterView::from).collect();
    page.list(SORT, letters, |letter| (letter.created_at, letter.id)).map(web::Json).map_err(refused)
}
