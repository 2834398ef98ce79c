//! Why a command about a template is refused.

use crate::kernel::{DomainError, ErrorKind};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TemplateError {
    #[error("this template does not exist")]
    NotFound,
}

impl DomainError for TemplateError {
    fn describe(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NotFound => (ErrorKind::NotFound, "TEMPLATE_NOT_FOUND"),
        }
    }
}
