//! A contract: its text, and who signed it how (CTR-40).

use holdfast_documents::{ContractDocument, RenderError};
use serde::Serialize;

use crate::engine::{self, About, Template};
use crate::markdown::{self, Block};

#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    document: &'a ContractDocument,
    blocks: Vec<Block>,
}

/// The agreement, then an evidence page of its signatures (CTR-40); without signatures, a draft that says so on each page.
///
/// # Errors
/// `RenderError::TooLarge`.
pub fn contract_pdf(document: &ContractDocument) -> Result<Vec<u8>, RenderError> {
    let about = About { ident: format!("contract {} {}", document.contract_id, document.version), dated: document.dated };
    let view = View { document, blocks: markdown::blocks(&document.text)? };
    engine::render(Template::Contract, about, &view)
}
