//! Contract: text, signers, milestones, documents (CTR-03..07, CTR-16..36).

mod aggregate;
mod command;
mod error;
mod event;
mod parts;
mod status;

pub use aggregate::Contract;
pub use command::{ContractCommand, CreateContract, NewMilestone, NewSigner};
pub use error::ContractError;
pub use event::{ContractEvent, ContractFact, EscrowMark};
pub use parts::{
    Artifact, ArtifactKind, ContractTerms, ContractVersion, ESignProvider, Milestone, MilestoneShare, PartyType, Signature,
    SignatureMethod, Signer, TemplateRef,
};
pub use status::ContractStatus;
