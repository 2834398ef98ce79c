//! Server-sent events as text: `id`, `event`, `data`, an empty line.

use chrono::{DateTime, Utc};
use holdfast_projections::push::FeedEvent;
use serde::Serialize;
use uuid::Uuid;

/// When a browser may come back after the connection was lost.
const RETRY_MS: u32 = 3_000;

/// What `data` says of an event. What has changed is found by asking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PushedEvent<'a> {
    /// Of the tenant's log: what `Last-Event-ID` and `X-Min-Position` take.
    position: i64,
    #[serde(rename = "type")]
    name: &'a str,
    aggregate_type: &'a str,
    aggregate_id: Uuid,
    /// The aggregate's version with this event.
    sequence: i64,
    recorded_at: DateTime<Utc>,
}

/// Why a stream was closed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Come back with a new token and `Last-Event-ID`.
    TokenExpired,
    /// Tokens of this session do not count any more.
    SessionRevoked,
    /// Come back at once: another process takes over.
    Shutdown,
    /// Come back later: it cannot be found out whether the session still counts.
    Unavailable,
}

impl Farewell {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::SessionRevoked => "session_revoked",
            Self::Shutdown => "shutdown",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The first thing that is sent.
pub(crate) fn ready(position: i64) -> String {
    format!("retry: {RETRY_MS}\nid: {position}\nevent: ready\ndata: {{\"position\":{position}}}\n\n")
}

/// One event.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn event(event: &FeedEvent) -> Result<String, serde_json::Error> {
    let FeedEvent { position, name, aggregate_type, aggregate_id, sequence, recorded_at, .. } = event;
    let pushed = PushedEvent {
        position: *position,
        name,
        aggregate_type,
        aggregate_id: *aggregate_id,
        sequence: *sequence,
        recorded_at: *recorded_at,
    };
    Ok(format!("id: {position}\nevent: {name}\ndata: {}\n\n", serde_json::to_string(&pushed)?))
}

/// Nothing happened that this client hears of. Moves the place from which it resumes; no browser shows it.
pub(crate) fn heartbeat(position: i64) -> String {
    format!(": still here\nid: {position}\n\n")
}

/// The last thing that is sent.
pub(crate) fn bye(why: Farewell) -> String {
    format!("event: bye\ndata: {{\"reason\":\"{}\"}}\n\n", why.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_data_without_its_payload() {
        // ANA-57
        let funded = FeedEvent {
            position: 12,
            name: "escrow.funded".to_owned(),
            aggregate_type: "escrow".to_owned(),
            aggregate_id: Uuid::from_u128(7),
            sequence: 3,
            recorded_at: "2026-03-01T12:00:00Z".parse().unwrap(),
            parties: vec![Uuid::from_u128(8)],
            open: false,
        };
        let expected = "id: 12\nevent: escrow.funded\ndata: {\"position\":12,\"type\":\"escrow.funded\",\"aggregateType\":\"escrow\",\
                        \"aggregateId\":\"00000000-0000-0000-0000-000000000007\",\"sequence\":3,\"recordedAt\":\"2026-03-01T12:00:00Z\"}\n\n";
        assert_eq!(event(&funded).unwrap(), expected);
        assert_eq!(bye(Farewell::TokenExpired), "event: bye\ndata: {\"reason\":\"token_expired\"}\n\n");
        assert_eq!(heartbeat(7), ": still here\nid: 7\n\n");
    }
}
