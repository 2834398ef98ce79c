//! Templates, clauses and contracts: rows that hold the aggregate's own state, and every version of a text.

mod clause;
mod detail;
mod queries;
mod template;
mod view;

pub use clause::{ClauseEntry, ClauseFilter, list as clauses};
pub use detail::{ContractDetail, ContractText, MilestoneEntry, ShareEntry, SignatureEntry, SignerEntry, SigningPage, VersionEntry};
pub(crate) use queries::PARTIES;
pub use queries::{ArtifactEntry, ContractFilter, ContractSummary, Reader, artifacts, detail, list, signing_page, version};
pub use template::{
    TemplateDetail, TemplateFilter, TemplateSummary, TemplateText, TemplateVersionRow, detail as template, list as templates,
};
pub use view::{ContractVersionRow, PROJECTION, projection};
