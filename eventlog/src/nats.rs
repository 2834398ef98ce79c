//! NATS: the fast path to our own consumers and the way to outside ones. Never needed for correctness.

pub mod access;
mod async_api; // what can be subscribed to
mod cloud_event;
mod durables;
#[cfg(test)]
mod fuzz;
mod seals;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::{Client, ConnectOptions, Subscriber};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use holdfast_domain::kernel::TenantId;

use crate::port::{MessageError, MessageServer};
use crate::types::StoredEvent;

pub use async_api::async_api;
pub use cloud_event::{UnreadableMessage, decode, encode, subject};
pub use durables::Durable;
pub use seals::SEALS;

/// How long the stream holds messages for outside consumers.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Messages that wait for our consumers. More are dropped, and read from the log.
const WAITING_MESSAGES: usize = 16_384;
/// In the metadata of a stream that holds what the checkpoints say.
const FILLED: &str = "holdfast-filled";

/// The mark is on it.
pub(crate) fn is_filled(config: &Config) -> bool {
    config.metadata.contains_key(FILLED)
}

#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// `nats://host:port`, or several with commas.
    pub url: String,
    /// Shown by the server.
    pub client_name: String,
    /// Seed of an nkey user; none where the server asks for none.
    pub nkey_seed: Option<String>,
    pub require_tls: bool,
    /// First part of every subject.
    pub prefix: String,
    pub stream: String,
    /// 1, or 3 in production.
    pub replicas: usize,
    pub max_bytes: i64,
}

