//! State, and how events change it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Artifact, ContractCommand, ContractError, ContractEvent, ContractFact, ContractStatus, ContractTerms, ContractVersion, ESignProvider,
    Envelope, EscrowMark, Milestone, Signature, Signer,
};
use crate::kernel::{Claim, Context, ContractId, EscrowId, MilestoneId, Personal, TenantAggregate};

/// What some decision or some reader needs to know; read models store it as it is and ask its getters (`view.rs`).
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    pub(super) status: ContractStatus,
    /// None before it is created, and for ever when it was voided before that.
    pub(super) contract_id: Option<ContractId>,
    pub(super) terms: Option<ContractTerms>,
    /// The text as it stands; of earlier ones the fingerprints remain here and the texts in the log.
    pub(super) current: Option<ContractVersion>,
    pub(super) versions: Vec<VersionMark>,
    pub(super) signers: Vec<SignerEntry>,
    pub(super) milestones: Vec<Milestone>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) provider: ESignProvider,
    pub(super) envelope: Option<Envelope>,
    pub(super) message: Option<Personal<String>>,
    pub(super) escrows: BTreeMap<EscrowId, LinkedEscrow>,
    pub(super) void_reason: Option<String>,
    pub(super) created_at: Option<DateTime<Utc>>,
    pub(super) sent_at: Option<DateTime<Utc>>,
    pub(super) signed_at: Option<DateTime<Utc>>,
    pub(super) voided_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionMark {
    pub number: u32,
    pub title: String,
    pub hash: String,
    pub at: DateTime<Utc>,
}

/// A signer and, once there, the signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignerEntry {
    pub signer: Signer,
    pub signature: Option<Signature>,
    pub signed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkedEscrow {
    pub milestone_id: Option<MilestoneId>,
    pub mark: EscrowMark,
}

impl Contract {
    fn hold(&mut self, version: ContractVersion, at: DateTime<Utc>) {
        let ContractVersion { number, ref title, ref hash, .. } = version;
        self.versions.push(VersionMark { number, title: title.clone(), hash: hash.clone(), at });
        self.current = Some(version);
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

    /// Records what happened: never refuses, lists every fact.
    fn apply(&mut self, event: ContractEvent) {
        self.status = event.to;
        let at = event.at;
        match event.fact {
            ContractFact::Created { contract_id, terms, version, milestones } => {
                self.contract_id = Some(contract_id);
                self.terms = Some(terms);
                self.milestones = milestones;
                self.created_at = Some(at);
                self.hold(version, at);
            }
            ContractFact::Edited { version, milestones, outdated_escrows: _ } => {
                self.hold(version, at);
                if let Some(milestones) = milestones {
                    self.milestones = milestones;
                }
            }
            ContractFact::SignerAdded { signer } => self.signers.push(SignerEntry { signer, signature: None, signed_at: None }),
            ContractFact::Sent { provider, message, .. } => {
                self.provider = provider;
                self.message = message;
                self.sent_at = Some(at);
            }
            ContractFact::EnvelopeCreated { envelope } => self.envelope = Some(envelope),
            ContractFact::SignatureRecorded { signer_id, signature, .. } => {
                if let Some(entry) = self.signers.iter_mut().find(|entry| entry.signer.signer_id == signer_id) {
                    entry.signature = Some(*signature);
                    entry.signed_at = Some(at);
                }
            }
            ContractFact::Signed { .. } => self.signed_at = Some(at),
            ContractFact::Voided { reason, .. } => {
                self.void_reason = Some(reason);
                self.voided_at = Some(at);
            }
            ContractFact::ArtifactStored { artifact } => {
                self.artifacts.retain(|known| known.kind != artifact.kind);
                self.artifacts.push(artifact);
            }
            ContractFact::MilestoneReached { milestone_id, .. } => {
                if let Some(milestone) = self.milestones.iter_mut().find(|milestone| milestone.milestone_id == milestone_id) {
                    milestone.reached_at = Some(at);
                }
            }
            ContractFact::EscrowLinked { escrow_id, milestone_id, .. } => {
                self.escrows.insert(escrow_id, LinkedEscrow { milestone_id, mark: EscrowMark::Created });
            }
            ContractFact::EscrowMoved { escrow_id, mark } => {
                if let Some(escrow) = self.escrows.get_mut(&escrow_id) {
                    escrow.mark = mark;
                }
            }
        }
    }
}

impl TenantAggregate for Contract {
    const FOLD_VERSION: u32 = 1;

    fn exists(&self) -> bool {
        self.status != ContractStatus::Unopened
    }

    fn status(&self) -> &'static str {
        self.status.as_str()
    }

    /// The division of the milestones and the signing provider.
    fn depends_on_settings(command: &ContractCommand) -> bool {
        matches!(command, ContractCommand::Create(_) | ContractCommand::Edit { milestones: Some(_), .. } | ContractCommand::Send { .. })
    }

    fn claim_taken(_claim: &Claim, _holder: Uuid) -> ContractError {
        ContractError::Exists
    }
}
