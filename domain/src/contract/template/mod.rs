//! Template: a text with variables, versioned (CTR-01, CTR-10..13).

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::Template;
pub use command::TemplateCommand;
pub use error::TemplateError;
pub use event::{TemplateEvent, TemplateStatus, Variable};
