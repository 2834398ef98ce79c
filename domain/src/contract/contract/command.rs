//! What can be asked of a contract. Texts arrive rendered, hashed and sealed: the domain cannot read them.

use chrono::{DateTime, Utc};

use super::{Artifact, ContractAction, ContractTerms, ContractVersion, ESignProvider, EscrowMark, PartyType, Signature};
use crate::kernel::{ContractId, EscrowId, MilestoneId, Money, PartyId, Personal, SignerId};

#[derive(Debug, Clone, PartialEq)]
pub enum ContractCommand {
    /// CTR-17; by acceptance of a booking with its signers and sent at once (CTR-46).
    Create(Box<CreateContract>),
    /// CTR-19: the next version. Milestones, when given, replace those that are there (MNY-06).
    Edit { version: ContractVersion, milestones: Option<Vec<NewMilestone>> },
    /// CTR-23.
    AddSigner(NewSigner),
    /// CTR-20. The signing provider is the tenant's setting (CTR-40).
    Send { message: Option<Personal<String>> },
    /// The provider has taken the document (CTR-41). Total.
    RecordEnvelope { provider: ESignProvider, envelope_id: String },
    /// CTR-24, or the provider's word for it (CTR-25).
    Sign { signer_id: SignerId, signature: Box<Signature> },
    /// CTR-21. By the system total: a signed contract stays, and one that is not there yet will not be made.
    Void { reason: String },
    /// CTR-42: a document was rendered and stored. Total.
    StoreArtifact(Artifact),
    /// CTR-26.
    ReachMilestone { milestone_id: MilestoneId, evidence: Option<Personal<String>> },
    /// An escrow names this contract, or moved on (MNY-06). Total.
    RecordEscrow { escrow_id: EscrowId, milestone_id: Option<MilestoneId>, mark: EscrowMark },
}

impl ContractCommand {
    /// Its column of the machine.
    #[must_use]
    pub const fn action(&self) -> ContractAction {
        match self {
            Self::Create(_) => ContractAction::Create,
            Self::Edit { .. } => ContractAction::Edit,
            Self::AddSigner(_) => ContractAction::AddSigner,
            Self::Send { .. } => ContractAction::Send,
            Self::RecordEnvelope { .. } => ContractAction::RecordEnvelope,
            Self::Sign { .. } => ContractAction::Sign,
            Self::Void { .. } => ContractAction::Void,
            Self::StoreArtifact(_) => ContractAction::StoreArtifact,
            Self::ReachMilestone { .. } => ContractAction::ReachMilestone,
            Self::RecordEscrow { .. } => ContractAction::RecordEscrow,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateContract {
    /// Made at the edge, or derived from the booking; the stream's own id.
    pub contract_id: ContractId,
    pub terms: ContractTerms,
    pub version: ContractVersion,
    pub milestones: Vec<NewMilestone>,
    pub signers: Vec<NewSigner>,
    /// True: sent to its signers in the same step.
    pub send: bool,
}

/// CTR-07. `seq` follows from the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMilestone {
    pub milestone_id: MilestoneId,
    pub title: String,
    pub amount: Money,
    pub due_at: Option<DateTime<Utc>>,
    pub conditions: Option<String>,
}

/// CTR-05. At least one of `party_id` (somebody who can log in) and `email` is there.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSigner {
    pub signer_id: SignerId,
    pub party_id: Option<PartyId>,
    pub party_type: PartyType,
    pub name: Option<Personal<String>>,
    pub email: Option<Personal<String>>,
    /// Lower signs first; equal ones in any order. None: any time.
    pub order: Option<u32>,
}
