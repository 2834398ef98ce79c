//! A call sheet: who is where when, for one booking.

use holdfast_documents::{CallSheetDocument, RenderError};

use crate::engine::{self, About, Template};

/// # Errors
/// `RenderError::TooLarge`.
pub fn call_sheet_pdf(document: &CallSheetDocument) -> Result<Vec<u8>, RenderError> {
    let about = About { ident: format!("call sheet {} {}", document.booking_id, document.version), dated: document.published_at };
    engine::render(Template::CallSheet, about, document)
}
