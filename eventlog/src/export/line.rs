//! The lines of an export, as they are written and read. Nothing unknown is accepted when they are read.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;
use serde::{Deserialize, Serialize};

use crate::seal::{Hash, Leaf, Seal, hex_hash};
use crate::types::StoredEvent;

pub(super) const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct HexHash(#[serde(with = "hex_hash")] pub(super) Hash);

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Header {
    /// `export`
    pub(super) holdfast: String,
    pub(super) version: u32,
    pub(super) tenant_id: TenantId,
    /// The lines begin with position `after + 1` …
    pub(super) after: i64,
    /// … and end with this one, the size of the seal.
    pub(super) through: i64,
    /// Complete subtrees of the events up to `after`, largest first.
    pub(super) prefix: Vec<HexHash>,
    /// Filters: where there are none, no event may be left out.
    pub(super) types: Vec<String>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
}

impl Header {
    pub(super) fn new(
        tenant_id: TenantId,
        after: i64,
        through: i64,
        prefix: Vec<Hash>,
        types: &BTreeSet<String>,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    ) -> Self {
        let prefix = prefix.into_iter().map(HexHash).collect();
        let types = types.iter().cloned().collect();
        Self { holdfast: "export".to_owned(), version: VERSION, tenant_id, after, through, prefix, types, from, to }
    }

    pub(super) fn is_filtered(&self) -> bool {
        !self.types.is_empty() || self.from.is_some() || self.to.is_some()
    }
}

/// An event in full; payload and metadata are the stored text, character for character.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Event {
    pub(super) position: i64,
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    event_type: String,
    event_version: String,
    recorded_at: String,
    payload: String,
    metadata: String,
}

impl Event {
    pub(super) fn of(event: &StoredEvent) -> Self {
        Self {
            position: event.position,
            aggregate_type: event.aggregate_type.clone(),
            aggregate_id: event.aggregate_id.to_string(),
            sequence: event.sequence,
            event_type: event.event_type.clone(),
            event_version: event.event_version.clone(),
            recorded_at: crate::seal::Stamp::of(event.recorded_at).as_str().to_owned(),
            payload: event.payload.clone(),
            metadata: event.metadata.clone(),
        }
    }

    pub(super) fn hash(&self, tenant_id: TenantId) -> Hash {
        let Self { position, aggregate_type, aggregate_id, sequence, event_type, event_version, recorded_at, payload, metadata } = self;
        let (position, sequence) = (*position, *sequence);
        Leaf { tenant_id, position, aggregate_type, aggregate_id, sequence, event_type, event_version, recorded_at, payload, metadata }
            .hash()
    }
}

/// An event that the filters leave out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LeftOut {
    pub(super) position: i64,
    pub(super) leaf_hash: HexHash,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Footer {
    /// `footer`
    pub(super) holdfast: String,
    pub(super) events: i64,
    pub(super) left_out: i64,
    pub(super) seal: Seal,
}

impl Footer {
    pub(super) fn new(events: i64, left_out: i64, seal: Seal) -> Self {
        Self { holdfast: "footer".to_owned(), events, left_out, seal }
    }
}

/// With the line break.
pub(super) fn text<T: Serialize>(line: &T) -> String {
    serde_json::to_string(line).unwrap_or_default() + "\n" // strings and numbers only: cannot fail, and an empty line would be refused
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::seal::leaf_hash;

    #[test]
    fn a_line_has_the_hash_of_its_event() {
        let event = StoredEvent {
            tenant_id: TenantId(Uuid::from_u128(1)),
            position: 7,
            aggregate_type: "wallet".to_owned(),
            aggregate_id: Uuid::from_u128(2),
            sequence: 3,
            event_type: "wallet.credited".to_owned(),
            event_version: "1".to_owned(),
            payload: "{\"a\" : \"ü\\n\u{2028}\"}".to_owned(),
            metadata: "{}".to_owned(),
            recorded_at: "2026-01-02T03:04:05.000600Z".parse().unwrap(),
        };
        let line: Event = serde_json::from_str(&text(&Event::of(&event))).unwrap();
        assert_eq!(line.hash(event.tenant_id), leaf_hash(&event));
    }
}
