//! A subscriber whose whole effect is to write down what it was given, with its checkpoint.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use holdfast_domain::kernel::TenantId;
use holdfast_eventlog::port::Database as _;
use holdfast_eventlog::subscription::{ConsumeError, Consumer, FeedEvent};

use crate::store::Session;

pub const SUBSCRIPTION: &str = "recorder";

pub struct Recorder(pub Session);

impl Consumer for Recorder {
    fn name(&self) -> &'static str {
        SUBSCRIPTION
    }

    fn checkpoints(&self) -> BoxFuture<'_, Result<HashMap<TenantId, i64>, ConsumeError>> {
        Box::pin(async { Ok(self.0.checkpoints(SUBSCRIPTION).await?) })
    }

    fn consume<'a>(&'a self, tenant_id: TenantId, after: i64, events: &'a [Arc<FeedEvent>]) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move {
            let mut rows = Vec::new();
            for event in events {
                let recorded = event.recorded().map_err(|error| ConsumeError::Failed(error.to_string().into()))?;
                rows.push((event.position, recorded.metadata.event_id.uuid()));
            }
            let last = rows.last().map_or(after, |(position, _)| *position);
            if self.0.record(SUBSCRIPTION, tenant_id, after, rows, last).await? { Ok(()) } else { Err(ConsumeError::Moved) }
        })
    }
}
