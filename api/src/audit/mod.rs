//! Auditors look at the log (ANA-38, NFR-128): every look is written down first, then it is answered as database role
//! `auditor`, which can read one tenant at a time and change nothing.

pub(crate) mod csv;
pub(crate) mod replay;

use actix_web::web::Data;
use holdfast_commands::{Accepted, Refusal, Request, Writers};
use holdfast_domain::access::{Access, AccessCommand, AccessFilter, AccessKind, is_name};
use holdfast_domain::kernel::{Actor, CorrelationId, RequestId, TenantId};
use holdfast_eventlog::EventLog;
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::seal::SealKeys;
use holdfast_projections::audit::AuditFilter;
use uuid::Uuid;

use crate::error::ApiError;
use crate::request::Caller;
use crate::state::Shared;

/// What auditors' questions are answered with.
#[derive(Clone)]
pub struct AuditSide {
    /// The log as `holdfast_auditor`.
    pub log: EventLog,
    /// The same, for seals and exports.
    pub pool: Pool,
    /// Under which the logs are sealed.
    pub keys: SealKeys,
    /// For the one thing that looking at the log adds to it.
    pub writers: Writers,
}

pub(crate) type Side = Data<AuditSide>;

/// Writes down what `caller` is about to look at, before anything is read. Gives the position at which it stands.
///
/// Fails with 503 when it cannot be written down: then nothing may be shown.
pub(crate) async fn record(
    shared: &Shared,
    side: &Side,
    caller: &Caller,
    what: AccessKind,
    target: Option<Uuid>,
    filter: AccessFilter,
) -> Result<i64, ApiError> {
    let (writers, caller) = (side.writers.clone(), caller.clone());
    let command = AccessCommand::Record { what, target, filter };
    let written = async move {
        let ids = (caller.request_id, caller.correlation_id);
        write_down(&writers, caller.tenant_id, caller.actor, ids, command).await.map_err(not_recorded)
    };
    shared.tasks.run(written).await.map(|accepted| accepted.position)
}

/// One stream for each access; its id means nothing.
pub(crate) async fn write_down(
    writers: &Writers,
    tenant_id: TenantId,
    actor: Actor,
    (request_id, correlation_id): (RequestId, CorrelationId),
    command: AccessCommand,
) -> Result<Accepted, Refusal> {
    let request = Request::<Access> {
        tenant_id,
        aggregate_id: Uuid::now_v7(),
        command,
        actor,
        request_id,
        correlation_id,
        causation_id: None,
        hops: 0,
        key: None,
        if_match: None,
        not_before: None,
    };
    writers.execute(request).await
}

fn not_recorded(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::TenantUnknown | Refusal::Rejected { .. } => ApiError::refused(refusal, false),
        Refusal::Busy { .. }
        | Refusal::OutcomeUnknown
        | Refusal::TenantSuspended
        | Refusal::VersionMismatch { .. }
        | Refusal::KeyReused { .. }
        | Refusal::KeyInFlight
        | Refusal::TooManyHops
        | Refusal::Internal => {
            tracing::error!(error = &refusal as &dyn std::error::Error, "an access could not be written down");
            ApiError::unavailable("the access cannot be written down at the moment, so nothing is shown")
        }
    }
}

/// The filter as it is written down. Fails naming the parameter that is no name.
pub(crate) fn recorded(filter: &AuditFilter) -> Result<AccessFilter, ApiError> {
    for (field, name) in [("action", &filter.action), ("entityType", &filter.entity_type)] {
        if name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(ApiError::validation(field, "has lower case letters, digits, dots and underscores"));
        }
    }
    let AuditFilter { actor_id, action, entity_type, entity_id, from, to } = filter.clone();
    Ok(AccessFilter { actor_id, action, entity_type, entity_id, from, to, ..AccessFilter::default() })
}
