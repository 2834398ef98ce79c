//! The feed, page by page.

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate as _;
use holdfast_domain::asset::Asset;
use holdfast_domain::booking::Booking;
use holdfast_domain::contract::Contract;
use holdfast_domain::credits::Credits;
use holdfast_domain::dispute::Dispute;
use holdfast_domain::escrow::Escrow;
use holdfast_domain::job::Job;
use holdfast_domain::kernel::TenantId;
use holdfast_domain::wallet::Wallet;
use holdfast_eventlog::db::Pool;
use sqlx::FromRow;
use uuid::Uuid;

use crate::query::{QueryError, Read, Reading};
use crate::{asset, booking, contract, credits, dispute, escrow, job, wallet};

/// An event without its payload.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FeedEvent {
    pub position: i64,
    /// The event's name (`escrow.released`).
    pub name: String,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub sequence: i64,
    pub recorded_at: DateTime<Utc>,
    /// Who sees the aggregate as its own.
    pub parties: Vec<Uuid>,
    /// Everybody who may look at aggregates of this type sees this one.
    pub open: bool,
}

/// So many come on one page.
pub const MAX_EVENTS: usize = 200;

/// For each type that is seen by its parties, who they are: `a` is the event's row.
const PARTIES: &[(&str, &str)] = &[
    (Escrow::TYPE, escrow::PARTIES),
    (Wallet::TYPE, wallet::PARTIES),
    (Job::TYPE, job::PARTIES),
    (Booking::TYPE, booking::PARTIES),
    (Contract::TYPE, contract::PARTIES),
    (Dispute::TYPE, dispute::PARTIES),
    (Credits::TYPE, credits::PARTIES),
    (Asset::TYPE, asset::PARTIES),
];

/// The events after `after` up to the position that all of `projections` have reached, at most [`MAX_EVENTS`]. The answer's
/// position is where the next page begins: no event up to it is missing.
///
/// # Errors
/// When the database does not answer.
pub async fn feed(pool: &Pool, tenant_id: TenantId, projections: &[&str], after: i64) -> Result<Read<Vec<FeedEvent>>, QueryError> {
    let mut reading = Reading::begin(pool, tenant_id, projections).await?;
    let reached = reading.position();
    if reached <= after {
        return reading.end(Vec::new()).await;
    }
    let events: Vec<FeedEvent> = sqlx::query_as(&sql())
        .bind(tenant_id.uuid())
        .bind(after)
        .bind(reached)
        .bind(i64::try_from(MAX_EVENTS).unwrap_or(i64::MAX))
        .fetch_all(reading.connection())
        .await?;
    // Every position has its row: the last one tells how far the page goes.
    let end = events.last().map_or(reached, |event| event.position);
    let read = reading.end(events).await?;
    Ok(Read { position: end, value: read.value })
}

fn sql() -> String {
    let cases: String = PARTIES.iter().map(|(name, parties)| format!(" WHEN '{name}' THEN ({parties})")).collect();
    format!(
        "SELECT a.position, a.action AS name, a.entity_type AS aggregate_type, a.entity_id AS aggregate_id, a.sequence, a.recorded_at,
                array_remove(coalesce(CASE a.entity_type{cases} END, '{{}}'), NULL) AS parties,
                a.entity_type = '{}' AND coalesce(({}), false) AS open
         FROM audit_log a WHERE a.tenant_id = $1 AND a.position > $2 AND a.position <= $3 ORDER BY a.position LIMIT $4",
        Job::TYPE,
        job::OPEN
    )
}
