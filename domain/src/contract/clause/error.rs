//! Why a command about a clause is refused, in order of precedence.

use serde_json::json;

use super::aggregate::MAX_CLAUSE_BYTES;
use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClauseError {
    /// CTR-15. The stream's id follows from the key, so the key's clause is there already.
    #[error("a clause with this key exists")]
    KeyTaken,
    #[error("a key is a lower-case letter, then letters, digits, _, - and ., at most 64 characters")]
    KeyInvalid,
    #[error("a clause needs a title of at most 200 characters")]
    TitleInvalid,
    #[error("the text must have between 1 and {MAX_CLAUSE_BYTES} bytes")]
    BodyInvalid,
    #[error("a clause may ask for variables only, not for: {}", placeholders.join(", "))]
    PlaceholderInvalid { placeholders: Vec<String> },
    #[error("at most 20 tags of 1 to 50 characters, each once")]
    TagsInvalid,
}

impl DomainError for ClauseError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::KeyTaken => (ErrorKind::Conflict, "CLAUSE_KEY_TAKEN"),
            Self::KeyInvalid => (ErrorKind::Invalid, "CLAUSE_KEY_INVALID"),
            Self::TitleInvalid => (ErrorKind::Invalid, "CLAUSE_TITLE_INVALID"),
            Self::BodyInvalid => (ErrorKind::Invalid, "CLAUSE_BODY_INVALID"),
            Self::PlaceholderInvalid { .. } => (ErrorKind::Invalid, "PLACEHOLDER_INVALID"),
            Self::TagsInvalid => (ErrorKind::Invalid, "CLAUSE_TAGS_INVALID"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::KeyTaken | Self::KeyInvalid => json!({ "field": "key" }),
            Self::TitleInvalid => json!({ "field": "title" }),
            Self::BodyInvalid => json!({ "field": "bodyMd", "maxBytes": MAX_CLAUSE_BYTES }),
            Self::PlaceholderInvalid { placeholders } => json!({ "field": "bodyMd", "placeholders": placeholders }),
            Self::TagsInvalid => json!({ "field": "tags" }),
        }
    }
}
