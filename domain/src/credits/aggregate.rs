//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::credits::{CreditsCommand, CreditsError, CreditsEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credits {
    version: i64,
}

impl Credits {
    fn decide(&self, _command: CreditsCommand, _context: &Context) -> Result<Vec<CreditsEvent>, CreditsError> {
        Err(CreditsError::NotFound)
    }
}

impl cqrs_es::Aggregate for Credits {
    const TYPE: &'static str = "credits";
    type Command = CreditsCommand;
    type Event = CreditsEvent;
    type Error = CreditsError;
    type Services = Context;

    async fn handle(&mut self, command: CreditsCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), CreditsError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: CreditsEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Credits {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> CreditsError {
        CreditsError::NotFound
    }
}
