//! The durable pull consumers of outside consumers, made for them by the admin identity: they may not make their own.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use futures::TryStreamExt as _;

use super::access::{CONSUMER_API, Grant};
use super::{Nats, NatsError, SEALS};

/// How far a durable has come.
#[derive(Debug, Clone)]
pub struct Durable {
    pub name: String,
    /// Messages of the tenant that it has not been given yet.
    pub pending: u64,
    /// Given and not acknowledged.
    pub unacknowledged: usize,
}

impl Nats {
    /// Makes the durables of a grant, for events and for seals, from the first message that the streams still hold. Harmless when they exist.
    ///
    /// # Errors
    /// When there is no connection, no stream yet, or the server refuses.
    pub async fn make_durable(&self, grant: &Grant) -> Result<(), NatsError> {
        self.make_durable_on(self.settings.stream.as_str(), grant.subject(), grant).await?;
        self.make_durable_on(SEALS, grant.seals_subject(), grant).await
    }

    async fn make_durable_on(&self, stream: &str, subject: String, grant: &Grant) -> Result<(), NatsError> {
        let config = pull::Config {
            durable_name: Some(grant.durable()),
            description: Some(format!("outside consumer {} of tenant {}", grant.name, grant.tenant_id)),
            filter_subject: subject,
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(60),
            max_ack_pending: 1000,
            max_batch: 1000,
            ..pull::Config::default()
        };
        let made = self.admin_api()?.create_consumer_on_stream(config, stream).await;
        made.map(drop).map_err(|error| NatsError::Durable(Box::new(error)))
    }

    /// Deletes them; false when there was none for events.
    ///
    /// # Errors
    /// When there is no connection or the server refuses.
    pub async fn delete_durable(&self, grant: &Grant) -> Result<bool, NatsError> {
        if !self.durables().await?.iter().any(|durable| durable.name == grant.durable()) {
            return Ok(false);
        }
        // One that is not there stands for nothing.
        if let Err(error) = self.admin_api()?.delete_consumer_from_stream(grant.durable(), SEALS).await {
            tracing::info!(%error, "no durable for seals was deleted");
        }
        let deleted = self.admin_api()?.delete_consumer_from_stream(grant.durable(), self.settings.stream.as_str()).await;
        deleted.map_err(|error| NatsError::Durable(Box::new(error)))?;
        Ok(true)
    }

    /// All durables of the stream of events.
    ///
    /// # Errors
    /// When there is no connection, no stream yet, or the server refuses.
    pub async fn durables(&self) -> Result<Vec<Durable>, NatsError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| NatsError::Durable(error);
        let stream = self.admin_api()?.get_stream(&self.settings.stream).await.map_err(|error| failed(Box::new(error)))?;
        let mut infos = stream.consumers();
        let mut durables = Vec::new();
        while let Some(info) = infos.try_next().await.map_err(|error| failed(Box::new(error)))? {
            durables.push(Durable { name: info.name, pending: info.num_pending, unacknowledged: info.num_ack_pending });
        }
        Ok(durables)
    }

    /// Whether a consumer reaches its durable with its seed: also the proof that the server has read the consumers file.
    pub async fn consumer_reaches(url: &str, seed: &str, grant: &Grant) -> bool {
        let options = async_nats::ConnectOptions::with_nkey(seed.to_owned())
            .custom_inbox_prefix(grant.inbox_prefix())
            .require_tls(url.starts_with("tls://"))
            .request_timeout(Some(Duration::from_secs(1)));
        let Ok(client) = options.connect(url).await else { return false };
        let info = format!("{CONSUMER_API}.CONSUMER.INFO.EVENTS.{}", grant.durable());
        let answer = client.request(info, Vec::new().into()).await;
        // An error is an object with the key `error`.
        answer.is_ok_and(|answer| {
            serde_json::from_slice::<serde_json::Value>(&answer.payload).is_ok_and(|answer| answer.get("error").is_none())
        })
    }

    fn admin_api(&self) -> Result<jetstream::Context, NatsError> {
        if self.is_connected() { Ok(jetstream::new(self.client().clone())) } else { Err(NatsError::NotConnected) }
    }
}
