//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{TemplateCommand, TemplateError, TemplateEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    version: i64,
}

impl Template {
    fn decide(&self, _command: TemplateCommand, _context: &Context) -> Result<Vec<TemplateEvent>, TemplateError> {
        Err(TemplateError::NotFound)
    }
}

impl cqrs_es::Aggregate for Template {
    const TYPE: &'static str = "template";
    type Command = TemplateCommand;
    type Event = TemplateEvent;
    type Error = TemplateError;
    type Services = Context;

    async fn handle(&mut self, command: TemplateCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), TemplateError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: TemplateEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Template {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> TemplateError {
        TemplateError::NotFound
    }
}
