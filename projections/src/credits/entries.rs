//! How credits came and went: one row per entry, for ever (LED-07, LED-24).

use chrono::{DateTime, Utc};
use holdfast_domain::credits::{Credits, CreditsFact, CreditsOwner, LotPart};
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::db::Pool;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::credits::PROJECTION;
use crate::query::{List, Page, QueryError, Read, Reading};
use crate::runtime::{ApplyError, Event, Facts, Table};

holdfast_domain::named! {
    /// LED-07; a reservation moves units aside and back.
    EntryKind {
        /// Given.
        Issue = "issue",
        /// Bought.
        Sell = "sell",
        Consume = "consume",
        Expire = "expire",
        Revoke = "revoke",
        Reserve = "reserve",
        /// Back from a reservation.
        Release = "release",
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntryRow {
    pub credits_id: Uuid,
    pub sequence: i64,
    pub entry: i16,
    pub position: i64,
    pub kind: EntryKind,
    pub units: i64,
    pub expires_at: Option<DateTime<Utc>>,
    pub reservation_id: Option<Uuid>,
    pub ref_type: Option<String>,
    pub ref_id: Option<Uuid>,
    pub reason: Option<String>,
    pub parts: Vec<LotPart>,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

impl Facts for EntryRow {
    const TABLE: Table = Table {
        name: "credits_entries",
        key: &["credits_id", "sequence", "entry"],
        columns: &[
            "position",
            "kind",
            "units",
            "expires_at",
            "reservation_id",
            "ref_type",
            "ref_id",
            "reason",
            "parts",
            "occurred_at",
            "recorded_at",
        ],
        exact: &[],
    };

    fn rows(event: &Event<'_>) -> Result<Vec<Self>, ApplyError> {
        let Some(credits) = event.event.of::<Credits>() else { return Ok(Vec::new()) };
        let row = |kind, units, parts: &[LotPart]| Self {
            credits_id: event.origin.aggregate_id,
            sequence: event.origin.sequence,
            entry: 1,
            position: event.position,
            kind,
            units,
            expires_at: None,
            reservation_id: None,
            ref_type: None,
            ref_id: None,
            reason: None,
            parts: parts.to_vec(),
            occurred_at: event.metadata.occurred_at,
            recorded_at: event.recorded_at,
        };
        let sum = |parts: &[LotPart]| parts.iter().map(|part| part.units).sum::<i64>();
        Ok(match &credits.fact {
            CreditsFact::Issued { units, expires_at, reason, .. } => {
                vec![Self { expires_at: *expires_at, reason: Some(reason.clone()), ..row(EntryKind::Issue, *units, &[]) }]
            }
            CreditsFact::Sold { units, expires_at, wallet_id, .. } => {
                let (ref_type, ref_id) = (Some("wallet".to_owned()), Some(wallet_id.uuid()));
                vec![Self { expires_at: *expires_at, ref_type, ref_id, ..row(EntryKind::Sell, *units, &[]) }]
            }
            CreditsFact::Reserved { reservation_id, units, until, reference, parts } => vec![Self {
                expires_at: Some(*until),
                reservation_id: Some(reservation_id.uuid()),
                ref_type: Some(reference.ref_type.clone()),
                ref_id: Some(reference.ref_id),
                ..row(EntryKind::Reserve, *units, parts)
            }],
            CreditsFact::Released { reservation_id, returned, expired, .. } => {
                let reservation_id = Some(reservation_id.uuid());
                let entry = |entry, kind, parts: &[LotPart]| Self { entry, reservation_id, ..row(kind, sum(parts), parts) };
                let both = [entry(1, EntryKind::Release, returned), entry(2, EntryKind::Expire, expired)];
                both.into_iter().filter(|entry| entry.units > 0).collect()
            }
            CreditsFact::Consumed { units, parts, drawn, reference, .. } => vec![Self {
                reservation_id: drawn.map(|drawn| drawn.reservation_id.uuid()),
                ref_type: Some(reference.ref_type.clone()),
                ref_id: Some(reference.ref_id),
                ..row(EntryKind::Consume, *units, parts)
            }],
            CreditsFact::Revoked { units, parts, reason, .. } => {
                vec![Self { reason: Some(reason.clone()), ..row(EntryKind::Revoke, *units, parts) }]
            }
            CreditsFact::Expired { part } => vec![row(EntryKind::Expire, part.units, std::slice::from_ref(part))],
        })
    }
}

/// One line of the credits ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct CreditsEntry {
    pub sequence: i64,
    pub entry: i16,
    pub position: i64,
    /// `issue`, `sell`, `consume`, `expire`, `revoke`, `reserve` or `release`.
    pub kind: String,
    /// Always above zero; the kind says whether they came or went.
    pub units: i64,
    /// Of a lot that came; of a reservation its end.
    pub expires_at: Option<DateTime<Utc>>,
    pub reservation_id: Option<Uuid>,
    /// What the units were for.
    pub ref_type: Option<String>,
    pub ref_id: Option<Uuid>,
    pub reason: Option<String>,
    /// Which units of which lots, with the money behind those that were sold.
    #[schema(value_type = Vec<Object>)]
    pub parts: Json<Value>,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Recorded at or after.
    pub from: Option<DateTime<Utc>>,
    /// Recorded before.
    pub to: Option<DateTime<Utc>>,
    pub kind: Option<EntryKind>,
}

/// The owner's entries, newest first; none for whoever never had any.
///
/// # Errors
/// `InvalidCursor`, or when the database does not answer.
pub async fn entries(
    pool: &Pool,
    tenant_id: TenantId,
    owner: CreditsOwner,
    filter: &EntryFilter,
    page: &Page,
) -> Result<Read<List<CreditsEntry>>, QueryError> {
    const SORT: &str = "credits_entries";
    let after: Option<(i64, i16)> = page.after(SORT)?;
    let mut reading = Reading::begin(pool, tenant_id, &[PROJECTION]).await?;
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT sequence, entry, position, kind, units, expires_at, reservation_id, ref_type, ref_id, reason, parts, occurred_at, recorded_at
         FROM credits_entries WHERE tenant_id = ",
    );
    sql.push_bind(tenant_id.uuid()).push(" AND credits_id = ").push_bind(owner.credits_id(tenant_id).uuid());
    if let Some(from) = filter.from {
        sql.push(" AND recorded_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND recorded_at < ").push_bind(to);
    }
    if let Some(kind) = filter.kind {
        sql.push(" AND kind = ").push_bind(kind.as_str());
    }
    if let Some((sequence, entry)) = after {
        sql.push(" AND (sequence, entry) < (").push_bind(sequence).push(", ").push_bind(entry).push(")");
    }
    sql.push(" ORDER BY sequence DESC, entry DESC LIMIT ").push_bind(page.fetch());
    let rows: Vec<CreditsEntry> = sql.build_query_as().fetch_all(reading.connection()).await?;
    let list = page.list(SORT, rows, |row| (row.sequence, row.entry))?;
    reading.end(list).await
}
