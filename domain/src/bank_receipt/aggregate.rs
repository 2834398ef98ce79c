//! The receipt's few rules.

use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bank_receipt::{BankReceiptCommand, BankReceiptError, BankReceiptEvent};
use crate::kernel::{Claim, Context, EscrowId, Money, PartyId, TenantAggregate};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BankReceipt {
    status: BankReceiptStatus,
    recorded: Option<Recorded>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
struct Recorded {
    amount: Money,
    payer_id: Option<PartyId>,
    escrow_id: Option<EscrowId>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BankReceiptStatus {
    #[default]
    Unrecorded,
    /// Nobody knows whose it is yet.
    Unapplied,
    Applied,
}

impl BankReceipt {
    fn decide(&self, command: BankReceiptCommand, context: &Context) -> Result<Vec<BankReceiptEvent>, BankReceiptError> {
        if !context.actor.is_platform() && !context.actor.is_system() {
            return Err(BankReceiptError::NotPlatform);
        }
        match command {
            BankReceiptCommand::Record { bank_reference, amount, received_at, payer_id, escrow_id, remitter } => {
                if let Some(earlier) = &self.recorded {
                    let same = earlier.amount == amount && earlier.payer_id == payer_id && earlier.escrow_id == escrow_id;
                    return if same { Ok(Vec::new()) } else { Err(BankReceiptError::RecordedDifferently) };
                }
                if !amount.is_positive() {
                    return Err(BankReceiptError::NotPositive);
                }
                if escrow_id.is_some() && payer_id.is_none() {
                    return Err(BankReceiptError::PayerMissing);
                }
                Ok(vec![BankReceiptEvent::Recorded { bank_reference, amount, received_at, payer_id, escrow_id, remitter }])
            }
            BankReceiptCommand::Assign { payer_id, escrow_id } => {
                let recorded = self.recorded.as_ref().ok_or(BankReceiptError::NotFound)?;
                if self.status != BankReceiptStatus::Unapplied {
                    return Err(BankReceiptError::AlreadyAssigned);
                }
                Ok(vec![BankReceiptEvent::Assigned { amount: recorded.amount, payer_id, escrow_id }])
            }
        }
    }
}

impl cqrs_es::Aggregate for BankReceipt {
    const TYPE: &'static str = "bank_receipt";
    type Command = BankReceiptCommand;
    type Event = BankReceiptEvent;
    type Error = BankReceiptError;
    type Services = Context;

    async fn handle(&mut self, command: BankReceiptCommand, context: &Context, sink: &EventSink<Self>) -> Result<(), BankReceiptError> {
        for event in self.decide(command, context)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: BankReceiptEvent) {
        match event {
            BankReceiptEvent::Recorded { amount, payer_id, escrow_id, .. } => {
                self.status = if payer_id.is_some() { BankReceiptStatus::Applied } else { BankReceiptStatus::Unapplied };
                self.recorded = Some(Recorded { amount, payer_id, escrow_id });
            }
            // What was recorded stays as the bank said it, so that a repeated record is recognised.
            BankReceiptEvent::Assigned { .. } => self.status = BankReceiptStatus::Applied,
        }
    }
}

impl TenantAggregate for BankReceipt {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.recorded.is_some()
    }

    fn status(&self) -> &'static str {
        match self.status {
            BankReceiptStatus::Unrecorded => "unrecorded",
            BankReceiptStatus::Unapplied => "unapplied",
            BankReceiptStatus::Applied => "applied",
        }
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> BankReceiptError {
        BankReceiptError::RecordedDifferently
    }
}
