//! Publishing events with their acks in flight, and the checkpoint after the acks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture, PublishError};
use async_nats::jetstream::message::PublishMessage;
use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use tokio::sync::RwLockReadGuard;

use super::SUBSCRIPTION;
use super::leadership::Proof;
use super::whole::{HealError, Known, WholeStream};
use crate::nats::{self, Nats, NatsError};
use crate::port::{Ack, Acknowledged, MessageServer};
use crate::subscription::{ConsumeError, Consumer, FeedEvent};
use crate::types::StoredEvent;
use crate::{EventLog, LogError, failpoint};

/// Publishes of one batch that wait for their ack at the same time.
const IN_FLIGHT: usize = 256;
const ACK_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Publisher {
    log: EventLog,
    nats: Nats,
    line: Line,
    proof: Proof,
    /// A missing stream does not show as "no responders" while our own plain subscriptions listen: it has to be asked for.
    stream: Arc<WholeStream>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum PublishFailure {
    #[error("the leadership is not certain")]
    NotLeader,
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error("an event was not taken")]
    Publish(#[from] PublishError),
    #[error("an event cannot be encoded")]
    Encode(#[from] serde_json::Error),
    #[error("the stream is not whole")]
    Heal(#[from] Box<HealError>),
}

impl Publisher {
    pub(super) fn new(log: EventLog, nats: Nats, proof: Proof, stream: Arc<WholeStream>) -> Self {
        let line = Line::of(&nats);
        Self { log, nats, line, proof, stream }
    }

    /// As long as what it returns is held, nobody fills the stream.
    async fn publish(&self, events: &[Arc<FeedEvent>]) -> Result<RwLockReadGuard<'_, Known>, PublishFailure> {
        if !self.proof.is_fresh() {
            return Err(PublishFailure::NotLeader);
        }
        let ready = self.stream.ready().await.map_err(Box::new)?;
        let events = events.iter().map(|event| &***event);
        let published = publish_all(&self.nats, ready.connects(), &self.line, events, message_id).await;
        if let Ok(Some(sequence)) = &published {
            self.stream.acknowledged(*sequence);
        }
        if let Err(failure) = published {
            drop(ready);
            self.stream.doubt().await; // the batch is repeated
            return Err(failure);
        }
        Ok(ready)
    }

    /// Moves the checkpoint unless somebody else has.
    async fn move_checkpoint(&self, tenant_id: TenantId, from: i64, to: i64) -> Result<(), ConsumeError> {
        let moved = self.log.move_checkpoint(SUBSCRIPTION, tenant_id, from, to).await?;
        if moved { Ok(()) } else { Err(ConsumeError::Moved) }
    }
}

impl Consumer for Publisher {
    fn name(&self) -> &'static str {
        SUBSCRIPTION
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(16)
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        Box::pin(async move { Ok(self.log.checkpoints(SUBSCRIPTION).await?) })
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move {
            let Some(last) = events.last() else { return Ok(()) };
            // Until the checkpoint stands: a stream that is wiped now is filled up to the checkpoint, and these are beyond it.
            let whole = self.publish(events).await.map_err(|error| ConsumeError::Failed(Box::new(error)))?;
            failpoint::reached("relay.after_publish");
            self.move_checkpoint(tenant_id, after, last.position).await?;
            drop(whole);
            failpoint::reached("relay.after_checkpoint");
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

/// An optimisation of the stream, never what consumers go by (protocols 5.2).
pub(super) fn message_id(event: &StoredEvent) -> String {
    format!("{}:{}", event.tenant_id, event.position)
}

/// The id of a message of [`republish`].
pub(super) fn is_republished(message_id: &str) -> bool {
    message_id.rsplit(':').next().is_some_and(|last| last.starts_with('r'))
}

/// Publishes positions `after + 1 ..= through` of a tenant once more, for outside consumers who lost them. `run` makes the
/// message ids new, so that the stream does not take them for duplicates. `progress` hears the position after each page.
/// Returns how many events were published.
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
    mut progress: impl FnMut(i64),
) -> Result<u64, RepublishError> {
    let line = Line::of(nats);
    let (mut after, mut published) = (after, 0);
    while after < through {
        let events = log.read(tenant_id, after, (through - after).min(500)).await?;
        let Some(last) = events.last() else { break };
        after = last.position;
        published += events.len() as u64;
        publish_all(nats, nats.connects(), &line, events.iter(), |event| format!("{}:r{run}", message_id(event)))
            .await
            .map_err(|error| RepublishError::Publish(Box::new(error)))?;
        progress(after);
    }
    Ok(published)
}

/// Where messages go.
pub(super) enum Line {
    JetStream(Box<jetstream::Context>),
    Port(Arc<dyn MessageServer>),
}

enum Acking {
    JetStream(PublishAckFuture),
    Port(Ack),
}

impl Line {
    pub(super) fn of(nats: &Nats) -> Self {
        nats.port().map_or_else(|| Self::JetStream(Box::new(context(nats))), |port| Self::Port(Arc::clone(port)))
    }

    async fn send(&self, subject: String, message_id: String, payload: Vec<u8>) -> Result<Acking, PublishFailure> {
        match self {
            Self::JetStream(jetstream) => {
                let message = PublishMessage::build().message_id(message_id).payload(payload.into());
                Ok(Acking::JetStream(jetstream.send_publish(subject, message).await?))
            }
            Self::Port(port) => Ok(Acking::Port(port.publish(subject, message_id, payload).await.map_err(NatsError::Port)?)),
        }
    }
}

/// Counts one publish while it waits for its ack.
struct Unacknowledged;

impl Unacknowledged {
    fn new() -> Self {
        metrics::gauge!("holdfast_relay_unacknowledged").increment(1.0);
        Self
    }
}

impl Drop for Unacknowledged {
    fn drop(&mut self) {
        metrics::gauge!("holdfast_relay_unacknowledged").decrement(1.0);
    }
}

impl Acking {
    async fn wait(self) -> Result<Acknowledged, PublishFailure> {
        match self {
            Self::JetStream(ack) => {
                let ack = ack.await?;
                Ok(Acknowledged { sequence: ack.sequence, duplicate: ack.duplicate })
            }
            Self::Port(ack) => Ok(ack.await.map_err(NatsError::Port)?),
        }
    }
}

/// Its own limit is out of reach: batches of several tenants that each hold a part of it would wait for each other.
fn context(nats: &Nats) -> jetstream::Context {
    ContextBuilder::new().ack_timeout(ACK_WITHIN).timeout(ACK_WITHIN).max_ack_inflight(1 << 20).build(nats.client().clone())
}

/// In the given order and over the connection of that number: behind a later one may be an older state of the stream, and what
/// is published there would hide what is missing before it. Returns when all are acknowledged, with the stream's number of the
/// last one that it had not taken before. After a failure some may be published.
pub(super) async fn publish_all<'a>(
    nats: &Nats,
    connects: u64,
    line: &Line,
    events: impl Iterator<Item = &'a StoredEvent>,
    message_id: impl Fn(&StoredEvent) -> String,
) -> Result<Option<u64>, PublishFailure> {
    let mut last = None;
    let mut note = |ack: Acknowledged| {
        if !ack.duplicate {
            last = Some(ack.sequence);
        }
    };
    let mut acks: VecDeque<(Acking, Unacknowledged)> = VecDeque::with_capacity(IN_FLIGHT);
    for event in events {
        if acks.len() == IN_FLIGHT
            && let Some((oldest, _until_acknowledged)) = acks.pop_front()
        {
            note(oldest.wait().await?);
        }
        if !nats.is_connected() || nats.connects() != connects {
            return Err(NatsError::NotConnected.into()); // else they would wait in the client's buffer
        }
        acks.push_back((line.send(nats.subject(event), message_id(event), nats::encode(event)?).await?, Unacknowledged::new()));
        failpoint::reached("relay.between_publishes");
    }
    for (ack, _until_acknowledged) in acks {
        note(ack.wait().await?);
    }
    Ok(last)
}
