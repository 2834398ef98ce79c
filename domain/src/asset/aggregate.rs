//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::asset::{AssetCommand, AssetError, AssetEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    version: i64,
}

impl Asset {
    fn decide(&self, _command: AssetCommand, _context: &Context) -> Result<Vec<AssetEvent>, AssetError> {
        Err(AssetError::NotFound)
    }
}

impl cqrs_es::Aggregate for Asset {
    const TYPE: &'static str = "asset";
    type Command = AssetCommand;
    type Event = AssetEvent;
    type Error = AssetError;
    type Services = Context;

    async fn handle(&mut self, command: AssetCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), AssetError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: AssetEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Asset {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> AssetError {
        AssetError::NotFound
    }
}
