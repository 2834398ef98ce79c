//! The platform's operators: what they see and order over all tenants (ADM-20, ADM-21).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, Utc};
use holdfast_commands::reaction::{DeadLetter, DeadLetterFilter, dead_letters};
use holdfast_domain::access::{AccessFilter, AccessKind};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::Pool;
use holdfast_projections::rebuild::{self, Order, OrderError, Ordered, RunRow, Status};
use serde_json::json;
use uuid::Uuid;

use crate::audit::{AuditSide, record};
use crate::error::ApiError;
use crate::request::Caller;
use crate::state::Shared;

/// What operators' questions are answered with, and where their orders go.
#[derive(Clone)]
pub struct AdminSide {
    /// The read database as `holdfast_writer`, which may give orders about projections there and nothing else.
    pub orders: Pool,
    /// The write database as `holdfast_writer`, for dead letters.
    pub pool: Pool,
    /// The same, for how far the logs are.
    pub log: EventLog,
}

/// A request's way to them.
pub(crate) struct Desk {
    shared: Shared,
    side: Data<AdminSide>,
    audit: Data<AuditSide>,
}

impl FromRequest for Desk {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// A process that serves these routes without what is behind them is a mistake of ours.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = || {
            let (shared, side, audit) =
                (request.app_data::<Shared>()?, request.app_data::<Data<AdminSide>>()?, request.app_data::<Data<AuditSide>>()?);
            Some(Self { shared: shared.clone(), side: side.clone(), audit: audit.clone() })
        };
        ready(found().ok_or_else(ApiError::internal_silent))
    }
}

/// The projection's name, as this program has it.
pub(crate) fn projection(name: &str) -> Result<&'static str, ApiError> {
    rebuild::projection(name).map(|known| known.name()).map_err(|_| ApiError::not_found("PROJECTION_NOT_FOUND", "projection"))
}

impl Desk {
    /// Written down in the log of the operator's tenant first, as every access of an auditor is, then done.
    pub(crate) async fn give(&self, caller: Caller, order: Order) -> Result<Ordered, ApiError> {
        let pool = self.side.orders.clone();
        let id = order.id;
        let known = self.shared.tasks.run(async move { rebuild::find_run(&pool, id).await.map_err(no_answer) }).await?;
        if known.is_none() {
            self.tenant_exists(order.tenant).await?;
            let filter = AccessFilter {
                action: Some(order.kind.as_str().to_owned()),
                entity_type: Some(order.projection.to_owned()),
                entity_id: order.tenant.map(TenantId::uuid),
                ..AccessFilter::default()
            };
            record(&self.shared, &self.audit, &caller, AccessKind::ProjectionOrder, Some(id), filter).await?;
        }
        let pool = self.side.orders.clone();
        self.shared.tasks.run(async move { rebuild::order(&pool, &order).await.map_err(refused) }).await
    }

    async fn tenant_exists(&self, tenant: Option<TenantId>) -> Result<(), ApiError> {
        let Some(tenant) = tenant else { return Ok(()) };
        let log = self.side.log.clone();
        let heads = self.shared.tasks.run(async move { log.heads().await.map_err(|error| not_reached(&error)) }).await?;
        if heads.contains_key(&tenant) { Ok(()) } else { Err(ApiError::not_found("TENANT_NOT_FOUND", "tenant")) }
    }

    pub(crate) async fn status(&self) -> Result<Vec<Status>, ApiError> {
        let AdminSide { orders, log, .. } = AdminSide::clone(&self.side);
        self.shared.tasks.run(async move { rebuild::status(&orders, &log).await.map_err(|error| not_reached(&error)) }).await
    }

    /// Fails with `PROJECTION_NOT_FOUND`, `PROJECTION_RUN_NOT_FOUND`.
    pub(crate) async fn run(&self, name: &str, id: Uuid) -> Result<RunRow, ApiError> {
        let name = projection(name)?;
        let pool = self.side.orders.clone();
        let run = self.shared.tasks.run(async move { rebuild::find_run(&pool, id).await.map_err(no_answer) }).await?;
        run.filter(|run| run.projection == name).ok_or_else(|| ApiError::not_found("PROJECTION_RUN_NOT_FOUND", "run"))
    }

    pub(crate) async fn runs(&self, name: &'static str, after: Option<(DateTime<Utc>, Uuid)>, limit: i64) -> Result<Vec<RunRow>, ApiError> {
        let pool = self.side.orders.clone();
        self.shared.tasks.run(async move { rebuild::list_runs(&pool, name, after, limit).await.map_err(no_answer) }).await
    }

    pub(crate) async fn dead_letters(
        &self,
        filter: DeadLetterFilter,
        after: Option<(DateTime<Utc>, Uuid)>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, ApiError> {
        let pool = self.side.pool.clone();
        self.shared.tasks.run(async move { dead_letters(&pool, &filter, after, limit).await.map_err(no_answer) }).await
    }
}

fn refused(error: OrderError) -> ApiError {
    match error {
        OrderError::Open(run) => {
            let details = json!({ "runId": run.id, "kind": run.kind, "state": run.state });
            ApiError::conflict("PROJECTION_RUN_OPEN", "another run of this projection has not ended", details)
        }
        OrderError::OtherOrder => ApiError::invalid("IDEMPOTENCY_KEY_REUSED", "this key was used for another order", json!({})),
        OrderError::Database(error) => no_answer(error),
    }
}

fn no_answer(error: sqlx::Error) -> ApiError {
    not_reached(&error)
}

fn not_reached(error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error, "a database did not answer an operator");
    ApiError::unavailable("the database cannot be reached at the moment")
}
