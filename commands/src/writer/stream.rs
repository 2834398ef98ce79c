//! A stream in memory: the aggregate's state and version, of whatever type.

use std::any::Any;

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::{Metadata, TenantAggregate};
use holdfast_eventlog::{Snapshot, StoredEvent};

use crate::request::Refusal;
use crate::writer::measure::measure;

/// What fixed costs a cached stream has beside its state; an estimate that errs upwards.
const BASE_BYTES: usize = 2_048;

/// An aggregate folded up to `version`.
pub(crate) struct Stream<A> {
    pub(crate) state: A,
    /// Sequence of the last event; 0 when the stream does not exist.
    pub(crate) version: i64,
    /// When its last event occurred.
    pub(crate) last_at: DateTime<Utc>,
    /// Version of the newest snapshot that this process knows of; 0 when it knows of none.
    snapshot_at: i64,
    /// Of the state when it was last measured.
    measured_bytes: usize,
    /// Text of the events since: the state has grown by no more.
    added_bytes: usize,
}

/// Why a stream cannot be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfolded {
    /// The snapshot is no state of this program; the events may be.
    Snapshot,
    Event,
}

impl From<Unfolded> for Refusal {
    fn from(_: Unfolded) -> Self {
        Self::Internal
    }
}

impl<A: TenantAggregate> Stream<A> {
    pub(crate) fn empty() -> Self {
        Self { state: A::default(), version: 0, last_at: DateTime::<Utc>::MIN_UTC, snapshot_at: 0, measured_bytes: 0, added_bytes: 0 }
    }

    /// Folds stored events, in order. With a snapshot they begin with the one that it was taken after.
    pub(crate) fn folded(snapshot: Option<&Snapshot>, events: &[StoredEvent]) -> Result<Self, Unfolded> {
        let mut stream = Self::empty();
        if let Some(snapshot) = snapshot {
            stream.state = serde_json::from_str(&snapshot.state).map_err(|_| Unfolded::Snapshot)?;
            stream.version = snapshot.sequence;
            stream.snapshot_at = snapshot.sequence;
        }
        for stored in events {
            if stored.sequence <= stream.version {
                continue; // in the snapshot
            }
            let event = serde_json::from_str(&stored.payload).map_err(|error| unreadable(stored, &error))?;
            stream.state.apply(event);
            stream.version = stored.sequence;
        }
        if let Some(last) = events.last() {
            let metadata: Metadata = serde_json::from_str(&last.metadata).map_err(|error| unreadable(last, &error))?;
            stream.last_at = metadata.occurred_at;
        }
        stream.measured_bytes = measure(&stream.state);
        Ok(stream)
    }

    pub(crate) fn boxed(snapshot: Option<&Snapshot>, events: &[StoredEvent]) -> Result<Box<dyn AnyStream>, Unfolded> {
        Ok(Box::new(Self::folded(snapshot, events)?))
    }

    /// The state has taken an event with a payload of this length.
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.added_bytes += bytes;
    }
}

fn unreadable(stored: &StoredEvent, error: &serde_json::Error) -> Unfolded {
    tracing::error!(tenant = %stored.tenant_id, position = stored.position, %error, "a stored event cannot be read");
    Unfolded::Event
}

/// A [`Stream`] whose aggregate type only its command knows.
pub(crate) trait AnyStream: Send + Sync {
    fn version(&self) -> i64;
    fn last_at(&self) -> DateTime<Utc>;
    fn bytes(&self) -> usize;
    /// Measures the state where what has come to it might have doubled it: a byte or so for each byte that was stored.
    fn settle(&mut self);
    fn snapshot_at(&self) -> i64;
    fn set_snapshot_at(&mut self, version: i64);
    fn state_text(&self) -> serde_json::Result<String>;
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
        BASE_BYTES + self.measured_bytes + self.added_bytes
    }

    fn settle(&mut self) {
        if self.added_bytes > self.measured_bytes.max(BASE_BYTES) {
            self.measured_bytes = measure(&self.state);
            self.added_bytes = 0;
        }
    }

    fn snapshot_at(&self) -> i64 {
        self.snapshot_at
    }

    fn set_snapshot_at(&mut self, version: i64) {
        self.snapshot_at = version;
    }

    fn state_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.state)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
