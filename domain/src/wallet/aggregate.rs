//! State and how events change it.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::{Claim, Context, TenantAggregate};
use crate::wallet::{WalletCommand, WalletError, WalletEvent};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wallet {}

impl cqrs_es::Aggregate for Wallet {
    const TYPE: &'static str = "wallet";
    type Command = WalletCommand;
    type Event = WalletEvent;
    type Error = WalletError;
    type Services = Context;

    async fn handle(&mut self, command: WalletCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), WalletError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: WalletEvent) {}
}

impl TenantAggregate for Wallet {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        false
    }

    fn status(&self) -> &'static str {
        "unopened"
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> WalletError {
        WalletError::NotFound
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalletStatus {
    #[default]
    Unopened,
    Active,
    Frozen,
    Closed,
}
