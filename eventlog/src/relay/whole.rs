//! A stream that lost its messages is filled again from the log before anything new is published.
//!
//! A stream that was filled carries a mark in its metadata, written by nobody else: one that was made again, by whomever,
//! carries none. A store that was put back to an older state is seen by its last messages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::kernel::TenantId;
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::leadership::Proof;
use super::publish::{self, Line, PublishFailure};
use crate::nats::{self, MAX_AGE, Nats, NatsError};
use crate::port::StreamState;
use crate::{EventLog, LogError};

const PAGE: i64 = 500;
/// What a message takes besides its envelope: subject, headers, the record of the store.
const OVERHEAD_BYTES: i64 = 250;

pub(super) struct WholeStream {
    nats: Nats,
    line: Line,
    log: EventLog,
    proof: Proof,
    ended: CancellationToken,
    known: RwLock<Known>,
    /// The highest number that the stream gave to a message of ours.
    acknowledged: AtomicU64,
}

/// What was seen when the stream was last looked at.
#[derive(Default)]
pub(super) struct Known {
    seen: Option<Seen>,
    /// False after a failure, until it is looked at again.
    certain: bool,
    /// How often the client had connected then: behind a new connection may be an older state.
    connects: u64,
}

/// The stream as it is now.
struct Found {
    filled: bool,
    seen: Seen,
    /// None of a stand-in.
    stream: Option<Stream>,
}

