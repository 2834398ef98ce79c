//! State and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::escrow::{EscrowCommand, EscrowError, EscrowEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Escrow {}

impl cqrs_es::Aggregate for Escrow {
    const TYPE: &'static str = "escrow";
    type Command = EscrowCommand;
    type Event = EscrowEvent;
    type Error = EscrowError;
    type Services = Context;

    async fn handle(&mut self, command: EscrowCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), EscrowError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: EscrowEvent) {}
}

impl TenantAggregate for Escrow {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        false
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> EscrowError {
        EscrowError::NotFound
    }
}
