//! A contract: its text, and who signed it how (CTR-40).

use chrono::{DateTime, Utc};
use serde::Serialize;

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
