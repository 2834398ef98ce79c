//! Contracts and signatures (CTR): templates and clauses that texts are made of, and contracts with their signers,
//! milestones and documents. Three aggregates; a contract keeps the text that was agreed, so a changed template changes
//! no contract.

mod clause;
#[expect(clippy::module_inception, reason = "one folder per aggregate of the context; one of them is its namesake")]
mod contract;
mod hash;
mod placeholder; // what a text asks for
mod render;
mod standard; // the text for those who have none
mod template;

pub use clause::{Clause, ClauseCommand, ClauseError, ClauseEvent, ClauseText, clause_id};
pub use contract::{
    Artifact, ArtifactKind, Contract, ContractAction, ContractCommand, ContractError, ContractEvent, ContractFact, ContractStatus,
    ContractTerms, ContractVersion, CreateContract, ESignProvider, Envelope, EscrowMark, LinkedEscrow, Milestone, MilestoneShare,
    MilestoneStatus, NewMilestone, NewSigner, PartyType, Signature, SignatureMethod, Signer, SignerEntry, TRANSITIONS, TemplateRef,
    VersionMark,
};
pub use hash::document_hash;
pub use placeholder::{MAX_BODY_BYTES, clauses_of};
pub use render::{RenderError, render, values_for};
pub use standard::{STANDARD_AGREEMENT, standard_variables};
pub use template::{MAX_VARIABLES, Template, TemplateCommand, TemplateError, TemplateEvent, TemplateStatus, TemplateVersion, Variable};

#[cfg(test)]
mod tests;
