//! NATS: the fast path to our own consumers and the way to outside ones. Never needed for correctness.

mod async_api; // what can be subscribed to
mod cloud_event;

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::{Client, ConnectOptions, Subscriber};
use futures::StreamExt as _;

use crate::types::StoredEvent;

pub use async_api::async_api;
pub use cloud_event::{UnreadableMessage, decode, encode, subject};

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
}

/// A connection that comes back by itself, for ever. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Nats {
    client: Client,
    settings: std::sync::Arc<NatsSettings>,
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
            .event_callback(|event| async move { tracing::info!(%event, "nats") });
        if let Some(seed) = &settings.nkey_seed {
            options = options.nkey(seed.clone());
        }
        let client = options.connect(&settings.url).await.map_err(NatsError::Settings)?;
        Ok(Self { client, settings: std::sync::Arc::new(settings) })
    }

    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// The fast path of [`subscription::run`](crate::subscription::run).
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed { nats: self.clone(), messages: None }
    }

    /// Makes the stream if it is missing and sets it to what it should be.
    ///
    /// # Errors
    /// When there is no connection or the server refuses.
    pub async fn ensure_stream(&self) -> Result<(), NatsError> {
        if !self.is_connected() {
            return Err(NatsError::NotConnected);
        }
        jetstream::new(self.client.clone()).create_or_update_stream(self.stream_config()).await.map_err(NatsError::Stream)?;
        Ok(())
    }

    /// Seven days for outside consumers, the oldest go first, and nobody deletes: Postgres can refill it.
    fn stream_config(&self) -> Config {
        Config {
            name: self.settings.stream.clone(),
            subjects: vec![self.subjects()],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            max_age: Duration::from_secs(7 * 24 * 3600),
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

    pub(crate) fn subject(&self, event: &StoredEvent) -> String {
        subject(&self.settings.prefix, event)
    }
}

/// A plain subscription without acks; whatever it loses is read from the log.
#[derive(Debug)]
pub struct Feed {
    nats: Nats,
    messages: Option<Subscriber>,
}

impl Feed {
    pub(crate) fn nats(&self) -> Nats {
        self.nats.clone()
    }

    /// The next event that arrives; messages that are not events are passed over. Safe to drop at any await.
    pub(crate) async fn next(&mut self) -> StoredEvent {
        loop {
            let Some(messages) = &mut self.messages else {
                match self.nats.client.subscribe(self.nats.subjects()).await {
                    Ok(messages) => self.messages = Some(messages),
                    Err(error) => {
                        tracing::warn!(%error, "cannot subscribe; the sweep goes on");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
                continue;
            };
            match messages.next().await.map(|message| decode(&message.payload)) {
                Some(Ok(event)) => return event,
                Some(Err(error)) => tracing::warn!(%error, "a message that is not an event"),
                None => self.messages = None,
            }
        }
    }
}
