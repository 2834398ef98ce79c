//! What happened to a contract. Stored for ever.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Artifact, ContractStatus, ContractTerms, ContractVersion, ESignProvider, Envelope, Milestone, Signature, Signer};
use crate::kernel::{BookingId, ContractId, EscrowId, MilestoneId, PartyId, Personal, Sealed, SignerId, StoredEvent};
use crate::named;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractEvent {
    pub from: ContractStatus,
    pub to: ContractStatus,
    pub at: DateTime<Utc>,
    pub fact: ContractFact,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ContractFact {
    Created {
        contract_id: ContractId,
        terms: ContractTerms,
        version: ContractVersion,
        milestones: Vec<Milestone>,
    },
    Edited {
        version: ContractVersion,
        milestones: Option<Vec<Milestone>>,
        /// MNY-06: what stands on the milestones that were there: not begun, to be cancelled and made anew.
        outdated_escrows: Vec<EscrowId>,
    },
    SignerAdded {
        signer: Signer,
    },
    /// The version is frozen from here on (CTR-43).
    Sent {
        version: u32,
        hash: String,
        provider: ESignProvider,
        message: Option<Personal<String>>,
    },
    EnvelopeCreated {
        envelope: Envelope,
    },
    SignatureRecorded {
        signer_id: SignerId,
        party_id: Option<PartyId>,
        signature: Box<Signature>,
    },
    /// The last signature (CTR-34); `escrows` wait for it (CTR-44).
    Signed {
        version: u32,
        hash: String,
        booking_id: Option<BookingId>,
        escrows: Vec<EscrowId>,
    },
    /// MNY-06: what its escrows stand on is gone. A contract that is not there yet can be voided by the booking that it
    /// would have been made for; it is then never made.
    Voided {
        reason: String,
        booking_id: Option<BookingId>,
        escrows: Vec<EscrowId>,
        envelope: Option<Envelope>,
    },
    ArtifactStored {
        artifact: Artifact,
    },
    MilestoneReached {
        milestone_id: MilestoneId,
        evidence: Option<Personal<String>>,
    },
    /// `signed`: it already is, so the escrow need not wait.
    EscrowLinked {
        escrow_id: EscrowId,
        milestone_id: Option<MilestoneId>,
        signed: bool,
    },
    EscrowMoved {
        escrow_id: EscrowId,
        mark: EscrowMark,
    },
}

named! {
    /// As far as a contract needs to know (MNY-06). It only moves on.
    #[derive(schemars::JsonSchema)]
    EscrowMark {
        Created = "created",
        /// Past `created`: amount and milestones stand.
        Underway = "underway",
        Ended = "ended",
    }
}

impl StoredEvent for ContractEvent {
    fn name(&self) -> &'static str {
        match &self.fact {
            ContractFact::Created { .. } => "contract.created",
            ContractFact::Edited { .. } => "contract.edited",
            ContractFact::SignerAdded { .. } => "contract.signer_added",
            ContractFact::Sent { .. } => "contract.sent",
            ContractFact::EnvelopeCreated { .. } => "contract.envelope_created",
            ContractFact::SignatureRecorded { .. } => "contract.signature_recorded",
            ContractFact::Signed { .. } => "contract.signed",
            ContractFact::Voided { .. } => "contract.voided",
            ContractFact::ArtifactStored { .. } => "contract.artifact_stored",
            ContractFact::MilestoneReached { .. } => "contract.milestone_reached",
            ContractFact::EscrowLinked { .. } => "contract.escrow_linked",
            ContractFact::EscrowMoved { .. } => "contract.escrow_moved",
        }
    }

    fn personal(&self) -> Vec<&Sealed> {
        match &self.fact {
            ContractFact::Created { version, .. } | ContractFact::Edited { version, .. } => {
                std::iter::once(version.body.sealed()).chain(version.variables.as_ref().map(Personal::sealed)).collect()
            }
            ContractFact::SignerAdded { signer } => [&signer.name, &signer.email].into_iter().flatten().map(Personal::sealed).collect(),
            ContractFact::Sent { message: value, .. } | ContractFact::MilestoneReached { evidence: value, .. } => {
                value.iter().map(Personal::sealed).collect()
            }
            ContractFact::SignatureRecorded { signature, .. } => {
                let traces = [&signature.ip, &signature.user_agent].into_iter().flatten();
                std::iter::once(&signature.typed_name).chain(traces).map(Personal::sealed).collect()
            }
            ContractFact::EnvelopeCreated { .. }
            | ContractFact::Signed { .. }
            | ContractFact::Voided { .. }
            | ContractFact::ArtifactStored { .. }
            | ContractFact::EscrowLinked { .. }
            | ContractFact::EscrowMoved { .. } => Vec::new(),
        }
    }
}

crate::domain_event!(ContractEvent);
