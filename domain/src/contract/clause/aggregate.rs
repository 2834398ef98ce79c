//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ClauseCommand, ClauseError, ClauseEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clause {
    version: i64,
}

impl Clause {
    fn decide(&self, _command: ClauseCommand, _context: &Context) -> Result<Vec<ClauseEvent>, ClauseError> {
        Err(ClauseError::NotFound)
    }
}

impl cqrs_es::Aggregate for Clause {
    const TYPE: &'static str = "clause";
    type Command = ClauseCommand;
    type Event = ClauseEvent;
    type Error = ClauseError;
    type Services = Context;

    async fn handle(&mut self, command: ClauseCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), ClauseError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: ClauseEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Clause {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> ClauseError {
        ClauseError::NotFound
    }
}
