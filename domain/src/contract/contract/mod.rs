//! Contract: text, signers, milestones, documents (CTR-03..07, CTR-16..36).

mod aggregate;
mod command;
mod decide; // the rules
mod error;
mod event;
mod milestones; // and their parts of one division
mod parts;
mod status; // the machine as data
mod view; // what others may ask

pub use aggregate::{Contract, LinkedEscrow, SignerEntry, VersionMark};
pub use command::{ContractCommand, CreateContract, NewMilestone, NewSigner};
pub use error::ContractError;
pub use event::{ContractEvent, ContractFact, EscrowMark};
pub use parts::{
    Artifact, ArtifactKind, ContractTerms, ContractVersion, ESignProvider, Envelope, Milestone, MilestoneShare, PartyType, Signature,
    SignatureMethod, Signer, TemplateRef,
};
pub use status::{ContractAction, ContractStatus, TRANSITIONS};
pub use view::MilestoneStatus;
