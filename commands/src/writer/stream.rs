//! A stream in memory: the aggregate's state and version, of whatever type.

use std::any::Any;

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{Metadata, TenantAggregate};
use holdfast_eventlog::StoredEvent;

use crate::request::Refusal;

/// What fixed costs a cached stream has beside its events' text; an estimate that errs upwards.
const BASE_BYTES: usize = 2_048;

/// An aggregate folded up to `version`.
pub(crate) struct Stream<A> {
    pub(crate) state: A,
    /// Sequence of the last event; 0 when the stream does not exist.
    pub(crate) version: i64,
    /// When its last event occurred.
    pub(crate) last_at: DateTime<Utc>,
    pub(crate) bytes: usize,
}

impl<A: TenantAggregate> Stream<A> {
    pub(crate) fn empty() -> Self {
        Self { state: A::default(), version: 0, last_at: DateTime::<Utc>::MIN_UTC, bytes: BASE_BYTES }
    }

    /// Folds stored events, in order.
    pub(crate) fn folded(events: &[StoredEvent]) -> Result<Self, Refusal> {
        let mut stream = Self::empty();
        for stored in events {
            let event = serde_json::from_str(&stored.payload).map_err(|error| unreadable(stored, &error))?;
            stream.state.apply(event);
            stream.version = stored.sequence;
            stream.bytes += stored.payload.len();
        }
        if let Some(last) = events.last() {
            let metadata: Metadata = serde_json::from_str(&last.metadata).map_err(|error| unreadable(last, &error))?;
            stream.last_at = metadata.occurred_at;
        }
        Ok(stream)
    }
}

fn unreadable(stored: &StoredEvent, error: &serde_json::Error) -> Refusal {
    tracing::error!(tenant = %stored.tenant_id, position = stored.position, %error, "a stored event cannot be read");
    Refusal::Internal
}

/// A [`Stream`] whose aggregate type only its command knows.
pub(crate) trait AnyStream: Send + Sync {
    fn version(&self) -> i64;
    fn last_at(&self) -> DateTime<Utc>;
    fn bytes(&self) -> usize;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<A: TenantAggregate> AnyStream for Stream<A> {
    fn version(&self) -> i64 {
        self.version
    }

    fn last_at(&self) -> DateTime<Utc> {
        self.last_at
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
