//! Why a document is not rendered.

/// Most text in one document, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// Most strings in one document; a paragraph has one for each change of style, a table row one per cell.
pub const MAX_PIECES: usize = 30_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("a document may have {MAX_TEXT_BYTES} bytes of text in {MAX_PIECES} paragraphs, table cells and changes of style")]
    TooLarge,
    /// A defect of the typesetting, never of the input. The reason is for the log.
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
