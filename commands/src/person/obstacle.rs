//! What stands against erasing a person, from the log and the keys: never from a read model (protocols 2.7).
//!
//! Asked before the command, not with it: a case that is opened in the same moment is not seen (docs/privacy.md).

use cqrs_es::Aggregate as _;
use holdfast_domain::contract::Contract;
use holdfast_domain::dispute::{Dispute, DisputeStatus};
use holdfast_domain::kernel::{PartyId, TenantId};
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::{EventLog, LogError, StreamId};
use uuid::Uuid;

/// Why a person cannot be erased now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The tenant has sealed nothing for anybody of this id.
    Unknown,
    /// It is the id of a contract, whose text is sealed under its own key and is kept as evidence.
    Contract,
    /// The person is a party to cases that are not closed: what they said is evidence until then (CNF-33).
    OpenDisputes(Vec<Uuid>),
}

#[derive(Debug, thiserror::Error)]
pub enum ObstacleError {
    #[error("the write database does not answer")]
    Database(#[from] sqlx::Error),
    #[error("the log cannot be read")]
    Log(#[from] LogError),
}

/// None: they may be erased. `pool`: the write database as `holdfast_writer`.
///
/// # Errors
/// When the database does not answer.
pub async fn obstacle(pool: &Pool, log: &EventLog, tenant_id: TenantId, subject: PartyId) -> Result<Option<Obstacle>, ObstacleError> {
    let known = "SELECT EXISTS (SELECT FROM subject_keys WHERE tenant_id = $1 AND subject = $2)";
    let known: bool = sqlx::query_scalar(known).bind(tenant_id.uuid()).bind(subject.uuid()).fetch_one(&mut *pool.acquire().await?).await?;
    if !known {
        return Ok(Some(Obstacle::Unknown));
    }
    let contract = StreamId { tenant_id, aggregate_type: Contract::TYPE, aggregate_id: subject.uuid() };
    if !log.read_stream(contract, 0, 1).await?.is_empty() {
        return Ok(Some(Obstacle::Contract));
    }
    let open = open_disputes(pool, log, tenant_id, subject).await?;
    Ok((!open.is_empty()).then_some(Obstacle::OpenDisputes(open)))
}

/// Whose parties are said when a case is opened: only first events are looked through.
async fn open_disputes(pool: &Pool, log: &EventLog, tenant_id: TenantId, subject: PartyId) -> Result<Vec<Uuid>, ObstacleError> {
    let naming = "SELECT aggregate_id FROM events
                  WHERE tenant_id = $1 AND aggregate_type = $2 AND sequence = 1 AND position($3 in payload::text) > 0 ORDER BY aggregate_id";
    let cases: Vec<Uuid> = sqlx::query_scalar(naming)
        .bind(tenant_id.uuid())
        .bind(Dispute::TYPE)
        .bind(subject.uuid().to_string())
        .fetch_all(&mut *pool.acquire().await?)
        .await?;
    let mut open = Vec::new();
    for aggregate_id in cases {
        let mut dispute = Dispute::default();
        for stored in log.read_stream(StreamId { tenant_id, aggregate_type: Dispute::TYPE, aggregate_id }, 0, i64::from(i32::MAX)).await? {
            if let Some(event) = stored.decode().map_err(LogError::from)?.event.of::<Dispute>() {
                dispute.apply(event.clone());
            }
        }
        let party = dispute.case().is_some_and(|case| [case.facts.payer_id, case.facts.payee_id, case.raised_by].contains(&subject));
        if party && dispute.status() != DisputeStatus::Closed {
            open.push(aggregate_id);
        }
    }
    Ok(open)
}
