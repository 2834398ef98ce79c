//! State, and how events change it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dispute::{CaseDecision, CaseFacts, DisputeCommand, DisputeError, DisputeEvent, DisputeFact, DisputeStatus, Resolution};
use crate::escrow::{DisputeKind, Hat};
use crate::kernel::{AssetId, Claim, Context, DisputeId, Money, PartyId, TenantAggregate};

/// What some decision or some reader needs to know; read models store it as it is and ask its getters (`view.rs`).
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dispute {
    pub(super) version: i64,
    pub(super) status: DisputeStatus,
    pub(super) case: Option<Case>,
    /// Now: widening adds to it, conceding takes from it.
    pub(super) contested: Option<Money>,
    /// Pieces so far; numbers the next one.
    pub(super) evidence: u32,
    pub(super) assets: BTreeSet<AssetId>,
    pub(super) evidence_closed: bool,
    pub(super) decision_due_at: Option<DateTime<Utc>>,
    pub(super) assignee_id: Option<PartyId>,
    pub(super) escalated_at: Option<DateTime<Utc>>,
    pub(super) decided: Option<CaseDecision>,
    pub(super) outcome: Option<Outcome>,
    pub(super) closed: Option<Closing>,
}

/// Fixed when the case was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    pub dispute_id: DisputeId,
    pub case_no: u32,
    pub facts: CaseFacts,
    pub kind: DisputeKind,
    pub raised_by: PartyId,
    pub raised_as: Hat,
    pub opened_at: DateTime<Utc>,
    /// What was contested at first.
    pub contested: Money,
}

/// What the decision did with the money, as the escrow reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub released: Money,
    pub refunded: Money,
    pub penalty: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    pub at: DateTime<Utc>,
    pub resolution: Resolution,
    /// By the raiser.
    pub withdrawn: bool,
    /// By the payee.
    pub conceded: bool,
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

    /// Records what happened: never refuses, lists every fact.
    fn apply(&mut self, event: DisputeEvent) {
        self.version += 1;
        self.status = event.to;
        let at = event.at;
        match event.fact {
            DisputeFact::Opened { dispute_id, case_no, facts, contested, kind, raised_by, raised_as, .. } => {
                self.contested = Some(contested);
                self.case = Some(Case { dispute_id, case_no, facts, kind, raised_by, raised_as, opened_at: at, contested });
            }
            DisputeFact::ContestedChanged { contested } => self.contested = Some(contested),
            DisputeFact::EvidenceAdded { evidence } => {
                self.evidence = evidence.number;
                self.assets.insert(evidence.asset_id);
            }
            DisputeFact::EvidenceClosed { decision_due_at } => {
                self.evidence_closed = true;
                self.decision_due_at = decision_due_at;
            }
            DisputeFact::Assigned { assignee_id } => self.assignee_id = Some(assignee_id),
            DisputeFact::ReviewStarted | DisputeFact::DecisionRequested => {}
            DisputeFact::Decided { decision, .. } => self.decided = Some(decision),
            DisputeFact::DecisionReturned { contested, .. } => {
                self.decided = None;
                self.contested = Some(contested);
            }
            DisputeFact::Escalated { .. } => self.escalated_at = Some(at),
            DisputeFact::Enforced { released, refunded, penalty, .. } => self.outcome = Some(Outcome { released, refunded, penalty }),
            DisputeFact::Closed { resolution, withdrawn, conceded } => {
                self.closed = Some(Closing { at, resolution, withdrawn, conceded });
            }
        }
    }
}

impl TenantAggregate for Dispute {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.status != DisputeStatus::Unopened
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// A dispute takes no claims: one case per escrow is the escrow's rule (MNY-26).
    fn claim_taken(_claim: &Claim, _holder: Uuid) -> DisputeError {
        DisputeError::NotFound
    }
}
