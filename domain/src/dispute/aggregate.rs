//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dispute::{DisputeCommand, DisputeError, DisputeEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dispute {
    version: i64,
}

impl Dispute {
    fn decide(&self, _command: DisputeCommand, _context: &Context) -> Result<Vec<DisputeEvent>, DisputeError> {
        Err(DisputeError::NotFound)
    }
}

impl cqrs_es::Aggregate for Dispute {
    const TYPE: &'static str = "dispute";
    type Command = DisputeCommand;
    type Event = DisputeEvent;
    type Error = DisputeError;
    type Services = Context;

    async fn handle(&mut self, command: DisputeCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), DisputeError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: DisputeEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Dispute {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> DisputeError {
        DisputeError::NotFound
    }
}
