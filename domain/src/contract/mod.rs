//! Contracts and signatures (CTR): templates and clauses that texts are made of, and contracts with their signers,
//! milestones and documents. Three aggregates; a contract keeps the text that was agreed, so a changed template changes
//! no contract.

mod clause;
mod contract;
mod hash;
mod render;
mod template;

pub use clause::{Clause, ClauseCommand, ClauseError, ClauseEvent, clause_id};
pub use contract::{
    Artifact, ArtifactKind, Contract, ContractCommand, ContractError, ContractEvent, ContractFact, ContractStatus, ContractTerms,
    ContractVersion, CreateContract, ESignProvider, EscrowMark, Milestone, MilestoneShare, NewMilestone, NewSigner, PartyType, Signature,
    SignatureMethod, Signer, TemplateRef,
};
pub use hash::document_hash;
pub use render::{MissingVariables, STANDARD_AGREEMENT, render};
pub use template::{Template, TemplateCommand, TemplateError, TemplateEvent, TemplateStatus, Variable};

#[cfg(test)]
mod tests;
