//! A month of a wallet. Amounts and positions come formatted; nothing is calculated here.

use holdfast_documents::{RenderError, StatementDocument};

use crate::engine::{self, About, Template};

/// # Errors
/// `RenderError::TooLarge`.
pub fn statement_pdf(document: &StatementDocument) -> Result<Vec<u8>, RenderError> {
    let StatementDocument { wallet_id, period, from_position, to_position, dated, .. } = document;
    let about = About { ident: format!("statement {wallet_id} {period} {from_position} {to_position}"), dated: *dated };
    engine::render(Template::Statement, about, document)
}
