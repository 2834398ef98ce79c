//! An event as the bytes that are hashed. Every field with its length before it, so that no two events share their bytes.

use chrono::{DateTime, SecondsFormat, Utc};
use holdfast_domain::kernel::TenantId;

use super::tree::{self, Hash};
use crate::types::StoredEvent;

/// What is hashed of an event, as text.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    pub tenant_id: TenantId,
    pub position: i64,
    pub aggregate_type: &'a str,
    /// Hyphenated, lower case.
    pub aggregate_id: &'a str,
    pub sequence: i64,
    pub event_type: &'a str,
    pub event_version: &'a str,
    /// As [`recorded_text`] writes it.
    pub recorded_at: &'a str,
    /// The stored bytes.
    pub payload: &'a str,
    pub metadata: &'a str,
}

impl Leaf<'_> {
    #[must_use]
    pub fn hash(&self) -> Hash {
        let (tenant_id, position, sequence) = (self.tenant_id.uuid().to_string(), self.position.to_string(), self.sequence.to_string());
        let fields = [
            tenant_id.as_str(),
            &position,
            self.aggregate_type,
            self.aggregate_id,
            &sequence,
            self.event_type,
            self.event_version,
            self.recorded_at,
            self.payload,
            self.metadata,
        ];
        let mut input = Vec::with_capacity(fields.iter().map(|field| field.len() + 8).sum());
        for field in fields {
            input.extend_from_slice(&(field.len() as u64).to_be_bytes());
            input.extend_from_slice(field.as_bytes());
        }
        tree::leaf(&input)
    }
}

/// RFC 3339 in UTC with six decimals: what the database keeps, no more and no less.
pub(crate) fn recorded_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[must_use]
pub fn leaf_hash(event: &StoredEvent) -> Hash {
    Leaf {
        tenant_id: event.tenant_id,
        position: event.position,
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id.to_string(),
        sequence: event.sequence,
        event_type: &event.event_type,
        event_version: &event.event_version,
        recorded_at: &recorded_text(event.recorded_at),
        payload: &event.payload,
        metadata: &event.metadata,
    }
    .hash()
}
