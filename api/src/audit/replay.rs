//! Streams as they are stored, and folded again by the domain's own `apply` up to a moment (ANA-38).

use chrono::{DateTime, Utc};
use holdfast_domain::event::{AnyAggregate, DecodeError};
use holdfast_domain::kernel::{TenantId, event_id};
use holdfast_eventlog::{EventLog, LogError, StoredEvent, StreamId, UnreadableEvent};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

/// Events of a stream that are held at the same time.
const CHUNK: i64 = 500;

/// A stored event, with payload and metadata as the bytes that were stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub stream_id: Uuid,
    /// The stream's version with this event: 1, 2, 3 …
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    /// Personal values in it are sealed, and stay so.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// Actor with roles, request, correlation, causation, when it happened.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
    pub recorded_at: DateTime<Utc>,
}

/// A stream's state after one of its events.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateView {
    pub stream_id: Uuid,
    pub aggregate_type: &'static str,
    /// How many events it is made of.
    pub version: i64,
    pub status: &'static str,
    /// Of the last event that it is made of.
    pub position: i64,
    pub recorded_at: DateTime<Utc>,
    /// The fields of the aggregate. Sealed values stay sealed.
    #[schema(value_type = Object)]
    pub state: serde_json::Value,
}

/// Up to where a stream is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Now,
    /// With this event of the stream.
    Sequence(i64),
    /// With the last event at or before this position of the tenant's log.
    Position(i64),
    /// With the last event that was recorded at or before.
    At(DateTime<Utc>),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("there is no such stream")]
    NoStream,
    #[error("streams of several aggregates have this id: {}", .0.join(", "))]
    Ambiguous(Vec<&'static str>),
    /// The stream has not begun, or has fewer events.
    #[error("the stream has no state there")]
    NoState,
    #[error("the log did not answer")]
    Log(#[from] LogError),
    #[error("a stored event cannot be read")]
    Unreadable(#[from] UnreadableEvent),
    #[error("a stored value cannot be shown")]
    Json(#[from] serde_json::Error),
}

impl From<DecodeError> for ReplayError {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(error.into())
    }
}

/// The tenant's stream with this id; of `aggregate_type`, where one is named.
///
/// # Errors
/// `NoStream`, `Ambiguous`, or when the log does not answer.
pub(crate) async fn find(log: &EventLog, tenant_id: TenantId, id: Uuid, aggregate_type: Option<&str>) -> Result<StreamId, ReplayError> {
    let mut found = log.streams_with_id(tenant_id, id).await?;
    found.retain(|stream| aggregate_type.is_none_or(|wanted| wanted == stream.aggregate_type));
    match found[..] {
        [] => Err(ReplayError::NoStream),
        [stream] => Ok(stream),
        [..] => Err(ReplayError::Ambiguous(found.iter().map(|stream| stream.aggregate_type).collect())),
    }
}

/// Up to `limit` events after `after`, in order.
///
/// # Errors
/// When the log does not answer or holds something that is no JSON.
pub(crate) async fn events(log: &EventLog, stream: StreamId, after: i64, limit: i64) -> Result<Vec<EventView>, ReplayError> {
    let stored = log.read_stream_as_tenant(stream, after, limit).await?;
    stored.into_iter().map(|event| view(stream, event)).collect()
}

fn view(stream: StreamId, event: StoredEvent) -> Result<EventView, ReplayError> {
    Ok(EventView {
        position: event.position,
        event_id: event_id(stream.tenant_id, stream.aggregate_type, stream.aggregate_id, event.sequence).uuid(),
        aggregate_type: event.aggregate_type,
        stream_id: event.aggregate_id,
        sequence: event.sequence,
        event_type: event.event_type,
        event_version: event.event_version,
        payload: RawValue::from_string(event.payload)?,
        metadata: RawValue::from_string(event.metadata)?,
        recorded_at: event.recorded_at,
    })
}

/// Folds the stream up to there.
///
/// # Errors
/// `NoState` before the first event or after the last version; when the log does not answer or cannot be read.
pub(crate) async fn state(log: &EventLog, stream: StreamId, until: Until) -> Result<StateView, ReplayError> {
    let mut fold = Fold::new(stream, until)?;
    loop {
        let chunk = log.read_stream_as_tenant(stream, fold.version, CHUNK).await?;
        let whole = chunk.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX);
        for event in &chunk {
            if !fold.take(event)? {
                return fold.end();
            }
        }
        if whole {
            return fold.end();
        }
    }
}

/// A stream on its way to a moment.
struct Fold {
    stream: StreamId,
    until: Until,
    aggregate: AnyAggregate,
    version: i64,
    last: Option<(i64, DateTime<Utc>)>,
}

impl Fold {
    fn new(stream: StreamId, until: Until) -> Result<Self, ReplayError> {
        Ok(Self { stream, until, aggregate: AnyAggregate::new(stream.aggregate_type)?, version: 0, last: None })
    }

    /// False when `event` lies behind the moment: then it is not taken, and neither is any after it.
    fn take(&mut self, event: &StoredEvent) -> Result<bool, ReplayError> {
        let within = match self.until {
            Until::Now => true,
            Until::Sequence(sequence) => event.sequence <= sequence,
            Until::Position(position) => event.position <= position,
            Until::At(at) => event.recorded_at <= at,
        };
        if within {
            self.aggregate.apply(&event.decode()?.event);
            self.version = event.sequence;
            self.last = Some((event.position, event.recorded_at));
        }
        Ok(within)
    }

    fn end(self) -> Result<StateView, ReplayError> {
        let (position, recorded_at) = self.last.ok_or(ReplayError::NoState)?;
        if matches!(self.until, Until::Sequence(sequence) if sequence != self.version) {
            return Err(ReplayError::NoState);
        }
        Ok(StateView {
            stream_id: self.stream.aggregate_id,
            aggregate_type: self.stream.aggregate_type,
            version: self.version,
            status: self.aggregate.status(),
            position,
            recorded_at,
            state: self.aggregate.state()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use holdfast_domain::bank_receipt::{BankReceipt, BankReceiptEvent};
    use holdfast_domain::event::AnyEvent;
    use holdfast_domain::kernel::{Money, PartyId};
    use serde_json::json;

    use super::*;

    const TENANT: TenantId = TenantId(Uuid::from_u128(1));
    const STREAM: StreamId =
        StreamId { tenant_id: TENANT, aggregate_type: <BankReceipt as cqrs_es::Aggregate>::TYPE, aggregate_id: Uuid::from_u128(2) };

    fn minute(n: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_366_400 + n * 60, 0).unwrap()
    }

    /// Recorded at position 10 and minute 1, assigned at position 20 and minute 2.
    fn stored() -> [StoredEvent; 2] {
        let amount = Money::try_new("10.00".parse().unwrap(), "EUR".parse().unwrap()).unwrap();
        let recorded = BankReceiptEvent::Recorded {
            bank_reference: "REF-1".to_owned(),
            amount,
            received_at: minute(0),
            payer_id: None,
            escrow_id: None,
            remitter: None,
        };
        let assigned = BankReceiptEvent::Assigned { amount, payer_id: PartyId(Uuid::from_u128(3)), escrow_id: None };
        let actor = json!({ "id": Uuid::nil(), "kind": "user", "roles": ["auditor"] });
        let metadata = |sequence| {
            json!({
                "eventId": event_id(TENANT, STREAM.aggregate_type, STREAM.aggregate_id, sequence), "actor": actor,
                "requestId": Uuid::nil(), "correlationId": Uuid::nil(), "occurredAt": minute(sequence),
            })
        };
        let event = |sequence: i64, event: &BankReceiptEvent| StoredEvent {
            tenant_id: TENANT,
            position: sequence * 10,
            aggregate_type: STREAM.aggregate_type.to_owned(),
            aggregate_id: STREAM.aggregate_id,
            sequence,
            event_type: AnyEvent::from(event.clone()).name().to_owned(),
            event_version: "1".to_owned(),
            payload: serde_json::to_string(event).unwrap(),
            metadata: metadata(sequence).to_string(),
            recorded_at: minute(sequence),
        };
        [event(1, &recorded), event(2, &assigned)]
    }

    fn folded(until: Until) -> Result<(i64, &'static str, i64), ReplayError> {
        let mut fold = Fold::new(STREAM, until)?;
        for event in &stored() {
            if !fold.take(event)? {
                break;
            }
        }
        fold.end().map(|view| (view.version, view.status, view.position))
    }

    #[test]
    fn a_stream_is_folded_up_to_a_version_a_position_or_a_time_and_not_beyond() {
        // ANA-38
        let (first, second) = ((1, "unapplied", 10), (2, "applied", 20));
        let between = minute(1) + chrono::TimeDelta::seconds(59);
        for (until, expected) in [
            (Until::Now, second),
            (Until::Sequence(1), first),
            (Until::Sequence(2), second),
            (Until::Position(10), first),
            (Until::Position(19), first),
            (Until::Position(20), second),
            (Until::Position(1_000), second),
            (Until::At(minute(1)), first),
            (Until::At(between), first),
            (Until::At(minute(2)), second),
        ] {
            assert_eq!(folded(until).unwrap(), expected, "{until:?}");
        }
    }

    #[test]
    fn there_is_no_state_before_the_first_event_and_no_version_after_the_last() {
        for until in [Until::Sequence(0), Until::Sequence(3), Until::Position(9), Until::At(minute(0))] {
            assert!(matches!(folded(until), Err(ReplayError::NoState)), "{until:?}");
        }
    }

    #[test]
    fn an_event_is_shown_as_the_bytes_that_were_stored() {
        let [mut event, _] = stored();
        event.payload = r#"{"b": 1,  "a":"1.10"}"#.to_owned();
        let view = view(STREAM, event).unwrap();
        assert_eq!(view.payload.get(), r#"{"b": 1,  "a":"1.10"}"#);
        assert_eq!(serde_json::to_value(&view).unwrap()["payload"]["a"], "1.10");
    }
}