impl NatsSettings {
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            client_name: "holdfast".to_owned(),
            nkey_seed: None,
            require_tls: false,
            prefix: "events".to_owned(),
            stream: "EVENTS".to_owned(),
            replicas: 1,
            max_bytes: 1 << 30,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// Also with wrong addresses and seeds; a server that is not there is not an error.
    #[error("cannot use these NATS settings")]
    Settings(#[source] async_nats::ConnectError),
    #[error("there is no connection to NATS")]
    NotConnected,
    #[error("the stream cannot be made")]
    Stream(#[source] jetstream::context::CreateStreamError),
    #[error("the stream cannot be looked at")]
    Look(#[source] jetstream::context::GetStreamError),
    #[error("the stand-in refused")]
    Port(#[source] MessageError),
    #[error("a message was not taken")]
    Publish(#[source] jetstream::context::PublishError),
    #[error("the consumers of the stream cannot be managed")]
    Durable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Debug, Clone)]
enum Server {
    Nats(Client),
    /// A stand-in, in the simulation.
    Port(Arc<dyn MessageServer>),
}

/// A connection that comes back by itself, for ever. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Nats {
    server: Server,
    settings: Arc<NatsSettings>,
}

impl Nats {
    /// Returns at once and connects in the background, so that a process starts without NATS.
    ///
    /// # Errors
    /// When the address or the seed is malformed.
    pub async fn connect(settings: NatsSettings) -> Result<Self, NatsError> {
        let mut options = ConnectOptions::new()
            .name(&settings.client_name)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| Duration::from_millis(100 << attempts.min(4)))
            .require_tls(settings.require_tls)
            .subscription_capacity(WAITING_MESSAGES)
            .event_callback(|event| async move {
                if matches!(event, async_nats::Event::SlowConsumer(_)) {
                    metrics::counter!("holdfast_nats_messages_dropped_total").increment(1);
                    tracing::debug!(%event, "nats");
                } else {
                    tracing::info!(%event, "nats");
                }
            });
        if let Some(seed) = &settings.nkey_seed {
            options = options.nkey(seed.clone());
        }
        let client = options.connect(&settings.url).await.map_err(NatsError::Settings)?;
        Ok(Self { server: Server::Nats(client), settings: Arc::new(settings) })
    }

    /// Over a stand-in, which knows what the relay and the subscriptions ask and nothing else.
    #[must_use]
    pub fn over(port: Arc<dyn MessageServer>) -> Self {
        Self { server: Server::Port(port), settings: Arc::new(NatsSettings::new("")) }
    }

    pub(crate) fn port(&self) -> Option<&Arc<dyn MessageServer>> {
        match &self.server {
            Server::Nats(_) => None,
            Server::Port(port) => Some(port),
        }
    }

    #[must_use]
    pub fn client(&self) -> &Client {
        match &self.server {
            Server::Nats(client) => client,
            Server::Port(_) => unreachable!("a stand-in has no client"),
        }
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        match &self.server {
            Server::Nats(client) => client.connection_state() == async_nats::connection::State::Connected,
            Server::Port(port) => port.is_connected(),
        }
    }

    /// The fast path of [`subscription::run`](crate::subscription::run).
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed { nats: self.clone(), messages: None }
    }

    /// Makes the stream if it is missing and sets it to what it should be; `filled` sets or takes off the mark.
    ///
    /// # Errors
    /// When there is no connection or the server refuses.
    pub(crate) async fn set_stream(&self, filled: bool) -> Result<(), NatsError> {
        if !self.is_connected() {
            return Err(NatsError::NotConnected);
        }
        if let Some(port) = self.port() {
            return port.set_stream(filled).await.map_err(NatsError::Port);
        }
        let mut config = self.stream_config();
        config.metadata = filled.then(|| (FILLED.to_owned(), "yes".to_owned())).into_iter().collect();
        jetstream::new(self.client().clone()).create_or_update_stream(config).await.map_err(NatsError::Stream)?;
        Ok(())
    }

    /// The stream is there and the relay has filled it.
    ///
    /// # Errors
    /// When there is no connection, no stream, or the server refuses.
    pub async fn stream_is_filled(&self) -> Result<bool, NatsError> {
        if !self.is_connected() {
            return Err(NatsError::NotConnected);
        }
        let stream = jetstream::new(self.client().clone()).get_stream(&self.settings.stream).await.map_err(NatsError::Look)?;
        Ok(is_filled(&stream.cached_info().config))
    }

    async fn subscribe(&self) -> Result<Messages, MessageError> {
        match &self.server {
            Server::Nats(client) => Ok(Messages::Nats(client.subscribe(self.subjects()).await?)),
            Server::Port(port) => Ok(Messages::Port(port.subscribe().await?)),
        }
    }

    /// How often the client has connected.
    pub(crate) fn connects(&self) -> u64 {
        match &self.server {
            Server::Nats(client) => client.statistics().connects.load(Ordering::Relaxed),
            Server::Port(port) => port.connects(),
        }
    }

    pub(crate) fn stream_name(&self) -> &str {
        &self.settings.stream
    }

    pub(crate) fn max_bytes(&self) -> i64 {
        self.settings.max_bytes
    }

    /// Seven days for outside consumers, the oldest go first, and nobody deletes: Postgres can refill it.
    fn stream_config(&self) -> Config {
        Config {
            name: self.settings.stream.clone(),
            subjects: vec![self.subjects()],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            max_age: MAX_AGE,
            max_bytes: self.settings.max_bytes,
            deny_delete: true,
            deny_purge: true,
            allow_rollup: false,
            duplicate_window: Duration::from_secs(600),
            num_replicas: self.settings.replicas,
            ..Config::default()
        }
    }

    fn subjects(&self) -> String {
        format!("{}.>", self.settings.prefix)
    }

    pub(crate) fn subjects_of(&self, tenant_id: TenantId) -> String {
        format!("{}.{tenant_id}.>", self.settings.prefix)
    }

    pub(crate) fn subject(&self, event: &StoredEvent) -> String {
        subject(&self.settings.prefix, event)
    }
}

/// A plain subscription without acks; whatever it loses is read from the log.
pub struct Feed {
    nats: Nats,
    messages: Option<Messages>,
}

enum Messages {
    Nats(Subscriber),
    Port(BoxStream<'static, Vec<u8>>),
}

impl Feed {
    pub(crate) fn nats(&self) -> Nats {
        self.nats.clone()
    }

    /// The next event that arrives; messages that are not events are passed over, as are those that are known by their ids.
    /// Safe to drop at any await.
    pub(crate) async fn next(&mut self, known: impl Fn(TenantId, i64) -> bool) -> StoredEvent {
        loop {
            let Some(messages) = &mut self.messages else {
                match self.nats.subscribe().await {
                    Ok(messages) => self.messages = Some(messages),
                    Err(error) => {
                        tracing::warn!(%error, "cannot subscribe; the sweep goes on");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
                continue;
            };
            let message = match messages {
                Messages::Nats(messages) => {
                    let message = messages.next().await;
                    if message.as_ref().and_then(place).is_some_and(|(tenant_id, position)| known(tenant_id, position)) {
                        continue;
                    }
                    message.map(|message| decode(&message.payload))
                }
                Messages::Port(messages) => messages.next().await.map(|message| decode(&message)),
            };
            match message {
                Some(Ok(event)) => return event,
                Some(Err(error)) => tracing::warn!(%error, "a message that is not an event"),
                None => self.messages = None,
            }
        }
    }
}

/// Where its event stands, as its id says.
fn place(message: &async_nats::Message) -> Option<(TenantId, i64)> {
    let id = message.headers.as_ref()?.get(async_nats::header::NATS_MESSAGE_ID)?;
    let (tenant_id, position) = id.as_str().split_once(':')?;
    Some((tenant_id.parse().ok()?, position.parse().ok()?))
}
