//! Query routes: a question in, rows of a read model out. One file per context; nothing here can reach the log.

pub(crate) mod asset;
pub(crate) mod audit;
pub(crate) mod booking;
pub(crate) mod contract;
pub(crate) mod credits;
pub(crate) mod dead_letter;
pub(crate) mod dispute;
pub(crate) mod escrow;
pub(crate) mod job;
pub(crate) mod ledger;
pub(crate) mod person;
mod position; // `X-Min-Position`
pub(crate) mod projection;
pub(crate) mod proof;
pub(crate) mod push; // as it happens
pub(crate) mod replay; // the log itself, for auditors
pub(crate) mod statement;
pub(crate) mod wallet;

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use holdfast_files::Files;
use holdfast_projections::positions::Positions;
use holdfast_projections::query::{ByKey, Page, QueryError, Read};
use holdfast_projections::wallet::WalletSummary;
use serde::Serialize;

use crate::error::ApiError;
use crate::push::Push;
use crate::request::Caller;
use crate::state::Shared;
pub(crate) use position::MinPosition;

/// The read side, as handlers reach it.
#[derive(Clone)]
pub struct QuerySide {
    /// The read database as `holdfast_reader`, which sees one tenant at a time.
    pub pool: Pool,
    pub wallets: ByKey<WalletSummary>,
    pub positions: Positions,
    /// How long `X-Min-Position` may wait.
    pub min_position_wait: Duration,
    pub push: Arc<Push>,
    /// For links to download.
    pub files: Arc<Files>,
}

pub(crate) type Side = Data<QuerySide>;

/// Asks one question on behalf of `caller`, once `projections` have reached the position that the client names.
pub(crate) async fn ask<T, Q, F>(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    minimum: MinPosition,
    projections: &[&str],
    question: Q,
) -> Result<Read<T>, ApiError>
where
    T: Send + 'static,
    Q: FnOnce(Pool) -> F,
    F: Future<Output = Result<Read<T>, QueryError>> + Send + 'static,
{
    ask_for(shared, side, caller.tenant_id, minimum, projections, question).await
}

/// The same on behalf of somebody who is no caller.
pub(crate) async fn ask_for<T, Q, F>(
    shared: &Shared,
    side: &Side,
    tenant_id: TenantId,
    minimum: MinPosition,
    projections: &[&str],
    question: Q,
) -> Result<Read<T>, ApiError>
where
    T: Send + 'static,
    Q: FnOnce(Pool) -> F,
    F: Future<Output = Result<Read<T>, QueryError>> + Send + 'static,
{
    if let Some(minimum) = minimum.0 {
        let reached = side.positions.wait_for(projections, tenant_id, minimum, side.min_position_wait).await;
        reached.map_err(|behind| ApiError::projection_behind(behind.wanted, behind.position))?;
    }
    let answer = question(side.pool.clone());
    shared.tasks.run(async move { answer.await.map_err(refused) }).await
}

pub(crate) fn refused(error: QueryError) -> ApiError {
    match error {
        QueryError::InvalidLimit => ApiError::validation("limit", error),
        QueryError::InvalidCursor => ApiError::validation("cursor", error),
        // Class 22: Postgres cannot hold the value (a NUL in a text, a year that it does not have).
        QueryError::Database(error)
            if error.as_database_error().and_then(|refusal| refusal.code()).is_some_and(|code| code.starts_with("22")) =>
        {
            ApiError::validation("query", "a value is out of range, or has a character that is never stored")
        }
        QueryError::Database(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a question failed");
            ApiError::unavailable("the read models cannot be reached at the moment")
        }
        QueryError::Together(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a question that several shared failed");
            ApiError::unavailable("the read models cannot be reached at the moment")
        }
        QueryError::Unreadable(_) | QueryError::NoTerms(_) => ApiError::internal(&error),
    }
}

/// What stands in the answer besides the position.
pub(crate) fn found<T>(read: Read<Option<T>>, code: &'static str, what: &str) -> Result<Shown<T>, ApiError> {
    let value = read.value.ok_or_else(|| ApiError::not_found(code, what))?;
    Ok(Shown(Read { position: read.position, value }))
}

pub(crate) fn page(limit: Option<usize>, cursor: Option<String>) -> Result<Page, ApiError> {
    Page::try_new(limit, cursor).map_err(refused)
}

/// A value with the position that it shows at least.
pub(crate) struct Shown<T>(pub(crate) Read<T>);

impl<T: Serialize> Responder for Shown<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().insert_header(("X-Position", self.0.position.to_string())).json(self.0.value)
    }
}
