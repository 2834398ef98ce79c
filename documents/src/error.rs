//! Why a document is not rendered.

use crate::input::{MAX_PIECES, MAX_TEXT_BYTES};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("a document may have {MAX_TEXT_BYTES} bytes of text in {MAX_PIECES} paragraphs, table cells and changes of style")]
    TooLarge,
    /// A defect of this crate, never of the input. The reason is for the log.
    #[error("the document could not be rendered: {0}")]
    Failed(String),
}

impl RenderError {
    /// Stable code, one per variant.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "DOCUMENT_TOO_LARGE",
            Self::Failed(_) => "DOCUMENT_NOT_RENDERED",
        }
    }
}
