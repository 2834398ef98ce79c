//! Why a command about a contract is refused, in order of precedence: the first that applies is the one reported.

use serde_json::json;

use super::{ContractAction, ContractStatus, ESignProvider};
use crate::kernel::{DomainError, ErrorKind, EscrowId, Money};

/// The most signers and the most milestones of one contract.
pub(super) const MAX_SIGNERS: usize = 50;
pub(super) const MAX_MILESTONES: usize = 100;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ContractError {
    #[error("this contract does not exist")]
    NotFound,
    #[error("this contract exists already")]
    Exists,
    /// CTR-19, CTR-23: what was sent is frozen (CTR-43).
    #[error("only a draft can be changed; this contract is {status}")]
    NotDraft { status: ContractStatus },
    /// CNF-12.
    #[error("a contract that is {status} cannot be voided")]
    NotVoidable { status: ContractStatus },
    #[error("a contract that is {status} cannot {action}")]
    NotAllowed { status: ContractStatus, action: ContractAction },
    #[error("this actor may not do this to a contract")]
    NotPermitted,
    #[error("nobody is there to sign")]
    NoSigners,
    #[error("this actor is not that signer of the contract")]
    NotASigner,
    #[error("this signer has signed already")]
    AlreadySigned,
    #[error("this contract is signed at the provider {provider}")]
    SignedAtProvider { provider: ESignProvider },
    #[error("somebody else must sign before")]
    NotYourTurn,
    #[error("the signature is for another text than the one that was sent")]
    DocumentChanged { hash: String },
    #[error("a signer needs an account or an e-mail address")]
    SignerUnreachable,
    #[error("this person is a signer already")]
    SignerExists,
    #[error("at most {MAX_SIGNERS} can sign")]
    TooManySigners,
    #[error("at most {MAX_MILESTONES} milestones are possible")]
    TooManyMilestones,
    #[error("a milestone needs a title of at most 200 characters")]
    MilestoneTitleInvalid { seq: u32 },
    #[error("the amount of a milestone must be above zero and their sum within what Holdfast books")]
    AmountInvalid { seq: u32 },
    #[error("all milestones of a contract have one currency")]
    CurrencyMismatch { seq: u32 },
    /// MNY-04.
    #[error("the part of the {party} does not cover the taxes that it bears")]
    SplitBelowTax { party: &'static str, missing: Money },
    /// MNY-06.
    #[error("money has been asked for: milestones stand while an escrow is under way")]
    HasEscrow { escrow_ids: Vec<EscrowId> },
    #[error("this contract has no such milestone")]
    MilestoneNotFound,
    #[error("this milestone was reached before")]
    MilestoneAlreadyReached,
}

impl DomainError for ContractError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "CONTRACT_NOT_FOUND"),
            Self::Exists => (ErrorKind::Conflict, "CONTRACT_EXISTS"),
            Self::NotDraft { .. } => (ErrorKind::Conflict, "CONTRACT_NOT_DRAFT"),
            Self::NotVoidable { .. } => (ErrorKind::Conflict, "CONTRACT_NOT_VOIDABLE"),
            Self::NotAllowed { .. } => (ErrorKind::Conflict, "INVALID_CONTRACT_TRANSITION"),
            Self::NotPermitted => (ErrorKind::Forbidden, "POLICY_DENIED"),
            Self::NoSigners => (ErrorKind::Invalid, "NO_SIGNERS"),
            Self::NotASigner => (ErrorKind::Forbidden, "NOT_A_SIGNER"),
            Self::AlreadySigned => (ErrorKind::Conflict, "ALREADY_SIGNED"),
            Self::SignedAtProvider { .. } => (ErrorKind::Conflict, "SIGNED_AT_PROVIDER"),
            Self::NotYourTurn => (ErrorKind::Conflict, "NOT_YOUR_TURN"),
            Self::DocumentChanged { .. } => (ErrorKind::Conflict, "DOCUMENT_CHANGED"),
            Self::SignerUnreachable => (ErrorKind::Invalid, "SIGNER_UNREACHABLE"),
            Self::SignerExists => (ErrorKind::Conflict, "SIGNER_EXISTS"),
            Self::TooManySigners => (ErrorKind::Invalid, "TOO_MANY_SIGNERS"),
            Self::TooManyMilestones => (ErrorKind::Invalid, "TOO_MANY_MILESTONES"),
            Self::MilestoneTitleInvalid { .. } => (ErrorKind::Invalid, "MILESTONE_TITLE_INVALID"),
            Self::AmountInvalid { .. } => (ErrorKind::Invalid, "AMOUNT_INVALID"),
            Self::CurrencyMismatch { .. } => (ErrorKind::Invalid, "CURRENCY_MISMATCH"),
            Self::SplitBelowTax { .. } => (ErrorKind::Invalid, "SPLIT_BELOW_TAX"),
            Self::HasEscrow { .. } => (ErrorKind::Conflict, "CONTRACT_HAS_ESCROW"),
            Self::MilestoneNotFound => (ErrorKind::NotFound, "MILESTONE_NOT_FOUND"),
            Self::MilestoneAlreadyReached => (ErrorKind::Conflict, "MILESTONE_ALREADY_REACHED"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::NotDraft { status } | Self::NotVoidable { status } => json!({ "status": status }),
            Self::NotAllowed { status, action } => json!({ "status": status, "action": action }),
            Self::SignedAtProvider { provider } => json!({ "provider": provider }),
            Self::DocumentChanged { hash } => json!({ "documentHash": hash }),
            Self::MilestoneTitleInvalid { seq } | Self::AmountInvalid { seq } | Self::CurrencyMismatch { seq } => {
                json!({ "field": format!("milestones[{}]", seq.saturating_sub(1)) })
            }
            Self::SplitBelowTax { party, missing } => json!({ "party": party, "missing": missing }),
            Self::HasEscrow { escrow_ids } => json!({ "escrowIds": escrow_ids }),
            Self::TooManySigners => json!({ "max": MAX_SIGNERS }),
            Self::TooManyMilestones => json!({ "field": "milestones", "max": MAX_MILESTONES }),
            Self::NotFound
            | Self::Exists
            | Self::NotPermitted
            | Self::NoSigners
            | Self::NotASigner
            | Self::AlreadySigned
            | Self::NotYourTurn
            | Self::SignerUnreachable
            | Self::SignerExists
            | Self::MilestoneNotFound
            | Self::MilestoneAlreadyReached => json!({}),
        }
    }
}
