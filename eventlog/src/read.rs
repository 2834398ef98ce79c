//! Reading the log: by position, by stream, and where the heads stand.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use holdfast_domain::kernel::TenantId;

use crate::types::{StoredEvent, StreamId};
use crate::{EventLog, LogError};

impl EventLog {
    /// The streams that events in `after + 1 ..= through` belong to.
    ///
    /// # Errors
    /// When the database does not answer, or holds an aggregate type that this program does not know.
    pub async fn touched(&self, _tenant_id: TenantId, _after: i64, _through: i64) -> Result<Vec<StreamId>, LogError> {
        todo!()
    }

    /// Up to `limit` events from `after + 1` on, in position order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self, _tenant_id: TenantId, _after: i64, _limit: i64) -> Result<Vec<StoredEvent>, LogError> {
        todo!()
    }

    /// Up to `limit` events of the stream from `after_sequence + 1` on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_stream(&self, _stream: StreamId, _after_sequence: i64, _limit: i64) -> Result<Vec<StoredEvent>, LogError> {
        todo!()
    }

    /// Position and time of the last event of every tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn heads(&self) -> Result<HashMap<TenantId, (i64, DateTime<Utc>)>, LogError> {
        todo!()
    }
}
