//! The id of the dispute that a command has raised, for its answer (ESC-17).

use cqrs_es::Aggregate as _;
use holdfast_commands::Accepted;
use holdfast_domain::escrow::{Escrow, EscrowFact};
use holdfast_domain::kernel::{DisputeId, TenantId};
use holdfast_eventlog::{StoredEvent, StreamId};

use crate::commands::Side;
use crate::error::ApiError;
use crate::state::Shared;

/// From the stored event, so that a replayed answer names the same dispute. The command has been accepted: when the
/// event cannot be read now, the answer goes out without it, and a query shows it.
pub(crate) async fn raised_dispute(shared: &Shared, side: &Side, tenant_id: TenantId, accepted: &Accepted) -> Option<DisputeId> {
    let sequence = accepted
        .events
        .iter()
        .find(|event| matches!(event.event_type.as_str(), "escrow.disputed" | "escrow.settlement_disputed"))?
        .sequence;
    let stream = StreamId { tenant_id, aggregate_type: Escrow::TYPE, aggregate_id: accepted.id };
    let log = side.log.clone();
    let read = async move { log.read_stream(stream, sequence - 1, 1).await.map_err(|error| ApiError::log_not_read(&error)) };
    let stored = shared.tasks.run(read).await.ok()?;
    dispute_of(stored.first()?)
}

fn dispute_of(stored: &StoredEvent) -> Option<DisputeId> {
    let recorded = stored.decode().ok()?;
    let fact = &recorded.event.of::<Escrow>()?.fact;
    if let EscrowFact::Disputed { dispute_id, .. } | EscrowFact::SettlementDisputed { dispute_id, .. } = fact {
        Some(*dispute_id)
    } else {
        None
    }
}
