//! An event as a `CloudEvents` 1.0 JSON message, from which the stored event can be made again byte for byte.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, SubsecRound as _, Utc};
use holdfast_domain::kernel::{TenantId, event_id};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::types::StoredEvent;

/// Attributes without `data`. Extension attributes are lower case and never objects (`CloudEvents` 1.0), so metadata is
/// its text in a string.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: Uuid,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    subject: Uuid,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    tenantid: TenantId,
    position: i64,
    sequence: i64,
    #[serde(borrow)]
    aggregatetype: Cow<'a, str>,
    aggregateid: Uuid,
    #[serde(borrow)]
    eventversion: Cow<'a, str>,
    #[serde(borrow)]
    metadata: Cow<'a, str>,
}

const SPEC_VERSION: &str = "1.0";
const CONTENT_TYPE: &str = "application/json";

fn source(tenant_id: TenantId) -> String {
    format!("/holdfast/tenants/{tenant_id}")
}

impl Envelope<'_> {
    /// What follows from other attributes is what it must be; the rest only the log can confirm.
    fn agrees_with_itself(&self) -> bool {
        self.specversion == SPEC_VERSION
            && self.datacontenttype == CONTENT_TYPE
            && self.source == source(self.tenantid)
            && self.subject == self.aggregateid
            && self.id == event_id(self.tenantid, &self.aggregatetype, self.aggregateid, self.sequence).0
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(flatten, borrow)]
    envelope: Envelope<'a>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Debug, thiserror::Error)]
pub enum UnreadableMessage {
    #[error("not a CloudEvents message of a tenant log")]
    Shape(#[from] serde_json::Error),
    #[error("unreadable time")]
    Time(#[from] chrono::ParseError),
    /// Postgres keeps microseconds: a finer time is none of a log's.
    #[error("a time finer than microseconds")]
    FinerTime,
    /// Its id or source, which follow from the others, are not those that they would be.
    #[error("its attributes contradict each other")]
    Contradiction,
}

/// `<prefix>.<tenant>.<aggregate>.<event>`: `events.0190….escrow.funded`.
#[must_use]
pub fn subject(prefix: &str, event: &StoredEvent) -> String {
    format!("{prefix}.{}.{}.{}", event.tenant_id, event.aggregate_type, happened(&event.aggregate_type, &event.event_type))
}

/// The last token: `funded`; with its own prefix when that is not the aggregate's name (`hold_placed`).
pub(super) fn happened(aggregate_type: &str, event_type: &str) -> String {
    let happened = event_type.strip_prefix(aggregate_type).and_then(|rest| rest.strip_prefix('.')).unwrap_or(event_type);
    happened.replace('.', "_")
}

/// # Errors
/// Never for events that were read from the log.
pub fn encode(event: &StoredEvent) -> Result<Vec<u8>, serde_json::Error> {
    let envelope = Envelope {
        specversion: Cow::Borrowed(SPEC_VERSION),
        id: event_id(event.tenant_id, &event.aggregate_type, event.aggregate_id, event.sequence).0,
        source: Cow::Owned(source(event.tenant_id)),
        event_type: Cow::Borrowed(&event.event_type),
        subject: event.aggregate_id,
        time: Cow::Owned(event.recorded_at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        datacontenttype: Cow::Borrowed(CONTENT_TYPE),
        tenantid: event.tenant_id,
        position: event.position,
        sequence: event.sequence,
        aggregatetype: Cow::Borrowed(&event.aggregate_type),
        aggregateid: event.aggregate_id,
        eventversion: Cow::Borrowed(&event.event_version),
        metadata: Cow::Borrowed(&event.metadata),
    };
    let mut message = serde_json::to_vec(&envelope)?;
    // The payload goes in as it is stored: parsing it only to write it again would change nothing but the time it takes.
    message.pop();
    message.extend_from_slice(b",\"data\":");
    message.extend_from_slice(event.payload.as_bytes());
    message.push(b'}');
    Ok(message)
}

/// # Errors
/// When the message was not made by [`encode`].
pub fn decode(message: &[u8]) -> Result<StoredEvent, UnreadableMessage> {
    let Message { envelope, data } = serde_json::from_slice(message)?;
    if !envelope.agrees_with_itself() {
        return Err(UnreadableMessage::Contradiction);
    }
    let recorded_at = DateTime::parse_from_rfc3339(&envelope.time)?.with_timezone(&Utc);
    if recorded_at.trunc_subsecs(6) != recorded_at {
        return Err(UnreadableMessage::FinerTime);
    }
    Ok(StoredEvent {
        tenant_id: envelope.tenantid,
        position: envelope.position,
        aggregate_type: envelope.aggregatetype.into_owned(),
        aggregate_id: envelope.aggregateid,
        sequence: envelope.sequence,
        event_type: envelope.event_type.into_owned(),
        event_version: envelope.eventversion.into_owned(),
        payload: data.get().to_owned(),
        metadata: envelope.metadata.into_owned(),
        recorded_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> StoredEvent {
        StoredEvent {
            tenant_id: TenantId(Uuid::from_u128(1)),
            position: 7,
            aggregate_type: "escrow".into(),
            aggregate_id: Uuid::from_u128(2),
            sequence: 3,
            event_type: "escrow.funded".into(),
            event_version: "1".into(),
            payload: "{ \"b\":1.10,\n \"a\" : \"é \\u00e9 \\\" 👍\", \"a\":null}".into(),
            metadata: " {\"actor\": \"\\\"x\\\"\"} ".into(),
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_123_450).unwrap(),
        }
    }

    #[test]
    fn a_message_becomes_the_stored_event_again() {
        let event = stored();
        assert_eq!(decode(&encode(&event).unwrap()).unwrap(), event);
    }

    #[test]
    fn a_message_is_a_valid_cloud_event() {
        let message: serde_json::Value = serde_json::from_slice(&encode(&stored()).unwrap()).unwrap();
        for (attribute, value) in message.as_object().unwrap() {
            assert!(attribute.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) && attribute.len() <= 20);
            assert!(attribute == "data" || value.is_string() || value.is_i64());
        }
        for required in ["specversion", "id", "source", "type"] {
            assert!(message.get(required).is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty())));
        }
        assert_eq!(subject("events", &stored()), "events.00000000-0000-0000-0000-000000000001.escrow.funded");
    }

    #[test]
    fn something_else_is_refused() {
        assert!(decode(b"hello").is_err());
        assert!(decode(br#"{"specversion":"1.0","data":1}"#).is_err());
    }
}
