//! Template: a text with variables, versioned (CTR-01, CTR-10..13).

mod aggregate;
mod command;
mod error;
mod event;

pub use aggregate::{Template, TemplateVersion};
pub use command::TemplateCommand;
pub use error::{MAX_VARIABLES, TemplateError};
pub use event::{TemplateEvent, TemplateStatus, Variable};