#[derive(Clone, PartialEq, Eq)]
struct Seen {
    created: String,
    last_sequence: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum HealError {
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error("the stream cannot be looked at")]
    Look(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    #[error("the checkpoints cannot be read")]
    Checkpoints(#[from] sqlx::Error),
    #[error(transparent)]
    Publish(#[from] Box<PublishFailure>),
}

/// A tenant whose messages after `held` are not in the stream.
struct Missing {
    tenant_id: TenantId,
    held: i64,
    through: i64,
    bytes_each: i64,
}

impl Known {
    pub(super) fn connects(&self) -> u64 {
        self.connects
    }
}

impl WholeStream {
    pub(super) fn new(nats: Nats, log: EventLog, proof: Proof, ended: CancellationToken) -> Self {
        let line = Line::of(&nats);
        Self { nats, line, log, proof, ended, known: RwLock::default(), acknowledged: AtomicU64::new(0) }
    }

    /// Returns when nothing is missing; as long as the answer is held, nobody fills the stream, so that a tenant's events
    /// keep their order.
    pub(super) async fn ready(&self) -> Result<RwLockReadGuard<'_, Known>, HealError> {
        let known = self.known.read().await;
        if self.is_certain(&known) {
            return Ok(known);
        }
        drop(known);
        let mut known = self.known.write().await;
        if !self.is_certain(&known) {
            self.look(&mut known).await?;
        }
        Ok(known.downgrade())
    }

    /// As long as the connection stands over which it was looked at: what is published before the next look would hide what is
    /// missing before it.
    fn is_certain(&self, known: &Known) -> bool {
        known.certain && known.connects == self.nats.connects()
    }

    /// A stream that ends below this number when it is looked at has been put back to an older state.
    pub(super) fn acknowledged(&self, sequence: u64) {
        self.acknowledged.fetch_max(sequence, Ordering::AcqRel);
    }

    /// After a failure: wiped, perhaps.
    pub(super) async fn doubt(&self) {
        self.known.write().await.certain = false;
    }

    /// Looks at the start, after every reconnect and once in `every`: a wipe is healed also when no event follows.
    pub(super) async fn watch(&self, every: Duration) {
        let (mut looked_at, mut connected) = (None::<Instant>, self.nats.connects());
        while !self.ended.is_cancelled() {
            let due = looked_at.is_none_or(|at| at.elapsed() >= every) || self.nats.connects() != connected;
            if due && self.nats.is_connected() {
                connected = self.nats.connects();
                let mut known = self.known.write().await;
                match self.look(&mut known).await {
                    Ok(()) => looked_at = Some(Instant::now()),
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the stream is not known to be whole"),
                }
            }
            tokio::select! {
                biased;
                () = sleep(Duration::from_millis(500)) => {}
                () = self.ended.cancelled() => {}
            }
        }
    }

    async fn look(&self, known: &mut Known) -> Result<(), HealError> {
        known.certain = false;
        let connects = self.nats.connects();
        let found = self.stream().await?;
        let filled = found.as_ref().is_some_and(|found| found.filled);
        let now = found.map(|found| found.seen);
        let unchanged = match (&known.seen, &now) {
            (Some(before), Some(now)) => {
                let expected = before.last_sequence.max(self.acknowledged.load(Ordering::Acquire));
                before.created == now.created && expected <= now.last_sequence
            }
            _ => false,
        };
        if filled && unchanged {
            *known = Known { seen: now, certain: true, connects };
            return Ok(());
        }
        // The mark stays off until everything is in: whoever comes after a crash goes on from the last messages.
        self.nats.set_stream(filled).await?;
        let stream = self.stream().await?.ok_or(NatsError::NotConnected)?;
        let published = self.fill(&stream, connects).await?;
        if published > 0 {
            metrics::counter!("holdfast_relay_healed_total").increment(published);
            tracing::warn!(published, "the stream had lost messages: they were published again from the log");
        }
        if !filled {
            self.nats.set_stream(true).await?;
        }
        let now = self.stream().await?.map(|found| found.seen);
        if self.nats.connects() != connects {
            return Err(NatsError::NotConnected.into()); // what was seen last may be another stream than what was filled
        }
        self.acknowledged.store(0, Ordering::Release);
        *known = Known { seen: now, certain: true, connects };
        Ok(())
    }

    async fn stream(&self) -> Result<Option<Found>, HealError> {
        if !self.nats.is_connected() {
            return Err(NatsError::NotConnected.into());
        }
        let jetstream = match &self.line {
            Line::JetStream(jetstream) => jetstream,
            Line::Port(port) => return Ok(port.stream().await.map_err(HealError::Look)?.map(Found::from)),
        };
        match jetstream.get_stream(self.nats.stream_name()).await {
            Ok(stream) => Ok(Some(Found::of(stream))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(HealError::Look(Box::new(error))),
        }
    }

    /// Publishes what is missing up to the checkpoints and would still be held, with the ids that it had: a message that is
    /// there is not taken twice. Returns how many were published.
    async fn fill(&self, stream: &Found, connects: u64) -> Result<u64, HealError> {
        let missing = self.missing(stream).await?;
        let starts = self.starts(&missing).await?;
        let mut published = 0;
        for (missing, start) in missing.iter().zip(starts) {
            let mut after = start;
            while after < missing.through {
                if self.ended.is_cancelled() || !self.proof.is_fresh() {
                    return Err(Box::new(PublishFailure::NotLeader).into());
                }
                let events = self.log.read(missing.tenant_id, after, (missing.through - after).min(PAGE)).await?;
                let Some(last) = events.last() else { break };
                publish::publish_all(&self.nats, connects, &self.line, events.iter(), publish::message_id).await.map_err(Box::new)?;
                after = last.position;
                published += events.len() as u64;
            }
        }
        Ok(published)
    }

    async fn missing(&self, stream: &Found) -> Result<Vec<Missing>, HealError> {
        let oldest = oldest_held(MAX_AGE);
        let heads = self.log.heads().await?;
        let recent = |tenant_id: &TenantId| heads.get(tenant_id).is_some_and(|(_, recorded_at)| *recorded_at >= oldest);
        let checkpoints: BTreeMap<TenantId, i64> = self.log.checkpoints(super::SUBSCRIPTION).await?.into_iter().collect();
        let mut missing = Vec::new();
        for (tenant_id, through) in checkpoints.into_iter().filter(|(tenant_id, _)| recent(tenant_id)) {
            let held = self.held(stream, tenant_id).await?.unwrap_or(through);
            if held > through {
                self.is_ahead(tenant_id, held).await?;
            }
            if held < through {
                let sample = self.log.read(tenant_id, (through - 50).max(0), 50).await?;
                let bytes: usize = sample.iter().map(|event| event.payload.len() + event.metadata.len() + 500).sum();
                let bytes_each = i64::try_from(bytes / sample.len().max(1)).unwrap_or(i64::MAX).saturating_add(OVERHEAD_BYTES);
                missing.push(Missing { tenant_id, held, through, bytes_each });
            }
        }
        Ok(missing)
    }

    /// Consumers were told of events that the log does not have: a backup was restored, or a standby promoted that lacked commits.
    /// The relay cannot take that back; what to do is in docs/reliability-environment.md.
    async fn is_ahead(&self, tenant_id: TenantId, held: i64) -> Result<(), HealError> {
        let head = self.log.positions(&[tenant_id]).await?.get(&tenant_id).copied().unwrap_or_default();
        if held > head {
            metrics::counter!("holdfast_stream_ahead_total").increment(1);
            tracing::error!(%tenant_id, held, head, "the stream is ahead of the log: consumers know events that no longer exist");
        }
        Ok(())
    }

    /// The position of the tenant's last message, 0 when there is none. None where it does not tell: somebody has asked for
    /// older events once more.
    async fn held(&self, stream: &Found, tenant_id: TenantId) -> Result<Option<i64>, HealError> {
        let Some((id, payload)) = self.last_message(stream, tenant_id).await? else { return Ok(Some(0)) };
        let again = publish::is_republished(&id);
        match nats::decode(&payload) {
            Ok(event) => Ok((!again).then_some(event.position)),
            Err(error) => {
                tracing::warn!(%error, "the last message of a tenant is not an event");
                Ok(None)
            }
        }
    }

    /// Its id and payload.
    async fn last_message(&self, stream: &Found, tenant_id: TenantId) -> Result<Option<(String, Bytes)>, HealError> {
        let Some(stream) = &stream.stream else {
            let Line::Port(port) = &self.line else { return Ok(None) };
            let last = port.last_message(tenant_id).await.map_err(HealError::Look)?;
            return Ok(last.map(|(id, payload)| (id, payload.into())));
        };
        match stream.get_last_raw_message_by_subject(&self.nats.subjects_of(tenant_id)).await {
            Ok(message) => {
                let id = message.headers.get("Nats-Msg-Id").map(|id| id.as_str().to_owned()).unwrap_or_default();
                Ok(Some((id, message.payload)))
            }
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
            Err(error) => Err(HealError::Look(Box::new(error))),
        }
    }

    /// After which position each is filled: what is younger than the stream's age limit, or less where it would not fit.
    async fn starts(&self, missing: &[Missing]) -> Result<Vec<i64>, HealError> {
        let mut window = MAX_AGE;
        loop {
            let (mut starts, mut bytes) = (Vec::with_capacity(missing.len()), 0_i64);
            for Missing { tenant_id, held, through, bytes_each } in missing {
                let start = self.log.position_before(*tenant_id, oldest_held(window), *held, *through).await?;
                bytes = bytes.saturating_add((through - start).saturating_mul(*bytes_each));
                starts.push(start);
            }
            if bytes <= self.nats.max_bytes() || window < Duration::from_secs(600) {
                return Ok(starts);
            }
            window /= 2;
        }
    }
}

fn oldest_held(window: Duration) -> DateTime<Utc> {
    Utc::now() - TimeDelta::from_std(window).unwrap_or_default()
}

impl Found {
    fn of(stream: Stream) -> Self {
        let info = stream.cached_info();
        let seen = Seen { created: info.created.to_string(), last_sequence: info.state.last_sequence };
        Self { filled: nats::is_filled(&info.config), seen, stream: Some(stream) }
    }
}

impl From<StreamState> for Found {
    fn from(state: StreamState) -> Self {
        Self { filled: state.filled, seen: Seen { created: state.created, last_sequence: state.last_sequence }, stream: None }
    }
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
