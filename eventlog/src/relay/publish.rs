//! Publishing events with their acks in flight, and the checkpoint after the acks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture, PublishError};
use async_nats::jetstream::message::PublishMessage;
use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use uuid::Uuid;

use super::SUBSCRIPTION;
use super::leadership::Proof;
use crate::db::Pool;
use crate::nats::{self, Nats, NatsError};
use crate::subscription::{ConsumeError, Consumer, FeedEvent};
use crate::types::StoredEvent;
use crate::{EventLog, LogError};

/// Publishes of one batch that wait for their ack at the same time.
const IN_FLIGHT: usize = 256;
const ACK_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Publisher {
    pool: Pool,
    nats: Nats,
    jetstream: jetstream::Context,
    proof: Proof,
    /// The stream was there when we last looked; looked at again after every failure.
    stream_is_there: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
enum PublishFailure {
    #[error("the leadership is not certain")]
    NotLeader,
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error("an event was not taken")]
    Publish(#[from] PublishError),
    #[error("an event cannot be encoded")]
    Encode(#[from] serde_json::Error),
}

impl Publisher {
    pub(super) fn new(pool: Pool, nats: Nats, proof: Proof) -> Self {
        let jetstream = context(&nats);
        Self { pool, nats, jetstream, proof, stream_is_there: AtomicBool::new(false) }
    }

    async fn publish(&self, events: &[Arc<FeedEvent>]) -> Result<(), PublishFailure> {
        if !self.proof.is_fresh() {
            return Err(PublishFailure::NotLeader);
        }
        // A missing stream does not show as "no responders" while our own plain subscriptions listen: it has to be asked for.
        if !self.stream_is_there.load(Ordering::Relaxed) {
            self.nats.ensure_stream().await?;
            self.stream_is_there.store(true, Ordering::Relaxed);
        }
        let events = events.iter().map(|event| &***event);
        let published = publish_all(&self.nats, &self.jetstream, events, |event| format!("{}:{}", event.tenant_id, event.position)).await;
        // Wiped, perhaps. The batch is repeated.
        self.stream_is_there.fetch_and(published.is_ok(), Ordering::Relaxed);
        published
    }

    /// Moves the checkpoint unless somebody else has.
    async fn move_checkpoint(&self, tenant_id: TenantId, from: i64, to: i64) -> Result<(), ConsumeError> {
        let moved = sqlx::query(
            "INSERT INTO subscription_checkpoints AS c (tenant_id, subscription, position) VALUES ($1, $2, $4)
             ON CONFLICT (tenant_id, subscription) DO UPDATE SET position = excluded.position WHERE c.position = $3",
        )
        .bind(tenant_id.uuid())
        .bind(SUBSCRIPTION)
        .bind(from)
        .bind(to)
        .execute(&mut *self.pool.acquire().await?)
        .await?;
        if moved.rows_affected() == 1 { Ok(()) } else { Err(ConsumeError::Moved) }
    }
}

impl Consumer for Publisher {
    fn name(&self) -> &'static str {
        SUBSCRIPTION
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        Box::pin(async move {
            let rows: Vec<(Uuid, i64)> = sqlx::query_as("SELECT tenant_id, position FROM subscription_checkpoints WHERE subscription = $1")
                .bind(SUBSCRIPTION)
                .fetch_all(&mut *self.pool.acquire().await?)
                .await?;
            Ok(rows.into_iter().map(|(tenant_id, position)| (TenantId(tenant_id), position)).collect())
        })
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move {
            let Some(last) = events.last() else { return Ok(()) };
            self.publish(events).await.map_err(|error| ConsumeError::Failed(Box::new(error)))?;
            self.move_checkpoint(tenant_id, after, last.position).await?;
            metrics::counter!("holdfast_relay_published_total").increment(events.len() as u64);
            let lag = chrono::Utc::now().signed_duration_since(last.recorded_at);
            metrics::histogram!("holdfast_relay_lag_seconds").record(lag.to_std().unwrap_or_default());
            Ok(())
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RepublishError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the events were not published")]
    Publish(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Publishes positions `after + 1 ..= through` of a tenant once more, for outside consumers who lost them. `run` makes the
/// message ids new, so that the stream does not take them for duplicates. Returns how many events were published.
///
/// # Errors
/// When the log or NATS does not answer. Nothing is undone; another try with the same `run` publishes only what is missing.
pub async fn republish(
    log: &EventLog,
    nats: &Nats,
    tenant_id: TenantId,
    after: i64,
    through: i64,
    run: u32,
) -> Result<u64, RepublishError> {
    let jetstream = context(nats);
    let (mut after, mut published) = (after, 0);
    while after < through {
        let events = log.read(tenant_id, after, (through - after).min(500)).await?;
        let Some(last) = events.last() else { break };
        after = last.position;
        published += events.len() as u64;
        publish_all(nats, &jetstream, events.iter(), |event| format!("{}:{}:r{run}", event.tenant_id, event.position))
            .await
            .map_err(|error| RepublishError::Publish(Box::new(error)))?;
    }
    Ok(published)
}

/// Its own limit is out of reach: batches of several tenants that each hold a part of it would wait for each other.
fn context(nats: &Nats) -> jetstream::Context {
    ContextBuilder::new().ack_timeout(ACK_WITHIN).timeout(ACK_WITHIN).max_ack_inflight(1 << 20).build(nats.client().clone())
}

/// In the given order; returns when all are acknowledged. After a failure some may be published.
async fn publish_all<'a>(
    nats: &Nats,
    jetstream: &jetstream::Context,
    events: impl Iterator<Item = &'a StoredEvent>,
    message_id: impl Fn(&StoredEvent) -> String,
) -> Result<(), PublishFailure> {
    if !nats.is_connected() {
        return Err(NatsError::NotConnected.into()); // else they would wait in the client's buffer
    }
    let mut acks: VecDeque<PublishAckFuture> = VecDeque::with_capacity(IN_FLIGHT);
    for event in events {
        let message = PublishMessage::build().message_id(message_id(event)).payload(nats::encode(event)?.into());
        if acks.len() == IN_FLIGHT
            && let Some(oldest) = acks.pop_front()
        {
            oldest.await?;
        }
        acks.push_back(jetstream.send_publish(nats.subject(event), message).await?);
    }
    for ack in acks {
        ack.await?;
    }
    Ok(())
}
