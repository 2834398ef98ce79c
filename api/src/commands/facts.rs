//! Facts of other streams that a command must name, read from the log: never from a read model (protocols 2.7).

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use cqrs_es::Aggregate;
use holdfast_domain::event::EventOf;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::{EventLog, StreamId};
use lru::LruCache;
use uuid::Uuid;

use crate::commands::Side;
use crate::error::ApiError;
use crate::state::Shared;

/// Events per round trip.
const PAGE: i64 = 500;
/// First events that are remembered, some hundred bytes each.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(32_768) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// First events that were read already, by least recent use: busy wallets are named by command after command.
pub struct FirstEvents(Mutex<LruCache<StreamId, Arc<dyn Any + Send + Sync>>>);

impl Default for FirstEvents {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl FirstEvents {
    fn get<E: Clone + 'static>(&self, stream: &StreamId) -> Option<E> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(stream)?.downcast_ref::<E>().cloned()
    }

    fn put<E: Send + Sync + 'static>(&self, stream: StreamId, event: E) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.put(stream, Arc::new(event));
        metrics::gauge!("holdfast_first_events").set(f64::from(u32::try_from(remembered.len()).unwrap_or(u32::MAX)));
    }
}

/// The first event of a stream: what it was opened with never changes, so no later event can make this stale.
/// None when the tenant has no such stream: that is never remembered.
pub(crate) async fn first_event<A: EventOf>(
    shared: &Shared,
    side: &Side,
    tenant_id: TenantId,
    aggregate_id: Uuid,
) -> Result<Option<A::Event>, ApiError> {
    let stream = StreamId { tenant_id, aggregate_type: A::TYPE, aggregate_id };
    if let Some(event) = side.first_events.get::<A::Event>(&stream) {
        return Ok(Some(event));
    }
    let read = read::<A>(side.log.clone(), stream, 0, 1);
    let event = shared.tasks.run(async move { Ok(read.await?.into_iter().next()) }).await?;
    if let Some(event) = &event {
        side.first_events.put(stream, event.clone());
    }
    Ok(event)
}

/// The stream's state now. It may have moved on when the command is decided: only for what does not change back (a
/// confirmed file, a published version) or what the aggregate checks again. None when the tenant has no such stream.
pub(crate) async fn load<A: EventOf>(shared: &Shared, side: &Side, tenant_id: TenantId, aggregate_id: Uuid) -> Result<Option<A>, ApiError> {
    let stream = StreamId { tenant_id, aggregate_type: A::TYPE, aggregate_id };
    let log = side.log.clone();
    let folded = async move {
        let mut state = A::default();
        let mut sequence = 0;
        loop {
            let events = read::<A>(log.clone(), stream, sequence, PAGE).await?;
            let read = i64::try_from(events.len()).unwrap_or(PAGE);
            events.into_iter().for_each(|event| state.apply(event));
            sequence += read;
            if read < PAGE {
                return Ok(state.exists().then_some(state));
            }
        }
    };
    shared.tasks.run(folded).await
}

/// Everything that has happened to a stream of few events, oldest first; empty when the tenant has no such stream.
pub(crate) async fn history<A: EventOf>(
    shared: &Shared,
    side: &Side,
    tenant_id: TenantId,
    aggregate_id: Uuid,
) -> Result<Vec<A::Event>, ApiError> {
    let stream = StreamId { tenant_id, aggregate_type: A::TYPE, aggregate_id };
    shared.tasks.run(read::<A>(side.log.clone(), stream, 0, i64::MAX)).await
}

async fn read<A: EventOf>(log: EventLog, stream: StreamId, after: i64, limit: i64) -> Result<Vec<<A as Aggregate>::Event>, ApiError> {
    let stored = log.read_stream(stream, after, limit).await.map_err(|error| ApiError::log_not_read(&error))?;
    let decode = |stored: &holdfast_eventlog::StoredEvent| {
        let recorded = stored.decode().map_err(|error| ApiError::internal(&error))?;
        Ok(recorded.event.of::<A>().cloned())
    };
    stored.iter().filter_map(|stored| decode(stored).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_event_is_remembered_for_its_own_tenant_and_stream_and_the_oldest_is_forgotten() {
        let stream = |tenant: u128, id: u128| StreamId {
            tenant_id: TenantId(Uuid::from_u128(tenant)),
            aggregate_type: "wallet",
            aggregate_id: Uuid::from_u128(id),
        };
        let remembered = FirstEvents::default();
        remembered.put(stream(1, 7), "opened");
        assert_eq!(remembered.get::<&str>(&stream(1, 7)), Some("opened"));
        assert_eq!(remembered.get::<&str>(&stream(2, 7)), None);
        for id in 0..REMEMBERED.get() as u128 {
            remembered.put(stream(3, id), "opened");
        }
        assert_eq!(remembered.get::<&str>(&stream(1, 7)), None);
    }
}
