//! What can be asked: to write an access down. The edge has decided that the actor may read.

use uuid::Uuid;

use crate::access::{AccessFilter, AccessKind};

#[derive(Debug, Clone, PartialEq)]
pub enum AccessCommand {
    Record {
        what: AccessKind,
        /// The stream that is looked at; none for the whole tenant.
        target: Option<Uuid>,
        filter: AccessFilter,
    },
}

const MAX_NAME: usize = 100;

/// True for what a stored name can look like (`escrow.released`, `bank_receipt`): a filter is no place for free text.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    (1..=MAX_NAME).contains(&text.len()) && text.chars().all(letter)
}
