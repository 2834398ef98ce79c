//! Why a command about a template is refused, in order of precedence.

use serde_json::json;

use crate::contract::MAX_BODY_BYTES;
use crate::kernel::{DomainError, ErrorKind};

/// The most variables that a template may declare.
pub const MAX_VARIABLES: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("this template does not exist")]
    NotFound,
    #[error("this template exists already")]
    Exists,
    #[error("a template needs a name of at most 200 characters")]
    NameInvalid,
    #[error("the text must have between 1 and {MAX_BODY_BYTES} bytes")]
    BodyInvalid,
    #[error("at most {MAX_VARIABLES} variables can be declared")]
    TooManyVariables,
    #[error("{name:?} is no name of a variable: a lower-case letter, then letters, digits and _, at most 64 characters")]
    VariableNameInvalid { name: String },
    #[error("the variable {name} is declared twice")]
    VariableDeclaredTwice { name: String },
    #[error("these are neither variables nor clauses: {}", placeholders.join(", "))]
    PlaceholderInvalid { placeholders: Vec<String> },
    #[error("the text uses variables that are not declared: {}", names.join(", "))]
    VariableUndeclared { names: Vec<String> },
    /// CTR-30.
    #[error("only a published template makes contracts")]
    NotPublished,
}

impl DomainError for TemplateError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "TEMPLATE_NOT_FOUND"),
            Self::Exists => (ErrorKind::Conflict, "TEMPLATE_EXISTS"),
            Self::NameInvalid => (ErrorKind::Invalid, "TEMPLATE_NAME_INVALID"),
            Self::BodyInvalid => (ErrorKind::Invalid, "TEMPLATE_BODY_INVALID"),
            Self::TooManyVariables => (ErrorKind::Invalid, "TOO_MANY_VARIABLES"),
            Self::VariableNameInvalid { .. } => (ErrorKind::Invalid, "VARIABLE_NAME_INVALID"),
            Self::VariableDeclaredTwice { .. } => (ErrorKind::Invalid, "VARIABLE_DECLARED_TWICE"),
            Self::PlaceholderInvalid { .. } => (ErrorKind::Invalid, "PLACEHOLDER_INVALID"),
            Self::VariableUndeclared { .. } => (ErrorKind::Invalid, "VARIABLE_UNDECLARED"),
            Self::NotPublished => (ErrorKind::Conflict, "TEMPLATE_NOT_PUBLISHED"),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::NameInvalid => json!({ "field": "name" }),
            Self::BodyInvalid => json!({ "field": "bodyMd", "maxBytes": MAX_BODY_BYTES }),
            Self::TooManyVariables => json!({ "field": "variables", "max": MAX_VARIABLES }),
            Self::VariableNameInvalid { name } | Self::VariableDeclaredTwice { name } => json!({ "field": "variables", "name": name }),
            Self::PlaceholderInvalid { placeholders } => json!({ "field": "bodyMd", "placeholders": placeholders }),
            Self::VariableUndeclared { names } => json!({ "field": "bodyMd", "names": names }),
            Self::NotFound | Self::Exists | Self::NotPublished => json!({}),
        }
    }
}
