//! Fires what is due.

use std::time::Duration;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use futures::StreamExt;
use holdfast_domain::asset::{Asset, AssetCommand};
use holdfast_domain::booking::{Booking, BookingCommand};
use holdfast_domain::credits::{Credits, CreditsCommand};
use holdfast_domain::escrow::{Escrow, EscrowCommand};
use holdfast_domain::kernel::{CorrelationId, RequestId, TenantAggregate, TenantId, derived_uuid};
use holdfast_domain::wallet::{Wallet, WalletCommand};
use holdfast_eventlog::db::Pool;
use holdfast_eventlog::failpoint;
use holdfast_eventlog::port::DueRow;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::reaction::system_actor;
use crate::request::{Accepted, IdempotencyKey, KeyOwner, Refusal, Request};
use crate::writer::Writers;

const KEY_OWNER: &str = "deadlines";

/// Taken per round; several workers share the work by skipping each other's locks.
const ROUND: i64 = 128;

/// Asks the aggregates whose deadlines have come. Any number may run.
pub struct DeadlineWorker {
    pool: Pool,
    writers: Writers,
    every: Duration,
}

#[derive(Debug, sqlx::FromRow)]
struct Due {
    tenant_id: Uuid,
    aggregate_type: String,
    aggregate_id: Uuid,
    key: String,
    due_at: DateTime<Utc>,
    attempts: i32,
    database_now: DateTime<Utc>,
}

impl From<DueRow> for Due {
    fn from(row: DueRow) -> Self {
        let DueRow { tenant_id, aggregate_type, aggregate_id, key, due_at, attempts, database_now } = row;
        Self { tenant_id, aggregate_type, aggregate_id, key, due_at, attempts, database_now }
    }
}

impl DeadlineWorker {
    /// `pool`: the role `reactor`; looks every `every`.
    #[must_use]
    pub fn new(pool: Pool, writers: Writers, every: Duration) -> Self {
        Self { pool, writers, every }
    }

    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let pause = match self.round().await {
                Ok(fired) if fired > 0 => Duration::from_millis(10),
                Ok(_) => self.every,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "due deadlines could not be read");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Claims what is due and fires it. The row stays until the log answers: a lost claim fires again, later each time.
    async fn round(&self) -> Result<usize, sqlx::Error> {
        let claim = "UPDATE deadlines d SET attempts = d.attempts + 1, claimed_until = now() + least(interval '1 hour', interval '2 seconds' * power(2, least(d.attempts, 12)))
             FROM (SELECT tenant_id, aggregate_type, aggregate_id, key FROM deadlines
                   WHERE due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
                   ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
             WHERE d.tenant_id = due.tenant_id AND d.aggregate_type = due.aggregate_type AND d.aggregate_id = due.aggregate_id AND d.key = due.key
             RETURNING d.tenant_id, d.aggregate_type, d.aggregate_id, d.key, d.due_at, d.attempts, clock_timestamp() AS database_now";
        let (clock, before) = (self.writers.clock(), self.writers.clock().now());
        let due: Vec<Due> = match self.pool.port() {
            Some(port) => port.claim_due(ROUND).await?.into_iter().map(Due::from).collect(),
            None => sqlx::query_as(claim).bind(ROUND).fetch_all(&mut *self.pool.acquire().await?).await?,
        };
        // Only one of the two clocks says that they are due, if they disagree: none fires, and the claims pass.
        if let Some(Due { database_now, .. }) = due.first() {
            clock.observe(before, *database_now, clock.now());
            if clock.is_off() {
                tracing::warn!(waiting = due.len(), "deadlines wait until the clocks of process and database agree again");
                return Ok(0);
            }
        }
        let fired = due.len();
        metrics::counter!("holdfast_deadlines_fired_total").increment(fired as u64);
        futures::stream::iter(due).for_each_concurrent(16, |due| self.fire(due)).await;
        Ok(fired)
    }

    async fn fire(&self, due: Due) {
        let answer = match due.aggregate_type.as_str() {
            Escrow::TYPE => self.execute::<Escrow>(&due, EscrowCommand::MeetDeadline { key: due.key.clone(), at: due.due_at }).await,
            Wallet::TYPE => self.execute::<Wallet>(&due, WalletCommand::MeetDeadline { key: due.key.clone(), at: due.due_at }).await,
            Credits::TYPE => self.execute::<Credits>(&due, CreditsCommand::MeetDeadline { key: due.key.clone(), at: due.due_at }).await,
            Booking::TYPE => self.execute::<Booking>(&due, BookingCommand::MeetDeadline { key: due.key.clone(), at: due.due_at }).await,
            Asset::TYPE => self.execute::<Asset>(&due, AssetCommand::MeetDeadline { key: due.key.clone(), at: due.due_at }).await,
            other => {
                tracing::error!(aggregate = other, "a deadline of an aggregate that has none");
                return;
            }
        };
        failpoint::reached("deadlines.after_fire");
        if let Err(refusal) = answer {
            tracing::warn!(tenant = %due.tenant_id, aggregate = due.aggregate_type, id = %due.aggregate_id, key = due.key, %refusal, "a deadline was not met");
        }
    }

    async fn execute<A: TenantAggregate>(&self, due: &Due, command: A::Command) -> Result<Accepted, Refusal> {
        let tenant_id = TenantId(due.tenant_id);
        let name = format!("{}/{}/{}/{}", due.aggregate_id, due.key, due.due_at.timestamp_micros(), due.attempts);
        let cause = derived_uuid(tenant_id, due.aggregate_id, &name, 0);
        let request = Request::<A> {
            tenant_id,
            aggregate_id: due.aggregate_id,
            command,
            actor: system_actor(),
            request_id: RequestId(cause),
            correlation_id: CorrelationId(cause),
            causation_id: None,
            hops: 0,
            key: Some(IdempotencyKey { owner: KeyOwner::System(KEY_OWNER), key: name, request_hash: Vec::new() }),
            if_match: None,
            // The database says that it is due; this process's clock may be behind.
            not_before: Some(due.due_at),
        };
        self.writers.execute(request).await
    }
}
