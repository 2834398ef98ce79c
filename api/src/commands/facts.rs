//! Facts of other streams that a command must name, read from the log: never from a read model (protocols 2.7).

use holdfast_domain::event::AnyEvent;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::{EventLog, StreamId};
use uuid::Uuid;

use crate::commands::Side;
use crate::error::ApiError;
use crate::state::Shared;

/// The first event of a stream: what it was opened with never changes, so no later event can make this stale.
/// None when the tenant has no such stream.
pub(super) async fn first_event(
    shared: &Shared,
    side: &Side,
    tenant_id: TenantId,
    aggregate_type: &'static str,
    aggregate_id: Uuid,
) -> Result<Option<AnyEvent>, ApiError> {
    let stream = StreamId { tenant_id, aggregate_type, aggregate_id };
    shared.tasks.run(read(side.log.clone(), stream)).await
}

async fn read(log: EventLog, stream: StreamId) -> Result<Option<AnyEvent>, ApiError> {
    let stored = log.read_stream(stream, 0, 1).await.map_err(|error| ApiError::internal(&error))?;
    let decoded = stored.first().map(holdfast_eventlog::StoredEvent::decode).transpose().map_err(|error| ApiError::internal(&error))?;
    Ok(decoded.map(|recorded| recorded.event))
}
