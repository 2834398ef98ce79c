//! A contract: its text, and who signed it how (CTR-40).

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::RenderError;
use crate::engine::{self, About, Template};
use crate::markdown::{self, Block};

// No `Debug`: names and addresses stay out of logs.
#[derive(Clone, Serialize)]
pub struct ContractDocument {
    pub title: String,
    /// The tenant's name; the author of the PDF.
    pub tenant: String,
    pub contract_id: String,
    pub version: u32,
    /// When this version was made or, once signed, when the last party signed; the date of the PDF.
    pub dated: DateTime<Utc>,
    /// Exactly what was signed. Markdown: headings, paragraphs, bold, italic, lists, tables; anything else is shown as written.
    #[serde(skip)]
    pub text: String,
    /// SHA-256 of `text`, in hex. Printed as given.
    pub text_sha256: String,
    /// None yet: a draft.
    pub signatures: Vec<Signature>,
}

#[derive(Clone, Serialize)]
pub struct Signature {
    pub name: String,
    pub email: Option<String>,
    /// Role or kind of party: "payee", "witness".
    pub role: String,
    /// What the signer typed as signature.
    pub typed_name: Option<String>,
    /// The sentence that the signer agreed to.
    pub consent: String,
    pub signed_at: DateTime<Utc>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub signed_with: SignedWith,
}

#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignedWith {
    InApp,
    Provider { provider: String, envelope_id: String },
}

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
