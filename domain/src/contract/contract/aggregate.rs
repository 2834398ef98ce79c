//! State, and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ContractCommand, ContractError, ContractEvent};
use crate::kernel::{Claim, Context, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    version: i64,
}

impl Contract {
    fn decide(&self, _command: ContractCommand, _context: &Context) -> Result<Vec<ContractEvent>, ContractError> {
        Err(ContractError::NotFound)
    }
}

impl cqrs_es::Aggregate for Contract {
    const TYPE: &'static str = "contract";
    type Command = ContractCommand;
    type Event = ContractEvent;
    type Error = ContractError;
    type Services = Context;

    async fn handle(&mut self, command: ContractCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), ContractError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: ContractEvent) {
        self.version += 1;
    }
}

impl TenantAggregate for Contract {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.version > 0
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> ContractError {
        ContractError::NotFound
    }
}
