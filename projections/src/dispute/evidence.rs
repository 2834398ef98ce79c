//! Evidence: one row per piece, for ever (DSP-02, DSP-38).

use chrono::{DateTime, Utc};
use holdfast_domain::dispute::{Dispute, DisputeFact};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::runtime::{ApplyError, Event, Facts, Table};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DisputeEvidenceRow {
    pub dispute_id: Uuid,
    pub number: i64,
    pub event_id: Uuid,
    pub position: i64,
    pub asset_id: Uuid,
    pub sha256: String,
    pub mime: String,
    pub size: i64,
    pub submitted_by: Uuid,
    pub submitted_at: DateTime<Utc>,
    pub personal: Value,
}

/// One piece. Its file is read by `GET /v1/assets/{assetId}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct DisputeEvidence {
    /// 1, 2, 3 … within the case.
    pub number: i64,
    pub asset_id: Uuid,
    /// Of the file, when it became evidence; hex.
    pub sha256: String,
    pub mime: String,
    /// Bytes.
    pub size: i64,
    pub submitted_by: Uuid,
    pub submitted_at: DateTime<Utc>,
    /// Null when there is none, or when its writer was erased.
    #[sqlx(skip)]
    pub note: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    personal: Json<Map<String, Value>>,
}

impl Facts for DisputeEvidenceRow {
    const TABLE: Table = Table {
        name: "dispute_evidence",
        key: &["dispute_id", "number"],
        columns: &["event_id", "position", "asset_id", "sha256", "mime", "size", "submitted_by", "submitted_at", "personal"],
        exact: &[],
    };
    const PERSONAL: &'static [&'static str] = &["personal"];

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let Some(dispute) = event.event.of::<Dispute>() else { return Ok(Vec::new()) };
        let DisputeFact::EvidenceAdded { evidence } = &dispute.fact else { return Ok(Vec::new()) };
        let mut personal = Map::new();
        if let Some(note) = &evidence.note {
            personal.insert("note".to_owned(), json!({"subject": note.sealed().subject, "value": event.open(note)?}));
        }
        Ok(vec![Self {
            dispute_id: event.origin.aggregate_id,
            number: evidence.number.into(),
            event_id: event.id().uuid(),
            position: event.position,
            asset_id: evidence.asset_id.uuid(),
            sha256: evidence.sha256.clone(),
            mime: evidence.mime.clone(),
            size: i64::try_from(evidence.size).unwrap_or(i64::MAX),
            submitted_by: evidence.submitted_by.uuid(),
            submitted_at: dispute.at,
            personal: Value::Object(personal),
        }])
    }
}

impl DisputeEvidence {
    pub(super) const COLUMNS: &str = "number, asset_id, sha256, mime, size, submitted_by, submitted_at, personal";

    /// With its note where readers look for it.
    pub(super) fn joined(mut self) -> Self {
        self.note = self.personal.0.get("note").and_then(|held| held["value"].as_str()).map(str::to_owned);
        self
    }
}
