//! What can be asked of a template.

use super::{TemplateStatus, Variable};

#[derive(Debug, Clone, PartialEq)]
pub enum TemplateCommand {
    /// CTR-11.
    Create { name: String, body_md: String, variables: Vec<Variable>, status: TemplateStatus },
    /// CTR-13: what is given replaces what is there and makes the next version.
    Update { name: Option<String>, body_md: Option<String>, variables: Option<Vec<Variable>>, status: Option<TemplateStatus> },
}
