//! The stream of seals: whoever was away reads what was sealed meanwhile (NFR-30). docs/proof.md, "Seals".

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use super::{Nats, NatsError};
use crate::seal::Seal;

/// Its name on the server.
pub const SEALS: &str = "SEALS";
/// Seals are small, and wanted long after.
const MAX_AGE: Duration = Duration::from_secs(90 * 24 * 3600);
const MAX_BYTES: i64 = 256 << 20;

impl Nats {
    /// Makes the stream of seals if it is missing and sets it to what it should be.
    ///
    /// # Errors
    /// When there is no connection or the server refuses.
    pub async fn set_seals_stream(&self) -> Result<(), NatsError> {
        if !self.is_connected() {
            return Err(NatsError::NotConnected);
        }
        let config = Config {
            name: SEALS.to_owned(),
            subjects: vec!["seals.*".to_owned()],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            max_age: MAX_AGE,
            max_bytes: MAX_BYTES,
            deny_delete: true,
            deny_purge: true,
            allow_rollup: false,
            duplicate_window: Duration::from_secs(600),
            num_replicas: self.settings.replicas,
            ..Config::default()
        };
        jetstream::new(self.client().clone()).create_or_update_stream(config).await.map_err(NatsError::Stream)?;
        Ok(())
    }

    /// Returns when the server has stored it.
    ///
    /// # Errors
    /// When there is no connection, no stream, or no answer.
    pub(crate) async fn publish_seal(&self, seal: &Seal) -> Result<(), NatsError> {
        if !self.is_connected() {
            return Err(NatsError::NotConnected);
        }
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("{}:{}", seal.tenant_id, seal.size));
        let subject = format!("seals.{}", seal.tenant_id);
        let sent = jetstream::new(self.client().clone()).publish_with_headers(subject, headers, seal.line().into()).await;
        sent.map_err(NatsError::Publish)?.await.map_err(NatsError::Publish)?;
        Ok(())
    }
}
