//! An access is written down, and that is all that ever happens to it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{AccessCommand, AccessError, AccessEvent, AccessFilter, AccessKind, is_name};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Access {
    recorded: Option<Recorded>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    what: AccessKind,
    target: Option<Uuid>,
    filter: AccessFilter,
}

impl Access {
    fn decide(&self, command: AccessCommand) -> Result<AccessEvent, AccessError> {
        let AccessCommand::Record { what, target, filter } = command;
        if self.recorded.is_some() {
            return Err(AccessError::AlreadyRecorded);
        }
        if ![&filter.action, &filter.entity_type].into_iter().flatten().chain(filter.event_types.iter().flatten()).all(|name| is_name(name))
        {
            return Err(AccessError::NotAName);
        }
        Ok(AccessEvent::Recorded { what, target, filter })
    }
}

impl cqrs_es::Aggregate for Access {
    const TYPE: &'static str = "access";
    type Command = AccessCommand;
    type Event = AccessEvent;
    type Error = AccessError;
    type Services = Context;

    async fn handle(&mut self, command: AccessCommand, _context: &Context, sink: &EventSink<Self>) -> Result<(), AccessError> {
        let event = self.decide(command)?;
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: AccessEvent) {
        let AccessEvent::Recorded { what, target, filter } = event;
        self.recorded = Some(Recorded { what, target, filter });
    }
}

impl TenantAggregate for Access {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.recorded.is_some()
    }

    fn status(&self) -> &'static str {
        if self.recorded.is_some() { "recorded" } else { "unrecorded" }
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> AccessError {
        AccessError::AlreadyRecorded // it takes none
    }
}
